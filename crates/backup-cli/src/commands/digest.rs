//! `digest`: the fingerprint of a namespace as it is.

use anyhow::Result;
use backup_repository::{DigestOptions, Progress};
use clap::Args;

use crate::args::{ReadArgs, SourceArgs};
use crate::engine;
use crate::locator::Source;
use crate::report::{Report, count};

/// Compute the digest of a namespace
///
/// Two namespaces that hold the same have the same digest, whatever their engine and layout; it is also the digest of a
/// dump of either.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  kvbackup digest rocksdb:/var/lib/linera/validator_0")]
pub(crate) struct DigestArgs {
    /// The namespace, like rocksdb:DIR/NAMESPACE or scylla://HOST/KEYSPACE/TABLE
    source: Source,
    #[command(flatten)]
    open: SourceArgs,
    #[command(flatten)]
    read: ReadArgs,
}

pub(crate) async fn run(args: DigestArgs, progress: Progress) -> Result<Report> {
    scan(&args.source, &args.open, &args.read, progress).await
}

/// Reads a namespace and reports digest and counts.
pub(super) async fn scan(
    source: &Source,
    open: &SourceArgs,
    read: &ReadArgs,
    progress: Progress,
) -> Result<Report> {
    let database = engine::open_source(source, open.options(read)).await?;
    let options = DigestOptions { workers: read.workers, limits: read.limits(), progress };
    let found = backup_repository::digest(&*database, &options).await?;
    let info = database.source();
    let source = backup_format::Source {
        engine: info.engine,
        engine_version: info.engine_version,
        layout: info.layout,
        origin: None,
    };
    let state = &found.state;
    let mut report = Report::default();
    report.field("digest", state.digest());
    report.field("partitions", state.partitions);
    report.field("entries", state.entries);
    report.field("namespace", &info.namespace);
    report.field("source", &source);
    report.field("contents", &found.contents);
    report.line("digest", state.digest());
    let engine = crate::report::engine_and_layout(&source);
    report.line("namespace", format_args!("{} ({engine})", info.namespace));
    let (entries, partitions) = (count(state.entries, "entry"), count(state.partitions, "partition"));
    report.line("content", format_args!("{entries} in {partitions}"));
    Ok(report.with_contents(found.contents).timed())
}
