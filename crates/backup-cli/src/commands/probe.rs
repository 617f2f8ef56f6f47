//! `probe`: whether a store keeps what a repository needs.

use anyhow::Result;
use backup_console::{Problem, Report, RepositoryLocation, Session};
use backup_repository::{ProbeOptions, ProbeReport, RuleOutcome};
use backup_sources::parse_size;
use clap::Args;
use serde_json::json;

use crate::repository;
use crate::table;

/// Check that a store keeps what a repository needs
///
/// Writes small files and one as long as a pack beside those of the repository, and reads and lists them. Several writers create the
/// same one. All of them are removed. A directory must be there, and a repository in it need not. Worth its while before the first
/// backup into a store, and when its server was changed. A rule that does not hold makes the exit code 4.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup probe s3://bucket/validator
  kvbackup probe /mnt/nas/validator --big-object 64MiB")]
pub(crate) struct ProbeArgs {
    /// The repository, or the place for one: a directory or a URL
    repository: RepositoryLocation,
    /// Length of the big file; packs have up to 16 MiB, and more where values are longer [default: 16MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    big_object: Option<usize>,
}

pub(crate) async fn run(args: ProbeArgs, session: &Session) -> Result<Report> {
    repository::keep_private();
    let store = session.store(&args.repository, false)?;
    let progress = session.progress.clone();
    let mut options = ProbeOptions { progress, ..ProbeOptions::default() };
    if let Some(bytes) = args.big_object {
        options.big_bytes = bytes as u64;
    }
    let found = store.check_rules(&options).await?;
    Ok(describe(&args.repository, &found).timed())
}

fn describe(location: &RepositoryLocation, found: &ProbeReport) -> Report {
    let mut report = Report::default();
    let rules: Vec<_> = found
        .checks
        .iter()
        .map(|check| {
            let (holds, problem) = match &check.outcome {
                RuleOutcome::Holds => (Some(true), None),
                RuleOutcome::Broken(problem) => (Some(false), Some(problem)),
                RuleOutcome::NotChecked => (None, None),
            };
            json!({ "rule": check.rule.name(), "holds": holds, "problem": problem })
        })
        .collect();
    report.field("repository", location.to_string());
    report.field("rules", rules);
    report.field("left", &found.left);
    let rows = found.checks.iter().map(|check| {
        let outcome = match check.outcome {
            RuleOutcome::Holds => "holds",
            RuleOutcome::Broken(_) => "DOES NOT HOLD",
            RuleOutcome::NotChecked => "not checked",
        };
        [check.rule.to_string(), outcome.to_owned()]
    });
    report.text(&table::table(rows.collect(), 0, usize::MAX));
    for path in &found.left {
        report.line("left", format_args!("{path} could not be removed; remove it by hand"));
    }
    let broken: Vec<_> = found
        .broken()
        .map(|(rule, problem)| format!("{rule} does not hold: {problem}; {}", rule.needed_for()))
        .collect();
    if !broken.is_empty() {
        let text = format!("{location} does not keep what a repository needs: {}", broken.join(". "));
        report.failure = Some(Problem::Refused(text));
    }
    report
}
