//! `init`: makes a repository.

use anyhow::Result;
use backup_console::{Report, RepositoryLocation, Session};
use backup_format::Config;
use clap::Args;

use crate::repository;

/// Make an empty repository
///
/// A backup makes one of version 1 where nothing is, so this is for those who want another version. In a repository of version 2 a segment
/// that changed may be stored as a patch of the one before it. So the next dump takes little more room than what
/// changed. One of version 1 can also be read by the first programs. A version never changes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup init /backup/validator
  kvbackup init s3://bucket/validator --version 2")]
pub(crate) struct InitArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    /// Version of the repository: 1 or 2
    #[arg(long, value_name = "N", default_value_t = Config::DEFAULT_VERSION)]
    #[arg(value_parser = clap::value_parser!(u64).range(Config::VERSIONS))]
    version: u64,
}

pub(crate) async fn run(args: InitArgs, session: &Session) -> Result<Report> {
    repository::keep_private();
    let repository = repository::create(&args.repository, args.version, session).await?;
    let config = repository.config();
    let mut report = Report::default();
    report.field("repository", &config.repository);
    report.field("version", config.version());
    report.line("repository", &config.repository);
    report.line("version", config.version());
    report.line("next", format_args!("kvbackup backup SOURCE {}", args.repository));
    Ok(report.timed())
}
