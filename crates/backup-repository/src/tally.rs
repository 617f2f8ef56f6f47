//! Counting what a dump holds of each kind of partition.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::borrow::Cow;
use std::collections::BTreeMap;

use backup_format::{Content, Group};

/// Counts per kind. Partitions are counted where they begin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    kinds: BTreeMap<Cow<'static, str>, Count>,
    first: Option<&'static str>,
    last_root: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    partitions: u64,
    entries: u64,
    plain_bytes: u64,
}

impl Tally {
    /// Makes a tally of what was counted elsewhere, of whole partitions.
    pub(crate) fn of(contents: Vec<Content>) -> Self {
        let count = |content: Content| {
            let Content { kind, partitions, entries, plain_bytes } = content;
            (Cow::Owned(kind), Count { partitions, entries, plain_bytes })
        };
        Self { kinds: contents.into_iter().map(count).collect(), ..Self::default() }
    }

    /// Counts a group of a segment; `kind` is that of its partition, `None` in layouts that know none.
    pub(crate) fn push(&mut self, group: &Group<'_>, kind: Option<&'static str>) {
        let Some(kind) = kind else { return };
        let count = self.kinds.entry(Cow::Borrowed(kind)).or_default();
        count.entries = count.entries.saturating_add(u64::from(group.entries));
        count.plain_bytes = count.plain_bytes.saturating_add(group.encoded_len());
        if self.last_root.as_deref() != Some(group.root_key) {
            count.partitions = count.partitions.saturating_add(1);
            self.first.get_or_insert(kind);
            self.last_root = Some(group.root_key.to_vec());
        }
    }

    /// Adds the counts of the range that follows, whose first partition may have begun in this one.
    pub(crate) fn add(&mut self, next: &Self, goes_on: bool) {
        for (kind, count) in &next.kinds {
            let sum = self.kinds.entry(kind.clone()).or_default();
            sum.partitions = sum.partitions.saturating_add(count.partitions);
            sum.entries = sum.entries.saturating_add(count.entries);
            sum.plain_bytes = sum.plain_bytes.saturating_add(count.plain_bytes);
        }
        if goes_on && let Some(count) = next.first.and_then(|kind| self.kinds.get_mut(kind)) {
            count.partitions = count.partitions.saturating_sub(1);
        }
    }

    pub(crate) fn contents(&self) -> Vec<Content> {
        let content = |(kind, count): (&Cow<'_, str>, &Count)| Content {
            kind: kind.to_string(),
            partitions: count.partitions,
            entries: count.entries,
            plain_bytes: count.plain_bytes,
        };
        self.kinds.iter().map(content).collect()
    }
}
