//! `finish`: from the shares of several processes to a dump.

use anyhow::Result;
use backup_console::{Places, Report, RepositoryLocation, Session, SignArgs, count};
use backup_repository::{Compression, FinishOptions, JobName};
use clap::Args;

use super::backup;
use crate::args::ShrinkArgs;
use crate::outcome::Run;
use crate::repository;
use crate::textfile::RecordArgs;

/// Make the dump of a job, when `backup --share` has read all of its shares
///
/// Nothing is made while ranges are missing, or records of them are torn or of another job: they are named, and running
/// their shares again mends it. The dump is the one that a single process would have made, and is causal only if each share
/// could vouch for its own. In the end the records of the job are removed.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup finish /backup/validator --job 2026-01-31
  kvbackup finish /backup/validator --job 2026-01-31 --discard      give the job up")]
pub(crate) struct FinishArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    /// Name of the job
    #[arg(long, value_name = "NAME")]
    job: JobName,
    /// How the one new page is stored: none, zstd or zstd:LEVEL with a level up to 22
    #[arg(long, value_name = "CODEC", default_value_t)]
    codec: Compression,
    /// Make the dump also of what does not seem to be a validator's namespace, or is empty
    #[arg(long)]
    allow_implausible: bool,
    #[command(flatten)]
    shrink: ShrinkArgs,
    #[command(flatten)]
    sign: SignArgs,
    /// Check that all shares are done, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Remove the records of the job, and make no dump
    #[arg(long, conflicts_with_all = ["dry_run", "allow_implausible", "max_shrink", "codec", "sign_key", "textfile"])]
    discard: bool,
    #[command(flatten)]
    record: RecordArgs,
}

impl FinishArgs {
    pub(crate) fn recorded(&self) -> Run<'_> {
        Run {
            command: "finish",
            record: &self.record,
            repository: &self.repository,
            source: None,
            target: None,
            dry_run: self.dry_run,
        }
    }
}

pub(crate) async fn run(args: FinishArgs, session: &Session) -> Result<Report> {
    repository::keep_private();
    Places::default().with_repository(&args.repository)?.check()?;
    let signer = args.sign.signer(session)?;
    let repository = signer.of(session.repository(&args.repository).await?);
    if args.discard {
        let removed = repository.discard_job(&args.job).await?;
        let mut report = Report::default();
        report.field("job", args.job.as_str());
        report.field("records_removed", removed);
        report.line("discarded", format_args!("job {}: {} removed", args.job, count(removed, "record")));
        return Ok(report);
    }
    let options = FinishOptions {
        compression: args.codec,
        allow_implausible: args.allow_implausible,
        max_shrink_percent: args.shrink.percent(),
        dry_run: args.dry_run,
        progress: session.progress.clone(),
        ..FinishOptions::default()
    };
    let made = repository.finish(&args.job, &options).await?;
    let mut report = backup::describe(&made, &args.repository, args.dry_run, &signer);
    report.field("job", args.job.as_str());
    Ok(report)
}
