//! `forget`: takes dumps off the list.

use anyhow::{Context, Result};
use backup_console::{Problem, Report, RepositoryLocation, Session, SignArgs, Times, count};
use backup_repository::{DumpChoice, ForgetGroup, ForgetOptions, ForgetReport, PruneOptions, Verdict};
use clap::Args;
use serde_json::{Value, json};

use super::prune;
use crate::keep_args::KeepArgs;
use crate::origin;
use crate::outcome::Run;
use crate::report::to_the_second;
use crate::repository;
use crate::table;
use crate::textfile::RecordArgs;

/// Digits of an id in the table; `--dump` takes them.
const ID_DIGITS: usize = 12;

/// Forget dumps: by rules that say which ones stay, or by name
///
/// A dump stays if one rule keeps it. Rules count for each namespace, validator and layout by itself, and in UTC; those of
/// periods keep the newest dump of each period that has one. The newest dump of each group always stays, and nothing is
/// forgotten while a manifest is damaged. What was forgotten can be had back with `unforget`, until `prune` has removed its
/// packs: that is what wins room.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup forget /backup/validator --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run
  kvbackup forget /backup/validator --keep-within 14d --keep-annotation release
  kvbackup forget /backup/validator --keep-daily 7 --keep-weekly 5 --prune
  kvbackup forget /backup/validator --dump 3f2a0c11")]
pub(crate) struct ForgetArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    #[command(flatten)]
    keep: KeepArgs,
    /// Forget this dump, whatever the rules say: the first 4 to 64 digits of its id; may be repeated
    #[arg(long = "dump", value_name = "ID", value_parser = parse_id)]
    dumps: Vec<String>,
    /// Accept that this dump, which others came after, is lost: the first 4 to 64 digits of its id; may be repeated
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    missing: Vec<String>,
    #[command(flatten)]
    sign: SignArgs,
    /// Leave alone dumps of other namespaces
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Leave alone dumps of other validators
    #[arg(long, value_name = "VALIDATOR_PUBLIC_KEY", value_parser = origin::parse)]
    origin: Option<String>,
    /// Forget also if more than half of the dumps go
    #[arg(long)]
    allow_most: bool,
    /// Tell what would be forgotten, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Then do what `prune` does, with its defaults
    #[arg(long, conflicts_with = "dry_run")]
    prune: bool,
    #[command(flatten)]
    record: RecordArgs,
}

impl ForgetArgs {
    pub(crate) fn recorded(&self) -> Run<'_> {
        Run {
            command: "forget",
            record: &self.record,
            repository: &self.repository,
            source: None,
            target: None,
            dry_run: self.dry_run,
        }
    }
}

pub(crate) async fn run(args: ForgetArgs, session: &Session) -> Result<Report> {
    let rules = args.keep.rules();
    if rules.is_empty() && args.dumps.is_empty() && args.missing.is_empty() {
        let problem = "nothing says which dumps go: give a rule like --keep-daily 7, or --dump ID";
        return Err(Problem::Usage(problem.to_owned()).into());
    }
    repository::keep_private();
    let signer = args.sign.signer(session)?;
    let repository = signer.of(session.repository(&args.repository).await?);
    let options = ForgetOptions {
        rules,
        dumps: args.dumps,
        namespace: args.namespace,
        origin: args.origin,
        allow_most: args.allow_most,
        dry_run: args.dry_run,
    };
    let made = repository.forget(&options).await?;
    let accepted = match args.dry_run {
        true => Vec::new(),
        false => repository.accept_missing(&args.missing).await?,
    };
    let mut report = describe(&made, args.dry_run, session.times());
    accepted.iter().for_each(|id| report.line("accepted", format_args!("dump {id} is lost")));
    report.field("accepted", accepted);
    if args.prune {
        let options = PruneOptions { progress: session.progress.clone(), ..PruneOptions::default() };
        let pruned = repository.prune(&options).await.context("the dumps are forgotten; pruning failed")?;
        report.text("\n");
        prune::describe(&mut report, &pruned, &options);
    }
    Ok(report)
}

fn describe(made: &ForgetReport, dry_run: bool, times: Times) -> Report {
    let mut report = Report::default();
    report.field("dry_run", dry_run);
    report.field("groups", made.groups.iter().map(group_as_json).collect::<Vec<_>>());
    let (gone, kept) = ((made.going().count() + made.untrusted.len()) as u64, made.kept() as u64);
    report.field("forgotten", gone);
    report.field("kept", kept);
    for group in &made.groups {
        let origin = group.origin.as_ref().map(|origin| format!(" of {origin:.ID_DIGITS$}"));
        let origin = origin.unwrap_or_default();
        report.text(&format!("namespace {}{origin}, layout {}\n", group.namespace, group.layout));
        report.text(&table::table(
            group.dumps.iter().map(|verdict| row(verdict, times)).collect(),
            2,
            usize::MAX,
        ));
    }
    report.field("untrusted", &made.untrusted);
    for id in &made.untrusted {
        report.text(&format!("{id:.ID_DIGITS$}  goes, and is not signed by a trusted key\n"));
    }
    let doing = if dry_run { "would go" } else { "forgotten" };
    report.line(doing, format_args!("{}; {kept} stay", count(gone, "dump")));
    report
}

fn row(verdict: &Verdict, times: Times) -> [String; 3] {
    let what = if verdict.goes() { "goes".to_owned() } else { format!("stays: {}", words(verdict)) };
    let Verdict { dump, .. } = verdict;
    [format!("{:.ID_DIGITS$}", dump.id), times.text(&dump.manifest.finished), what]
}

fn words(verdict: &Verdict) -> String {
    verdict.reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn group_as_json(group: &ForgetGroup) -> Value {
    let dump = |verdict: &Verdict| {
        json!({
            "dump": verdict.dump.id,
            "finished": to_the_second(&verdict.dump.manifest.finished),
            "goes": verdict.goes(),
            "reasons": verdict.reasons.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    };
    json!({
        "namespace": group.namespace,
        "origin": group.origin,
        "layout": group.layout,
        "dumps": group.dumps.iter().map(dump).collect::<Vec<_>>(),
    })
}

/// Parses the first digits of an id.
pub(super) fn parse_id(text: &str) -> Result<String, String> {
    match text.parse() {
        Ok(DumpChoice::Id(digits)) => Ok(digits),
        _ => Err("expected the first 4 to 64 hex digits of a dump's id".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_lower_case_hex_digits() {
        assert!(parse_id("3f2a").is_ok() && parse_id(&"0".repeat(64)).is_ok());
        for bad in ["", "3f2", "3F2A", "latest", &"0".repeat(65)] {
            assert!(parse_id(bad).is_err(), "{bad}");
        }
    }
}
