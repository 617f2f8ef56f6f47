//! Which dumps `list` shows.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::time::SystemTime;

use backup_console::parse_moment;
use backup_format::ObjectId;
use backup_repository::{Dump, time_text};

use crate::keep_args::parse_age;

/// What dumps must be like to be shown.
pub(crate) struct ListFilter<'a> {
    pub(crate) origin: Option<&'a str>,
    /// Names of annotations, and perhaps their values: all of them are needed.
    pub(crate) annotations: &'a [(String, Option<String>)],
    pub(crate) since: Option<&'a Since>,
    /// The most dumps of each namespace.
    pub(crate) latest: Option<usize>,
}

impl ListFilter<'_> {
    /// Removes dumps that are not shown. Those of each namespace stand in their order.
    pub(crate) fn apply(&self, dumps: &mut Vec<Dump>) {
        dumps.retain(|dump| self.has(dump));
        let Some(most) = self.latest else { return };
        let mut left = BTreeMap::<String, usize>::new();
        for dump in dumps.iter() {
            *left.entry(dump.manifest.namespace.clone()).or_default() += 1;
        }
        dumps.retain(|dump| {
            let left = left.entry(dump.manifest.namespace.clone()).or_default();
            let is_shown = *left <= most;
            *left = left.saturating_sub(1);
            is_shown
        });
    }

    fn has(&self, dump: &Dump) -> bool {
        let manifest = &dump.manifest;
        let is_of_origin = self.origin.is_none() || manifest.source.origin.as_deref() == self.origin;
        let is_annotated = self.annotations.iter().all(|(name, wanted)| {
            let found = manifest.inventory.as_ref().and_then(|inventory| inventory.annotations.get(name));
            found.is_some_and(|found| wanted.as_ref().is_none_or(|wanted| wanted == found))
        });
        is_of_origin && is_annotated && self.since.is_none_or(|since| since.is_before(&manifest.finished))
    }
}

/// Returns the dump that another one follows, if it is there: the one of the largest sequence. Looks at all dumps; who asks for each of them
/// takes [`Predecessors`].
pub(crate) fn predecessor<'a>(dump: &Dump, all: &'a [Dump]) -> Option<&'a Dump> {
    predecessor_of(dump, all.iter().filter(|other| dump.manifest.previous.contains(&other.id)))
}

/// Does the same where the dumps are known that it names as previous.
pub(crate) fn predecessor_of<'a>(dump: &Dump, previous: impl Iterator<Item = &'a Dump>) -> Option<&'a Dump> {
    let own = previous.filter(|other| other.manifest.namespace == dump.manifest.namespace);
    let key = |dump: &'a Dump| (dump.manifest.sequence, &dump.manifest.finished, dump.id);
    own.max_by_key(|other| key(other))
}

/// The dumps of a repository, by which each of them finds the one that it follows without looking at all.
pub(crate) struct Predecessors<'a>(HashMap<ObjectId, &'a Dump>);

impl<'a> Predecessors<'a> {
    pub(crate) fn new(all: &'a [Dump]) -> Self {
        Self(all.iter().map(|dump| (dump.id, dump)).collect())
    }

    /// Returns what [`predecessor`] returns.
    pub(crate) fn of(&self, dump: &Dump) -> Option<&'a Dump> {
        predecessor_of(dump, dump.manifest.previous.iter().filter_map(|id| self.0.get(id).copied()))
    }
}

/// A moment, to the second, as manifests write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Since(String);

/// Length of a moment without fraction and zone.
const SECONDS: usize = "2026-01-31T04:00:00".len();

impl Since {
    /// Returns true if a time of a manifest is not earlier.
    fn is_before(&self, time: &str) -> bool {
        time.get(..SECONDS).is_some_and(|time| time >= self.0.as_str())
    }
}

impl FromStr for Since {
    type Err = String;

    /// Reads an age like `36h`, a day in UTC, or a moment with its zone.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(age) = parse_age(text) {
            let moment = SystemTime::now().checked_sub(age).ok_or("that is too long ago")?;
            return Ok(Self(time_text(moment).trim_end_matches('Z').to_owned()));
        }
        let full = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
        if let Some(moment) = parse_moment(&full) {
            return Ok(Self(moment.trim_end_matches('Z').to_owned()));
        }
        Err("expected a time like 36h, 14d, 8w or 1y, or a moment like 2026-01-31 (in UTC), 2026-01-31T04:00:00Z or 2026-01-31 05:00:00 +01:00".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_ages_days_or_seconds() {
        let day: Since = "2026-01-31".parse().unwrap();
        assert!(day.is_before("2026-01-31T00:00:00.000Z") && !day.is_before("2026-01-30T23:59:59.999Z"));
        let second: Since = "2026-01-31T04:00:01Z".parse().unwrap();
        assert!(second.is_before("2026-01-31T04:00:01Z") && !second.is_before("2026-01-31T04:00:00.999Z"));
        let zone: Since = "2026-01-31 05:00:01 +01:00".parse().unwrap();
        assert_eq!(zone, second);
        let age: Since = "36h".parse().unwrap();
        assert!(age.is_before(&time_text(SystemTime::now())) && !age.is_before("2025-01-01T00:00:00Z"));
        for bad in ["", "36", "2026-1-31", "2026-01-31 04:00:00", "2026-01-31T04:00:00", "yesterday"] {
            assert!(bad.parse::<Since>().is_err(), "{bad}");
        }
    }
}
