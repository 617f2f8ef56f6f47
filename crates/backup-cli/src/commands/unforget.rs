//! `unforget`: takes back that a dump was forgotten.

use anyhow::Result;
use backup_console::{Report, RepositoryLocation, Session, SignArgs};
use backup_repository::Dump;
use clap::Args;

use super::forget::parse_id;
use crate::report;
use crate::repository;
use crate::table;

/// Put a forgotten dump on the list again, or list the forgotten dumps
///
/// Before a dump is listed again all that it reaches is known to be there. That ends when `prune` has removed packs that it needs;
/// its manifest stays among the forgotten ones as a record.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup unforget /backup/validator                    list the forgotten dumps
  kvbackup unforget /backup/validator --dump 3f2a0c11")]
pub(crate) struct UnforgetArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    /// The dump: the first 4 to 64 digits of its id
    #[arg(long = "dump", value_name = "ID", value_parser = parse_id)]
    dump: Option<String>,
    #[command(flatten)]
    sign: SignArgs,
}

pub(crate) async fn run(args: UnforgetArgs, session: &Session) -> Result<Report> {
    let signer = args.sign.signer(session)?;
    let repository = signer.of(session.repository(&args.repository).await?);
    let mut report = Report::default();
    if let Some(digits) = &args.dump {
        repository::keep_private();
        let dump = repository.unforget(digits).await?;
        report::add_dump(&mut report, dump.id, &dump.manifest);
        return Ok(report);
    }
    let dumps = repository.forgotten().await?;
    report.field("forgotten", dumps.iter().map(report::dump_as_json).collect::<Vec<_>>());
    let row = |Dump { id, manifest }: &Dump| {
        [id.to_string(), session.times().text(&manifest.finished), manifest.namespace.clone()]
    };
    match dumps.is_empty() {
        true => report.text("no forgotten dumps\n"),
        false => report.text(&table::table(dumps.iter().map(row).collect(), 0, usize::MAX)),
    }
    Ok(report)
}
