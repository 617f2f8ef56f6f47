//! `backup`: from a namespace to a repository.

use std::num::NonZeroUsize;

use anyhow::{Context, Result};
use backup_repository::{BackupOptions, BackupReport, Progress};
use clap::Args;

use crate::args::{ReadArgs, SourceArgs, WriteArgs};
use crate::locator::{RepositoryLocation, Source};
use crate::report::{self, Report, count};
use crate::{engine, repository};

/// Dump a namespace into a repository, which is created where nothing is
///
/// Whoever writes to the namespace is not disturbed. Nothing is dumped twice: objects that the repository holds already
/// are used again, and a backup that was interrupted goes on where it stopped when the same command runs again.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup backup rocksdb:/var/lib/linera/validator_0 /backup/validator --origin 02ab...
  kvbackup backup rocksdb:/var/lib/linera/validator_0 s3://bucket/validator --codec zstd:3 --json
  kvbackup backup rocksdb-backup:/var/lib/engine-backups#7 /backup/validator --annotate ticket=42")]
pub(crate) struct BackupArgs {
    /// The namespace, like rocksdb:DIR/NAMESPACE
    source: Source,
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    #[command(flatten)]
    write: WriteArgs,
    #[command(flatten)]
    open: SourceArgs,
    #[command(flatten)]
    read: ReadArgs,
    /// Ranges of the namespace that are read at the same time [default: one for every four workers]
    #[arg(long, value_name = "N", hide_short_help = true)]
    shares: Option<NonZeroUsize>,
}

pub(crate) async fn run(args: BackupArgs, progress: Progress) -> Result<Report> {
    repository::keep_private();
    let database = engine::open_source(&args.source, args.open.options(&args.read)).await?;
    // A source that cannot be opened shall not leave an empty repository behind.
    let namespace = database.source().namespace;
    drop(database.snapshot().await.with_context(|| format!("opening namespace {namespace}"))?);
    let repository = match args.write.dry_run {
        true => repository::open_for_dry_run(&args.repository).await?,
        false => repository::open_or_create(&args.repository).await?,
    };
    let dry_run = args.write.dry_run;
    let options = BackupOptions { shares: args.shares, ..args.write.options(&args.read, progress) };
    let made = repository.backup(&*database, options).await?;
    Ok(describe(&made, &args.repository, dry_run))
}

/// Reports a dump that was made, or would be.
pub(super) fn describe(made: &BackupReport, location: &RepositoryLocation, dry_run: bool) -> Report {
    let mut report = Report::default();
    report.dump(made.dump, &made.manifest);
    report.field("new_objects", made.new_objects);
    report.field("new_packs", made.new_packs);
    report.field("stored_bytes", made.stored_bytes);
    report.field("dry_run", dry_run);
    let stored = format!(
        "{}: {} in {}",
        report::bytes(made.stored_bytes),
        count(made.new_objects, "new object"),
        count(made.new_packs, "pack")
    );
    if dry_run {
        report.line("would store", stored);
        report.line("dry run", "nothing was written");
    } else {
        report.line("stored", stored);
        report.line("next", format_args!("kvbackup verify {location}"));
    }
    report.timed()
}
