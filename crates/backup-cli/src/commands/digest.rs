//! `digest`: the fingerprint of a namespace as it is.

use std::ffi::{OsStr, OsString};

use anyhow::Result;
use backup_console::{ReadArgs, Report, Session, SourceArgs, count};
use backup_repository::DigestOptions;
use clap::Args;

use crate::report;

/// Compute the digest of a namespace
///
/// Two namespaces that hold the same have the same digest, in all engines and layouts; it is also the digest of a dump of
/// either.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  kvbackup digest rocksdb:/var/lib/linera/validator_0")]
pub(crate) struct DigestArgs {
    /// The namespace, like rocksdb:DIR/NAMESPACE or scylla://HOST/KEYSPACE/TABLE
    source: OsString,
    #[command(flatten)]
    open: SourceArgs,
    #[command(flatten)]
    read: ReadArgs,
}

pub(crate) async fn run(args: DigestArgs, session: &Session) -> Result<Report> {
    scan(&args.source, &args.open, &args.read, session).await
}

/// Reads a namespace and reports digest and counts.
pub(super) async fn scan(
    source: &OsStr,
    open: &SourceArgs,
    read: &ReadArgs,
    session: &Session,
) -> Result<Report> {
    let opened = session.source(source)?.open(&open.opening(&session.opening, read)).await?;
    let options =
        DigestOptions { workers: read.workers(), limits: read.limits(), progress: session.progress.clone() };
    let found = backup_repository::digest(&opened, &options).await?;
    let info = opened.source();
    let source = backup_format::Source {
        engine: info.engine.clone(),
        engine_version: info.engine_version.clone(),
        layout: info.layout.clone(),
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
    let engine = report::engine_and_layout(&source);
    report.line("namespace", format_args!("{} ({engine})", info.namespace));
    let (entries, partitions) = (count(state.entries, "entry"), count(state.partitions, "partition"));
    report.line("content", format_args!("{entries} in {partitions}"));
    report::add_contents(&mut report, &found.contents);
    Ok(report.timed())
}
