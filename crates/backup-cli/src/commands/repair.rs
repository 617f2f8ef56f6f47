//! `repair`: puts back what is missing or damaged in a repository.

use anyhow::Result;
use backup_console::{Places, Problem, ReadArgs, Report, RepositoryLocation, Session, count};
use backup_repository::{RepairOptions, RepairReport, Repository, RepositoryError};
use clap::Args;
use serde_json::json;

use crate::report::full_text;
use crate::repository;

/// Repair a repository: put back what is missing or damaged
///
/// config.json is taken from its second copy in configs/. Packs and manifests, and a config without a copy, are taken from another copy of
/// the same repository. All packs are read to find those that are damaged, and each file is checked before it is written. What
/// remains lost is named, and makes the exit code 3. Nothing is removed.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup repair /backup/validator --dry-run
  kvbackup repair /backup/validator --from s3://bucket/validator")]
pub(crate) struct RepairArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    /// Another copy of the same repository: a directory or a URL
    #[arg(id = "other_repository", long = "from", value_name = "COPY")]
    from: Option<RepositoryLocation>,
    /// Find out what is wrong and what can be put back, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    read: ReadArgs,
}

pub(crate) async fn run(args: RepairArgs, session: &Session) -> Result<Report> {
    let places = Places::default().with_repository(&args.repository)?;
    match &args.from {
        Some(from) => places.with_second_repository(from)?.check()?,
        None => places.check()?,
    }
    repository::keep_private();
    let copy = match &args.from {
        Some(from) => Some(session.repository(from).await?),
        None => None,
    };
    let store = session.store(&args.repository, false)?;
    let options = RepairOptions {
        workers: args.read.workers(),
        trust: session.trust.clone(),
        dry_run: args.dry_run,
        progress: session.progress.clone(),
    };
    let repaired = Repository::repair(store, copy.as_ref(), &options).await?;
    Ok(describe(&repaired, &args).timed())
}

fn describe(repaired: &RepairReport, args: &RepairArgs) -> Report {
    let mut report = Report::default();
    report.field("repository", args.repository.to_string());
    report.field("from", args.from.as_ref().map(ToString::to_string));
    report.field("dry_run", args.dry_run);
    report.field("config_from", &repaired.config_from);
    report.field("config_copied", repaired.config_copied);
    report.field("key_copied", repaired.key_copied);
    report.field("packs", &repaired.packs);
    report.field("manifests", &repaired.manifests);
    let lost = repaired.lost.iter();
    let lost: Vec<_> =
        lost.map(|(what, error)| json!({ "what": what, "problem": full_text(error) })).collect();
    report.field("lost", lost);
    let doing = if args.dry_run { "would write" } else { "written" };
    if let Some(from) = &repaired.config_from {
        report.line(doing, format_args!("config.json, from {from}"));
    }
    if repaired.config_copied {
        report.line(doing, "the second copy of config.json, in configs/");
    }
    if repaired.key_copied {
        report.line(doing, "keys/repository.age");
    }
    for (names, folder, end) in [(&repaired.packs, "packs", ""), (&repaired.manifests, "manifests", ".json")]
    {
        names.iter().for_each(|name| report.line(doing, format_args!("{folder}/{name}{end}")));
    }
    for (what, error) in &repaired.lost {
        report.line("LOST", format_args!("{what}: {}", full_text(error)));
    }
    if repaired.is_untouched() && repaired.lost.is_empty() {
        report.line("good", "nothing is missing, and all packs are what they are named after");
    }
    report.failure = failure(repaired, args);
    report
}

fn failure(repaired: &RepairReport, args: &RepairArgs) -> Option<Problem> {
    let is_refused =
        |(_, error): &&(String, RepositoryError)| matches!(error, RepositoryError::Untrusted { .. });
    // Damage weighs more than what is not trusted.
    let (what, error) = repaired.lost.iter().find(|lost| !is_refused(lost)).or(repaired.lost.first())?;
    let advice = match args.from {
        Some(_) => "back up again while the source lives; a damaged pack that no dump needs can be removed",
        None => "--from COPY takes it from another copy of the repository",
    };
    let text = format!(
        "{} of repository {} remain lost, the first: {what}: {}; {advice}",
        count(repaired.lost.len() as u64, "file or dump").replace("file or dumps", "files or dumps"),
        args.repository,
        full_text(error)
    );
    Some(if let RepositoryError::Untrusted { .. } = error {
        Problem::Refused(text)
    } else {
        Problem::Damage(text)
    })
}
