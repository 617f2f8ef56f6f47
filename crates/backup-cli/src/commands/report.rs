//! `report`: a page that says how the backups are.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::Result;
use backup_console::{PageFile, Places, Problem, Report, RepositoryLocation, Session, bytes, count};
use backup_format::{ErrorClass, ObjectId};
use backup_report::{
    Attested as AttestedRow, Dump as Row, Fate, Fault, Kind, Measured, Namespace, Retention, Signature,
    Since, State, Stored, Subject, Totals, Unusable, frame,
};
use backup_repository::{
    Attestations, Attested, Dump, DumpStats, Dumps, KeepReason, Repository, RepositoryError, Signed, Stats,
    StatsOptions, parse_time_text, time_text,
};
use clap::Args;
use serde_json::{Value, json};

use super::{list, metrics};
use crate::attested;
use crate::fresh::FreshArgs;
use crate::keep_args::KeepArgs;
use crate::list_filter::predecessor_of;
use crate::outcome::repository_label;
use crate::report::{full_text, signed_by, to_the_second};

/// Write a page that shows how the backups are
///
/// The page is one HTML file. It needs no network and no script, and can be read on a phone, in the dark and on paper. Its first line says
/// how old the last dump is, who signed it, and whether anything is damaged or missing. Below that are charts of the dumps of each namespace: their times,
/// size, what each added, how long it took, and how the kinds of partitions grow. Then come all dumps in a table. When a dump was verified and
/// boot-proven is shown as that is attested. What is not known is not shown as good: the page says "not recorded".
///
/// --keep-daily and the like are those of `forget`. The page says which dumps they would keep, and nothing is forgotten. --measure reads what `stats` reads,
/// and adds what each dump takes in the packs. --max-age and --expect-sequence are those of `list`, and so are the exit codes. 3 means that something is
/// damaged, missing or too old, and 4 that a manifest is of a later version, or not signed by a trusted key. The page is written also then.
///
/// FILE appears as a whole. A page that is there is replaced; any other file is not.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup report /backup/validator --out /var/www/backups/validator.html --max-age 36h
  kvbackup report /backup/validator --out report.html --trust node.key.pub --measure
  kvbackup report /backup/validator --out report.html --keep-daily 7 --keep-weekly 5 --keep-monthly 12")]
pub(crate) struct ReportArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    /// Write the page to this file, which must not lie in the repository
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Also show what dumps take in the packs: reads the tables of all packs and the pages of all dumps
    #[arg(long)]
    measure: bool,
    #[command(flatten)]
    fresh: FreshArgs,
    #[command(flatten)]
    keep: KeepArgs,
}

/// What pages are known by.
const GENERATOR: &str = "kvbackup report";

/// What is known of single dumps beside their manifests.
#[derive(Default)]
struct Known {
    stored: HashMap<ObjectId, Stored>,
    fates: HashMap<ObjectId, Fate>,
    attestations: Attestations,
}

pub(crate) async fn run(args: ReportArgs, session: &Session) -> Result<Report> {
    let is_page = |page: &str| frame::is_page_of(GENERATOR, page);
    let places = Places::default().with_repository(&args.repository)?;
    let file = PageFile::new(&args.out, is_page, places)?;
    let repository = session.repository(&args.repository).await?;
    // Both read all manifests. One after the other, they are in memory once.
    let mut known = Known::default();
    let (measured, unmeasured) = measure(&args, &repository, session, &mut known).await?;
    let dumps = repository.dumps().await?;
    known.attestations = repository.attestations(&dumps.good).await?;
    let retention = retention(&args, &repository, &dumps, &mut known);
    let missing = repository.missing(&dumps).await?;
    let stale = args.fresh.stale(&dumps, None);
    let (packs, pack_bytes) = repository.packs().await?;
    let made = SystemTime::now();
    let subject = Subject {
        repository: repository_label(&args.repository),
        tool: crate::TOOL.to_owned(),
        made,
        made_text: time_text(made),
        namespaces: namespaces(&dumps, &mut known),
        unusable: unusable(&dumps),
        missing: missing.iter().map(full_text).collect(),
        stale: stale.as_ref().map(full_text),
        max_age: args.fresh.max_age,
        trusts_keys: session.trust.is_some(),
        packs,
        pack_bytes,
        measured,
        retention,
    };
    let failure = list::failure(&dumps, &args.repository, missing.into_iter().chain(stale)).or(unmeasured);
    drop((dumps, known));
    let page = backup_report::page(&subject, GENERATOR);
    file.write(&page)?;
    let mut report = describe(&subject, &args, page.len() as u64);
    report.failure = failure;
    Ok(report.timed())
}

/// Measures the repository if that is asked for. What is damaged or refused is no reason to leave the rest out.
async fn measure(
    args: &ReportArgs,
    repository: &Repository,
    session: &Session,
    known: &mut Known,
) -> Result<(Measured, Option<Problem>)> {
    if !args.measure {
        return Ok((Measured::No, None));
    }
    let error = match repository.stats(&StatsOptions { progress: session.progress.clone() }).await {
        Ok(stats) => return Ok((Measured::Yes(totals(&stats, known)), None)),
        Err(error) => error,
    };
    let problem = full_text(&error);
    // While manifests cannot be used, that is what is wrong.
    let is_listed = matches!(error, RepositoryError::Unlisted { .. });
    match error.class() {
        ErrorClass::Damaged => {
            let failure = Problem::Damage(problem.clone());
            Ok((Measured::Failed { problem, is_damage: !is_listed }, Some(failure)))
        }
        ErrorClass::Refused => {
            let failure = Problem::Refused(problem.clone());
            Ok((Measured::Failed { problem, is_damage: false }, Some(failure)))
        }
        _ => Err(error.into()),
    }
}

fn totals(stats: &Stats, known: &mut Known) -> Totals {
    let sum = |number: fn(&DumpStats) -> u64| stats.dumps.iter().map(number).fold(0, u64::saturating_add);
    let stored = |dump: &DumpStats| Stored {
        reached: dump.reached.stored_bytes,
        new: dump.new.stored_bytes,
        own: dump.own.stored_bytes,
    };
    known.stored = stats.dumps.iter().map(|dump| (dump.dump.id, stored(dump))).collect();
    Totals {
        reached_plain_bytes: sum(|dump| dump.reached.plain_bytes),
        unique_plain_bytes: sum(|dump| dump.new.plain_bytes),
        unique_stored_bytes: sum(|dump| dump.new.stored_bytes),
        unreferenced_bytes: stats.unreferenced.stored_bytes,
    }
}

/// Applies the rules that were given, and changes nothing.
fn retention(args: &ReportArgs, repository: &Repository, dumps: &Dumps, known: &mut Known) -> Retention {
    let rules = args.keep.rules();
    if rules.is_empty() {
        return Retention::No;
    }
    let verdicts = match repository.retention(dumps, &rules) {
        Ok(verdicts) => verdicts,
        Err(error) => return Retention::Failed(full_text(&error)),
    };
    let going = verdicts.iter().filter(|(_, reasons)| reasons.is_empty()).count();
    let kept = verdicts.len().saturating_sub(going);
    known.fates = verdicts.into_iter().map(|(id, reasons)| (id, fate(&reasons))).collect();
    Retention::Applied { kept: kept as u64, going: going as u64 }
}

fn fate(reasons: &[KeepReason]) -> Fate {
    let words: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    if words.is_empty() { Fate::Goes } else { Fate::Stays(words.join(", ")) }
}

/// Puts the dumps together that `metrics` puts together.
fn namespaces(dumps: &Dumps, known: &mut Known) -> Vec<Namespace> {
    let by_id: HashMap<ObjectId, &Dump> = dumps.good.iter().map(|dump| (dump.id, dump)).collect();
    let future: HashMap<ObjectId, ()> = dumps.future.iter().map(|id| (*id, ())).collect();
    let mut row = |dump: &&Dump| {
        let previous = dump.manifest.previous.iter().filter_map(|id| by_id.get(id).copied());
        let mut row = row(dump, predecessor_of(dump, previous));
        row.signature = signature(dumps.signed.get(&dump.id).copied());
        row.verified = attested::verified(&known.attestations, dump.id).map(attested);
        row.boot_proven = attested::boot_proven(&known.attestations, dump.id).map(attested);
        row.is_future = future.contains_key(&dump.id);
        row.stored = known.stored.remove(&dump.id);
        row.fate = known.fates.remove(&dump.id);
        row
    };
    let groups = metrics::namespaces(dumps).into_iter();
    let group = |((name, origin), dumps): ((String, Option<String>), Vec<&Dump>)| Namespace {
        name,
        origin,
        dumps: dumps.iter().map(&mut row).collect(),
    };
    groups.map(|(labels, dumps)| (named(labels), dumps)).map(group).collect()
}

/// Takes the name and the origin out of the labels of a namespace.
fn named(labels: crate::exposition::Labels) -> (String, Option<String>) {
    let mut texts = labels.into_iter().map(|(_, text)| text);
    let (name, origin) = (texts.next().unwrap_or_default(), texts.next());
    (name, origin.filter(|origin| !origin.is_empty()))
}

fn row(dump: &Dump, previous: Option<&Dump>) -> Row {
    let manifest = &dump.manifest;
    let (started, finished_at) = (parse_time_text(&manifest.started), parse_time_text(&manifest.finished));
    let (source, inventory) = (&manifest.source, manifest.inventory.as_ref());
    let kinds = inventory.into_iter().flat_map(|inventory| &inventory.contents).map(|content| Kind {
        name: content.kind.clone(),
        partitions: content.partitions,
        plain_bytes: content.plain_bytes,
    });
    Row {
        id: dump.id.to_string(),
        sequence: manifest.sequence,
        finished: to_the_second(&manifest.finished),
        finished_at,
        took: started.zip(finished_at).and_then(|(from, to)| to.duration_since(from).ok()),
        engine: format!("{} {}", source.engine, source.engine_version).trim_end().to_owned(),
        layout: source.layout.clone(),
        consistency: manifest.consistency.to_string(),
        entries: inventory.map(|inventory| inventory.entries),
        partitions: inventory.map(|inventory| inventory.partitions),
        plain_bytes: manifest.plain_bytes,
        kinds: kinds.collect(),
        since: previous.map(|previous| Since {
            entries: inventory
                .zip(previous.manifest.inventory.as_ref())
                .map(|(now, before)| change(now.entries, before.entries)),
            plain_bytes: change(manifest.plain_bytes, previous.manifest.plain_bytes),
        }),
        stored: None,
        signature: Signature::None,
        verified: None,
        boot_proven: None,
        is_last: manifest.last,
        is_future: false,
        fate: None,
    }
}

fn attested(attested: &Attested) -> AttestedRow {
    AttestedRow {
        proven: attested.proven.to_string(),
        time: to_the_second(&attested.time),
        network: attested.network.as_ref().map(|network| network.name.clone()).unwrap_or_default(),
        signature: signature(Some(attested.signed)),
    }
}

fn change(now: u64, before: u64) -> i64 {
    let change = i128::from(now) - i128::from(before);
    i64::try_from(change).unwrap_or(if change < 0 { i64::MIN } else { i64::MAX })
}

fn signature(signed: Option<Signed>) -> Signature {
    let key = signed.and_then(signed_by);
    match (signed, key) {
        (Some(Signed::By(_)), Some(key)) => Signature::Good(key),
        (_, Some(key)) => Signature::Unchecked(key),
        (Some(Signed::Unreadable), None) => Signature::Unreadable,
        _ => Signature::None,
    }
}

fn unusable(dumps: &Dumps) -> Vec<Unusable> {
    let lists = [
        (Fault::Damaged, &dumps.damaged),
        (Fault::Unsupported, &dumps.unsupported),
        (Fault::Untrusted, &dumps.untrusted),
    ];
    let named = |(fault, list): (Fault, &Vec<(ObjectId, RepositoryError)>)| -> Vec<Unusable> {
        let unusable = |(id, error): &(ObjectId, RepositoryError)| Unusable {
            id: id.to_string(),
            fault,
            problem: full_text(error),
        };
        list.iter().map(unusable).collect()
    };
    lists.into_iter().flat_map(named).collect()
}

fn describe(subject: &Subject, args: &ReportArgs, page_bytes: u64) -> Report {
    let mut report = Report::default();
    let state = State::of(subject).word();
    report.field("out", args.out.display().to_string());
    report.field("page_bytes", page_bytes);
    report.field("state", state);
    report.field("dumps", subject.dumps());
    for (name, fault) in
        [("damaged", Fault::Damaged), ("unsupported", Fault::Unsupported), ("untrusted", Fault::Untrusted)]
    {
        report.field(name, subject.unusable.iter().filter(|found| found.fault == fault).count());
    }
    report.field("missing", subject.missing.len());
    report.field("measured", matches!(subject.measured, Measured::Yes(_)));
    report.field("newest", subject.namespaces.iter().map(|found| newest(subject, found)).collect::<Vec<_>>());
    report.line("page", format_args!("{}, {}", args.out.display(), bytes(page_bytes)));
    report.line("state", state.replace('_', " "));
    report.line("dumps", count(subject.dumps(), "dump"));
    let unusable = subject.unusable.len() as u64;
    if unusable > 0 {
        report.line("unusable", format_args!("{}; the page says why", count(unusable, "manifest")));
    }
    let (kept, going) = match &subject.retention {
        Retention::Applied { kept, going } => {
            report.line("policy", format_args!("{} would go; {kept} stay", count(*going, "dump")));
            (json!(kept), json!(going))
        }
        _ => (Value::Null, Value::Null),
    };
    report.field("kept", kept);
    report.field("going", going);
    report
}

fn newest(subject: &Subject, namespace: &Namespace) -> Value {
    let newest = namespace.newest();
    json!({
        "namespace": namespace.name,
        "origin": namespace.origin,
        "dump": newest.map(|dump| &dump.id),
        "sequence": newest.map(|dump| dump.sequence),
        "finished": newest.map(|dump| &dump.finished),
        "verified": newest.and_then(|dump| dump.verified.as_ref()).map(|attested| &attested.time),
        "boot_proven": newest.and_then(|dump| dump.boot_proven.as_ref()).map(|attested| &attested.time),
        "age_seconds": newest.and_then(|dump| dump.age(subject.made)).map(|age| age.as_secs()),
    })
}
