//! `metrics`: what those who watch a repository want to know of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::Result;
use backup_console::{Report, RepositoryLocation, Session, count};
use backup_format::{ErrorClass, ObjectId, Proven};
use backup_repository::{Attestations, Dump, Dumps, Repository, Stats, StatsOptions, parse_time_text};
use clap::Args;
use serde_json::Number;

use crate::exposition::{Exposition, Labels, Metric, fraction};
use crate::outcome::{repository_label, unix_seconds};
use crate::textfile::Textfile;

/// Write metrics of a repository, for Prometheus
///
/// The text is in the format of Prometheus and in OpenMetrics at the same time. For each namespace it says when the newest dump was finished,
/// what is in it, how long it took, and its sequence. It also says how many dumps there are, and when the oldest was finished. Where dumps of a namespace
/// name several validators, each is apart. It says when they were last verified and boot-proven, as that is attested. For the repository it says packs, manifests by state, dumps that are missing, and when this
/// was written. Manifests are read and packs are listed, no more. --measure reads what `stats` reads.
///
/// What is damaged is a number here and no failure: the exit code is 0. Only what keeps the metrics from being written makes it another one.
///
/// With --textfile they go to a file for the textfile collector of node_exporter, which appears as a whole and can be read by everybody.
/// backup, verify, restore, forget and prune take --textfile too, and record in it how they ended: exit code, begin, end, bytes, and
/// when the last good run ended. Each job needs a file of its own, for its name is a label of what is in it. Metrics of one
/// repository go to one file. deploy/monitoring has rules for alerts, a dashboard, and how all this is set up.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup metrics /backup/validator
  kvbackup metrics /backup/validator --textfile /var/lib/prometheus/node-exporter/kvbackup-repository.prom
  kvbackup metrics /backup/validator --trust node.key.pub --measure
  kvbackup backup rocksdb:/var/lib/linera/validator_0 /backup/validator --textfile /var/lib/prometheus/node-exporter/kvbackup-backup.prom")]
pub(crate) struct MetricsArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    /// Write to this file, for the textfile collector of node_exporter: NAME.prom, replaced as a whole
    #[arg(long, value_name = "FILE")]
    textfile: Option<PathBuf>,
    /// Also tell what dumps take, and what no dump reaches: reads the tables of all packs and the pages of all dumps
    #[arg(long)]
    measure: bool,
}

const WRITTEN: Metric =
    Metric { name: "kvbackup_metrics_written_timestamp_seconds", help: "When these metrics were written." };
const PROVEN: Metric = Metric {
    name: "kvbackup_last_proven_timestamp_seconds",
    help: "When the newest attestation of any dump of the namespace was made, by what was proven: structure, content, restored or boot.",
};
const NEWEST_PROVEN: Metric = Metric {
    name: "kvbackup_newest_dump_proven_timestamp_seconds",
    help: "The same of the newest dump alone.",
};
const IGNORED: Metric = Metric {
    name: "kvbackup_attestations_ignored",
    help: "Attestations that do not count: unreadable, of another repository, or signed by no trusted key where keys are trusted.",
};
const BUILD: Metric = Metric {
    name: "kvbackup_build_info",
    help: "The version of the program that wrote the metrics of the repository; always 1.",
};
const FINISHED: Metric = Metric {
    name: "kvbackup_newest_dump_finished_timestamp_seconds",
    help: "When the newest dump says that it was finished; 0 if that is no time.",
};
const DURATION: Metric =
    Metric { name: "kvbackup_newest_dump_duration_seconds", help: "How long the newest dump took." };
const PLAIN_BYTES: Metric =
    Metric { name: "kvbackup_newest_dump_plain_bytes", help: "Bytes of the newest dump before compression." };
const STORED_BYTES: Metric = Metric {
    name: "kvbackup_newest_dump_stored_bytes",
    help: "Bytes of all objects that the newest dump reaches, as they are stored; only with --measure.",
};
const ENTRIES: Metric = Metric { name: "kvbackup_newest_dump_entries", help: "Entries of the newest dump." };
const PARTITIONS: Metric =
    Metric { name: "kvbackup_newest_dump_partitions", help: "Partitions of the newest dump." };
const SEQUENCE: Metric =
    Metric { name: "kvbackup_newest_dump_sequence", help: "Sequence of the newest dump; 0 if it has none." };
const IS_LAST: Metric = Metric {
    name: "kvbackup_newest_dump_is_last",
    help: "Whether the newest dump is the last dump of its namespace, which backup --last makes: 1, or 0.",
};
const OLDEST: Metric = Metric {
    name: "kvbackup_oldest_dump_finished_timestamp_seconds",
    help: "The earliest time when a dump says that it was finished.",
};
const DUMPS: Metric = Metric { name: "kvbackup_dumps", help: "Dumps whose manifests are good." };
const MANIFESTS: Metric = Metric {
    name: "kvbackup_manifests",
    help: "Manifests by state: good, damaged, unsupported (of a later version) or untrusted (where keys are trusted).",
};
const MISSING: Metric = Metric {
    name: "kvbackup_dumps_missing",
    help: "Dumps that others came after, and that are neither there nor known to be forgotten.",
};
const FUTURE: Metric = Metric {
    name: "kvbackup_dumps_future",
    help: "Dumps that say they were finished in the future: a clock was wrong.",
};
const PACKS: Metric = Metric { name: "kvbackup_packs", help: "Packs of the repository." };
const PACK_BYTES: Metric =
    Metric { name: "kvbackup_pack_bytes", help: "Bytes of all packs of the repository." };
const MEASURED: Metric = Metric {
    name: "kvbackup_measured",
    help: "Whether the repository could be measured: 1, or 0, and kvbackup stats says why; only with --measure.",
};
const UNREFERENCED: Metric = Metric {
    name: "kvbackup_unreferenced_bytes",
    help: "Bytes of objects that no dump reaches; only with --measure.",
};

pub(crate) async fn run(args: MetricsArgs, session: &Session) -> Result<Report> {
    let place = args.repository.directory().map(|place| ("the repository", place));
    let places: Vec<_> = place.into_iter().collect();
    let file = args.textfile.as_ref().map(|path| {
        let mark = format!("{}{{", WRITTEN.name);
        Textfile::new(path, mark, &places)
    });
    let file = file.transpose()?;
    let repository = session.repository(&args.repository).await?;
    let dumps = repository.dumps().await?;
    let mut metrics = Exposition::default();
    let labels = vec![("repository", repository_label(&args.repository))];
    let measured = if args.measure { Some(measure(&repository, session).await?) } else { None };
    let stats = measured.as_ref().and_then(|measured| measured.as_ref().ok());
    let attestations = repository.attestations(&dumps.good).await?;
    for (namespace, dumps) in namespaces(&dumps) {
        let labels = [labels.clone(), namespace].concat();
        add_namespace(&mut metrics, &labels, &dumps, stats);
        add_proven(&mut metrics, &labels, &dumps, &attestations);
    }
    metrics.add(IGNORED, &labels, attestations.ignored());
    add_repository(&mut metrics, &labels, &repository, &dumps).await?;
    if args.measure {
        metrics.add(MEASURED, &labels, u64::from(stats.is_some()));
    }
    if let Some(stats) = stats {
        metrics.add(UNREFERENCED, &labels, stats.unreferenced.stored_bytes);
    }
    let version = ("version", env!("CARGO_PKG_VERSION").to_owned());
    metrics.add(BUILD, &[labels.clone(), vec![version]].concat(), 1);
    metrics.add(WRITTEN, &labels, unix_seconds(SystemTime::now()));

    let mut report = Report::default();
    report.field("metrics", metrics.to_json());
    report.field("textfile", args.textfile.as_ref().map(|path| path.display().to_string()));
    let Some(file) = file else {
        report.text(&metrics.render());
        return Ok(report);
    };
    file.write(|_| metrics.render())?;
    report.line("metrics", format_args!("{} in {}", count(metrics.len(), "sample"), file.path().display()));
    let unusable = dumps.damaged.len() + dumps.unsupported.len() + dumps.untrusted.len();
    if unusable > 0 {
        let manifests = count(unusable as u64, "manifest");
        report.line("unusable", format_args!("{manifests}; `kvbackup list` says why"));
    }
    if let Some(Err(problem)) = measured {
        report.line("not measured", problem);
    }
    Ok(report.timed())
}

/// Measures the repository. What is damaged or refused is no reason to leave the rest out, so its text is returned.
async fn measure(repository: &Repository, session: &Session) -> Result<Result<Stats, String>> {
    match repository.stats(&StatsOptions { progress: session.progress.clone() }).await {
        Ok(stats) => Ok(Ok(stats)),
        Err(error) => match error.class() {
            ErrorClass::Damaged | ErrorClass::Refused => Ok(Err(crate::report::full_text(&error))),
            _ => Err(error.into()),
        },
    }
}

/// Puts dumps together that are of one namespace of one validator, each in its order, with their labels.
///
/// A dump that does not say its validator may be of any. So it is apart only where the others of its namespace name several.
pub(super) fn namespaces(dumps: &Dumps) -> Vec<(Labels, Vec<&Dump>)> {
    let mut origins: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Dump { manifest, .. } in &dumps.good {
        let known = origins.entry(&manifest.namespace).or_default();
        known.extend(manifest.source.origin.as_deref());
    }
    let mut groups: BTreeMap<(&str, Option<&str>), Vec<&Dump>> = BTreeMap::new();
    for dump in &dumps.good {
        let namespace = dump.manifest.namespace.as_str();
        let known = origins.get(namespace).filter(|known| known.len() == 1);
        let only = known.and_then(|known| known.first().copied());
        groups.entry((namespace, only.or(dump.manifest.source.origin.as_deref()))).or_default().push(dump);
    }
    let labels = |(namespace, origin): (&str, Option<&str>)| {
        vec![("namespace", namespace.to_owned()), ("origin", origin.unwrap_or_default().to_owned())]
    };
    groups.into_iter().map(|(group, dumps)| (labels(group), dumps)).collect()
}

/// Adds what is known of the dumps of a namespace, the newest of which stands at the end.
fn add_namespace(metrics: &mut Exposition, labels: &Labels, dumps: &[&Dump], stats: Option<&Stats>) {
    let Some(newest) = dumps.last() else { return };
    let manifest = &newest.manifest;
    let (started, finished) = (parse_time_text(&manifest.started), parse_time_text(&manifest.finished));
    metrics.add(FINISHED, labels, finished.map_or_else(|| 0.into(), unix_seconds));
    if let Some(took) = started.zip(finished).and_then(|(from, to)| to.duration_since(from).ok()) {
        metrics.add(DURATION, labels, fraction(took.as_secs_f64()));
    }
    let numbers = [
        (PLAIN_BYTES, manifest.plain_bytes),
        (SEQUENCE, manifest.sequence),
        (IS_LAST, u64::from(manifest.last)),
        (DUMPS, dumps.len() as u64),
    ];
    if let Some(inventory) = &manifest.inventory {
        metrics.add(ENTRIES, labels, inventory.entries);
        metrics.add(PARTITIONS, labels, inventory.partitions);
    }
    numbers.into_iter().for_each(|(metric, number)| metrics.add(metric, labels, number));
    if let Some(bytes) = stats.and_then(|stats| stored_bytes(stats, newest.id)) {
        metrics.add(STORED_BYTES, labels, bytes);
    }
    let oldest = dumps.iter().filter_map(|dump| parse_time_text(&dump.manifest.finished)).min();
    if let Some(oldest) = oldest {
        metrics.add(OLDEST, labels, unix_seconds(oldest));
    }
}

/// Adds when what was proven of the dumps of a namespace, the newest of which stands at the end.
fn add_proven(metrics: &mut Exposition, labels: &Labels, dumps: &[&Dump], attestations: &Attestations) {
    let newest = |dumps: &[&Dump]| {
        let mut newest: BTreeMap<Proven, SystemTime> = BTreeMap::new();
        for attested in dumps.iter().flat_map(|dump| attestations.of(dump.id)) {
            let Some(time) = parse_time_text(&attested.time) else { continue };
            let known = newest.entry(attested.proven).or_insert(time);
            *known = time.max(*known);
        }
        newest
    };
    let last = dumps.split_at(dumps.len().saturating_sub(1)).1;
    for (metric, dumps) in [(PROVEN, dumps), (NEWEST_PROVEN, last)] {
        for (proven, time) in newest(dumps) {
            let labels = [labels.clone(), vec![("proven", proven.to_string())]].concat();
            metrics.add(metric, &labels, unix_seconds(time));
        }
    }
}

fn stored_bytes(stats: &Stats, dump: ObjectId) -> Option<u64> {
    let found = stats.dumps.iter().find(|found| found.dump.id == dump)?;
    Some(found.reached.stored_bytes)
}

/// Adds what is known of the repository as a whole.
async fn add_repository(
    metrics: &mut Exposition,
    labels: &Labels,
    repository: &Repository,
    dumps: &Dumps,
) -> Result<()> {
    let states = [
        ("good", dumps.good.len()),
        ("damaged", dumps.damaged.len()),
        ("unsupported", dumps.unsupported.len()),
        ("untrusted", dumps.untrusted.len()),
    ];
    for (state, number) in states {
        let labels = [labels.clone(), vec![("state", state.to_owned())]].concat();
        metrics.add(MANIFESTS, &labels, number);
    }
    let missing = repository.missing(dumps).await?;
    let (packs, pack_bytes) = repository.packs().await?;
    let numbers: [(Metric, Number); 4] = [
        (MISSING, missing.len().into()),
        (FUTURE, dumps.future.len().into()),
        (PACKS, packs.into()),
        (PACK_BYTES, pack_bytes.into()),
    ];
    numbers.into_iter().for_each(|(metric, number)| metrics.add(metric, labels, number));
    Ok(())
}
