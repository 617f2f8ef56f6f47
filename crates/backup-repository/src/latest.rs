//! The order of dumps, and which of them is the latest.
//!
//! A dump names those that were there before its namespace was opened, so its state is later than theirs. Dumps that nobody
//! names are heads. Of two heads, the one that was opened later had seen all that the other one had, so its number is at
//! least as large. Clocks come in only where no numbers are.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use backup_format::{Manifest, ObjectId};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::RepositoryError;
use crate::repository::{Dump, Dumps, no_dump};

/// How far the clock of the machine that made a dump may be ahead of ours.
pub(crate) const AHEAD: Duration = Duration::from_secs(5 * 60);
/// No dump is older than the format.
const FIRST_YEAR: i32 = 2025;

/// Sorts dumps by namespace, and those of each in their order: by sequence, then by the time when they were finished.
pub(crate) fn sort(dumps: &mut [Dump]) {
    dumps.sort_by(|left, right| {
        let namespaces = left.manifest.namespace.cmp(&right.manifest.namespace);
        namespaces.then_with(|| key(left).cmp(&key(right)))
    });
}

/// The place of a dump among those of its namespace. Fractions of seconds are apart, so that their lengths may differ.
pub(crate) fn key(dump: &Dump) -> (u64, &str, &str, ObjectId) {
    let (seconds, fraction) = finished(&dump.manifest);
    (dump.manifest.sequence, seconds, fraction, dump.id)
}

fn finished(manifest: &Manifest) -> (&str, &str) {
    let finished = manifest.finished.trim_end_matches('Z');
    finished.split_once('.').unwrap_or((finished, ""))
}

/// Returns the dumps that no other one names as previous. A name counts only from a larger sequence to a smaller one, so
/// there are no cycles, and one that leads to no dump of these means nothing.
pub(crate) fn heads<'a>(dumps: &[&'a Dump]) -> Vec<&'a Dump> {
    let sequences: HashMap<_, _> = dumps.iter().map(|dump| (dump.id, dump.manifest.sequence)).collect();
    let named: HashSet<_> = dumps
        .iter()
        .flat_map(|dump| dump.manifest.previous.iter().map(|id| (id, dump.manifest.sequence)))
        .filter(|(id, sequence)| sequences.get(id).is_some_and(|named| named < sequence))
        .map(|(id, _)| *id)
        .collect();
    dumps.iter().copied().filter(|dump| !named.contains(&dump.id)).collect()
}

/// Returns true if a dump says that it was finished after this moment, and more than clocks differ.
pub(crate) fn is_from_the_future(manifest: &Manifest, now: OffsetDateTime) -> bool {
    finished_time(manifest).is_some_and(|time| time > now + AHEAD)
}

pub(crate) fn finished_time(manifest: &Manifest) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(&manifest.finished, &Rfc3339).ok()
}

/// Takes the latest of all dumps, unless another one may be it: an older dump in its place could make a validator sign
/// twice.
pub(crate) fn choose(dumps: Dumps, now: OffsetDateTime) -> Result<Dump, RepositoryError> {
    let dumps = dumps.certain(RepositoryError::uncertain)?;
    let all: Vec<_> = dumps.iter().collect();
    let heads = heads(&all);
    let Some(latest) = heads.iter().copied().max_by_key(|dump| key(dump)) else {
        return Err(no_dump("this repository holds no dump".to_owned()));
    };
    let problem = kinds_problem(&dumps).or_else(|| rivals_problem(latest, &heads, now));
    match problem {
        Some(problem) => Err(RepositoryError::NoLatest { problem }),
        None => Ok(latest.clone()),
    }
}

/// Tells what is wrong when the dumps are not all of one namespace of one validator. A dump that does not say its origin
/// may be of any.
fn kinds_problem(dumps: &[Dump]) -> Option<String> {
    let namespaces: BTreeSet<_> = dumps.iter().map(|dump| dump.manifest.namespace.as_str()).collect();
    let origins: BTreeSet<_> =
        dumps.iter().filter_map(|dump| dump.manifest.source.origin.as_deref()).collect();
    [("namespaces", namespaces), ("validators", origins)].into_iter().find(|(_, names)| names.len() > 1).map(
        |(what, names)| {
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            format!("this repository holds dumps of several {what} ({names})")
        },
    )
}

/// Tells which other head may hold a later state. One of the same content is no rival.
fn rivals_problem(latest: &Dump, heads: &[&Dump], now: OffsetDateTime) -> Option<String> {
    let rivals = heads.iter().filter(|dump| !is_alike(&dump.manifest, &latest.manifest));
    let (sequence, id) = (latest.manifest.sequence, latest.id);
    rivals.copied().find_map(|rival| match rival.manifest.sequence {
        0 if sequence == 0 => time_problem(latest, now).or_else(|| time_problem(rival, now)),
        0 if finished(&rival.manifest) > finished(&latest.manifest) => Some(format!(
            "dump {:.12}, which an earlier version of the program made, says that it was finished after dump {id:.12}, \
             so the latest is not certain until the next backup",
            rival.id
        )),
        number if number == sequence && number > 0 => Some(format!(
            "dumps {:.12} and {id:.12} were made at the same time and differ, so the latest is not certain until the \
             next backup",
            rival.id
        )),
        _ => None,
    })
}

/// Returns true if two dumps are known to have the same content: by their digests, and where these are sealed by their roots.
pub(crate) fn is_alike(one: &Manifest, other: &Manifest) -> bool {
    match (&one.inventory, &other.inventory) {
        (Some(one), Some(other)) => one.digest == other.digest,
        _ => one.root == other.root,
    }
}

/// Tells what is wrong with a time in which the order of dumps without a sequence lies.
fn time_problem(dump: &Dump, now: OffsetDateTime) -> Option<String> {
    let what = match finished_time(&dump.manifest) {
        None => "which is no time",
        Some(_) if is_from_the_future(&dump.manifest, now) => "which lies in the future",
        Some(time) if time.year() < FIRST_YEAR => "when there was no such dump",
        Some(_) => return None,
    };
    let (id, finished) = (dump.id, &dump.manifest.finished);
    Some(format!(
        "dump {id:.12} says that it was finished at {finished}, {what}, so the latest is not certain"
    ))
}
