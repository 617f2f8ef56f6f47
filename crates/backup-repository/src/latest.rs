//! Which of several dumps is the latest, as far as that can be told.

use std::collections::BTreeSet;
use std::time::Duration;

use backup_format::ObjectId;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::RepositoryError;
use crate::repository::{Dump, Dumps, no_dump};

/// How far the clock of whoever made a dump may be ahead of ours.
const AHEAD: Duration = Duration::from_secs(5 * 60);
/// No dump is older than the format.
const FIRST_YEAR: i32 = 2025;

/// Sorts dumps by the time when they were finished, the earliest first.
pub(crate) fn sort(dumps: &mut [Dump]) {
    dumps.sort_by(|left, right| key(left).cmp(&key(right)));
}

/// Takes the latest of all dumps, unless another one may be it: an older dump in its place could make a validator sign
/// twice.
pub(crate) fn choose(mut dumps: Dumps) -> Result<Dump, RepositoryError> {
    let (damaged, unsupported) = (dumps.damaged.len(), dumps.unsupported.len());
    if let Some((_, source)) = dumps.damaged.into_iter().chain(dumps.unsupported).next() {
        return Err(RepositoryError::Uncertain { damaged, unsupported, source: Box::new(source) });
    }
    if let Some(problem) = kinds_problem(&dumps.good).or_else(|| time_problem(&dumps.good)) {
        return Err(RepositoryError::NoLatest { problem });
    }
    dumps.good.pop().ok_or_else(|| no_dump("this repository holds no dump".to_owned()))
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

/// Tells what is wrong when the time of a dump says that a clock was wrong.
fn time_problem(dumps: &[Dump]) -> Option<String> {
    let limit = OffsetDateTime::now_utc() + AHEAD;
    dumps.iter().find_map(|Dump { id, manifest }| {
        let finished = &manifest.finished;
        let what = match OffsetDateTime::parse(finished, &Rfc3339) {
            Err(_) => "which is no time",
            Ok(time) if time > limit => "which lies in the future",
            Ok(time) if time.year() < FIRST_YEAR => "when there was no such dump",
            Ok(_) => return None,
        };
        Some(format!(
            "dump {id:.12} says that it was finished at {finished}, {what}, so the latest is not certain"
        ))
    })
}

/// The time when a dump was finished, in an order that fractions of seconds do not disturb, then its id.
fn key(dump: &Dump) -> (&str, &str, ObjectId) {
    let finished = dump.manifest.finished.trim_end_matches('Z');
    let (seconds, fraction) = finished.split_once('.').unwrap_or((finished, ""));
    (seconds, fraction, dump.id)
}
