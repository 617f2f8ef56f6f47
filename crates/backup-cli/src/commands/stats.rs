//! `stats`: what takes the room of a repository.

use anyhow::Result;
use backup_console::{Report, RepositoryLocation, Session, Times, bytes, count};
use backup_repository::{DumpStats, ObjectStats, Stats, StatsOptions};
use clap::Args;
use serde_json::{Value, json};

use crate::report;
use crate::table;

/// Digits of an id in the table; `--dump` takes them.
const ID_DIGITS: usize = 12;

/// Show what takes the room of a repository, dump by dump
///
/// OWN is what no other dump reaches: so much would be free without it. Unreferenced is what no dump reaches: of
/// forgotten dumps, and of backups that did not end; `prune` removes it. The salt of each pack is counted apart. Patches are segments
/// that are read from another one and what changed since; a chain is how many such follow each other. Tables and pages are read, and
/// no segment.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  kvbackup stats /backup/validator")]
pub(crate) struct StatsArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
}

pub(crate) async fn run(args: StatsArgs, session: &Session) -> Result<Report> {
    let repository = session.repository(&args.repository).await?;
    let stats = repository.stats(&StatsOptions { progress: session.progress.clone() }).await?;
    let mut report = Report::default();
    report.field("dumps", stats.dumps.iter().map(dump_as_json).collect::<Vec<_>>());
    report.field("packs", stats.packs);
    report.field("pack_bytes", stats.pack_bytes);
    report.field("longest_chain", stats.longest_chain);
    let objects = [
        ("objects", stats.objects),
        ("patches", stats.patches),
        ("salts", stats.salts),
        ("unreferenced", stats.unreferenced),
        ("copies", stats.copies),
    ];
    for (name, objects) in objects {
        report.field(name, as_json(objects));
    }
    if !stats.dumps.is_empty() {
        report.text(&table(&stats, session.times()));
        report.text("\n");
    }
    report.line("packs", format_args!("{} in {}", bytes(stats.pack_bytes), count(stats.packs, "pack")));
    report.line("objects", format_args!("{}, {}", described(stats.objects), ratio(stats.objects)));
    if stats.patches.number > 0 {
        let longest = stats.longest_chain;
        report.line("patches", format_args!("{}, at most {longest} in a chain", described(stats.patches)));
    }
    report.line("unreferenced", described(stats.unreferenced));
    if stats.copies.number > 0 {
        report.line("copies", described(stats.copies));
    }
    Ok(report.timed())
}

fn table(stats: &Stats, times: Times) -> String {
    let header = ["dump", "finished", "namespace", "size", "stored", "own"];
    let row = |stats: &DumpStats| {
        let DumpStats { dump, reached, own, .. } = stats;
        [
            format!("{:.ID_DIGITS$}", dump.id),
            times.text(&dump.manifest.finished),
            dump.manifest.namespace.clone(),
            bytes(dump.manifest.plain_bytes),
            bytes(reached.stored_bytes),
            bytes(own.stored_bytes),
        ]
    };
    let rows = stats.dumps.iter().map(row);
    table::table(std::iter::once(header.map(str::to_owned)).chain(rows).collect(), 0, 3)
}

fn described(objects: ObjectStats) -> String {
    format!("{} in {}", bytes(objects.stored_bytes), count(objects.number, "object"))
}

fn ratio(objects: ObjectStats) -> String {
    match objects.stored_bytes {
        0 => "nothing to compress".to_owned(),
        stored => format!("compressed {:.2} to 1", objects.plain_bytes as f64 / stored as f64),
    }
}

fn dump_as_json(stats: &DumpStats) -> Value {
    let mut fields = report::dump_as_json(&stats.dump);
    fields["reached"] = as_json(stats.reached);
    fields["own"] = as_json(stats.own);
    fields["new"] = as_json(stats.new);
    fields
}

fn as_json(objects: ObjectStats) -> Value {
    let ObjectStats { number, stored_bytes, plain_bytes, .. } = objects;
    json!({ "number": number, "stored_bytes": stored_bytes, "plain_bytes": plain_bytes })
}
