//! `prune`: removes what no dump needs.

use std::time::Duration;

use anyhow::Result;
use backup_console::{Report, RepositoryLocation, Session, bytes, count};
use backup_repository::{PackCount, PruneOptions, PruneReport};
use clap::Args;
use serde_json::{Value, json};

use crate::keep_args::parse_age;
use crate::outcome::Run;
use crate::repository;
use crate::table;
use crate::textfile::RecordArgs;

/// Remove what no dump needs any more, and win its room
///
/// In two steps: packs that nothing needs are condemned now, and removed by the first prune after the grace. What must stay of
/// packs that are mostly unused is copied to new ones before that. Safe beside backups, restores and other prunes at work, and
/// at any interruption. Room comes back with the second run: one each week is enough.
///
/// Nothing is removed while a manifest is damaged, or while it is not known what a job needs. What `forget` took off the list can
/// be had back until its packs are removed.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup prune /backup/validator --dry-run
  kvbackup prune /backup/validator
  kvbackup prune /backup/validator --grace 0          at once, when no backup is at work")]
pub(crate) struct PruneArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    /// How long packs stay after they were condemned, and how old they must be before that: 0, or like 36h, 14d [default: 48h]
    #[arg(long, value_name = "TIME", value_parser = parse_grace)]
    grace: Option<Duration>,
    /// How much of all bytes may stay unused in packs that hold something else; 100% copies nothing [default: 10%]
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    max_unused: Option<u8>,
    /// Remove also what backups that died had staged; no backup may be at work
    #[arg(long)]
    discard_staged: bool,
    /// Tell what would be removed, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    record: RecordArgs,
}

impl PruneArgs {
    pub(crate) fn recorded(&self) -> Run<'_> {
        Run {
            command: "prune",
            record: &self.record,
            repository: &self.repository,
            source: None,
            target: None,
            dry_run: self.dry_run,
        }
    }
}

pub(crate) async fn run(args: PruneArgs, session: &Session) -> Result<Report> {
    repository::keep_private();
    let repository = session.repository(&args.repository).await?;
    let options = PruneOptions {
        grace: args.grace.unwrap_or(PruneOptions::GRACE),
        max_unused_percent: args.max_unused.unwrap_or(PruneOptions::MAX_UNUSED_PERCENT),
        discard_staged: args.discard_staged,
        dry_run: args.dry_run,
        progress: session.progress.clone(),
    };
    let pruned = repository.prune(&options).await?;
    let mut report = Report::default();
    report.field("dry_run", args.dry_run);
    describe(&mut report, &pruned, &options);
    Ok(report.timed())
}

/// Adds what a prune did.
pub(super) fn describe(report: &mut Report, pruned: &PruneReport, options: &PruneOptions) {
    let PruneReport { removed, waiting, empty, repacked, left, young, .. } = *pruned;
    let rows = [
        ("removed", removed),
        ("waiting", waiting),
        ("empty", empty),
        ("repacked", repacked),
        ("left", left),
        ("young", young),
    ];
    for (name, packs) in rows {
        report.field(name, as_json(packs));
    }
    for (name, number) in [
        ("copied_bytes", pruned.copied_bytes),
        ("unused_bytes", pruned.unused_bytes),
        ("damaged", pruned.damaged),
        ("stages", pruned.stages),
        ("stages_removed", pruned.stages_removed),
        ("signatures_removed", pruned.signatures_removed),
        ("attestations_removed", pruned.attestations_removed),
    ] {
        report.field(name, number);
    }
    let header = ["".to_owned(), "packs".to_owned(), "size".to_owned(), "".to_owned()];
    let row = |name: &str, packs: PackCount, remark: String| {
        [name.to_owned(), packs.packs.to_string(), bytes(packs.bytes), remark]
    };
    let tense = if options.dry_run { "would be removed" } else { "removed" };
    let copied = format!("{} to copy", bytes(pruned.copied_bytes));
    let unused = format!("{} unused", bytes(pruned.unused_bytes));
    let grace = format!("until {} h after", options.grace.as_secs() / 3_600);
    let rows = vec![
        header,
        row("condemned, empty", empty, String::new()),
        row("condemned, repacked", repacked, if repacked.packs > 0 { copied } else { String::new() }),
        row("waiting", waiting, if waiting.packs > 0 { grace } else { String::new() }),
        row(tense, removed, String::new()),
        row("left", left, unused),
    ];
    report.text(&table::table(rows, 0, 1));
    report.text("\n");
    report.line("freed", format_args!("{} in {}", bytes(removed.bytes), count(removed.packs, "pack")));
    if waiting.packs > 0 {
        let (size, packs) = (bytes(waiting.bytes), count(waiting.packs, "pack"));
        report.line("to be freed", format_args!("{size} in {packs}, by the first prune after the grace"));
    }
    if pruned.stages > 0 {
        let stages = count(pruned.stages, "stage");
        report.line(
            "staged",
            format_args!("{stages} of backups at work, or that died: what they need stays for 30 days"),
        );
    }
    if pruned.damaged > 0 {
        let packs = count(pruned.damaged, "pack");
        report.line("damaged", format_args!("{packs} cannot be read and stay; `verify` names them"));
    }
}

fn as_json(count: PackCount) -> Value {
    json!({ "packs": count.packs, "bytes": count.bytes })
}

/// Parses 0, or a time.
fn parse_grace(text: &str) -> Result<Duration, String> {
    if text == "0" { Ok(Duration::ZERO) } else { parse_age(text) }
}

/// Parses a number of percent, with the sign or without.
fn parse_percent(text: &str) -> Result<u8, String> {
    match text.strip_suffix('%').unwrap_or(text).parse() {
        Ok(percent @ 0..=100) => Ok(percent),
        _ => Err("expected 0% to 100%".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_may_be_none_and_a_percentage_is_one() {
        assert_eq!(parse_grace("0"), Ok(Duration::ZERO));
        assert_eq!(parse_grace("2d"), Ok(Duration::from_secs(48 * 3_600)));
        assert!(parse_grace("0h").is_err() && parse_grace("").is_err());
        assert_eq!(
            (parse_percent("10%"), parse_percent("100"), parse_percent("0%")),
            (Ok(10), Ok(100), Ok(0))
        );
        assert!(
            parse_percent("101%").is_err() && parse_percent("-1").is_err() && parse_percent("%").is_err()
        );
    }
}
