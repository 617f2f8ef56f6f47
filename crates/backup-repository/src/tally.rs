//! Counting what a dump holds of each kind of partition.

use std::collections::BTreeMap;

use backup_format::{Content, Group};

/// Counts per kind. Partitions are counted where they begin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    kinds: BTreeMap<&'static str, Count>,
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
    /// Counts a group of a segment; `kind` is that of its partition, `None` in layouts that know none.
    pub(crate) fn push(&mut self, group: &Group<'_>, kind: Option<&'static str>) {
        let Some(kind) = kind else { return };
        let count = self.kinds.entry(kind).or_default();
        count.entries += u64::from(group.entries);
        count.plain_bytes += group.encoded_len();
        if self.last_root.as_deref() != Some(group.root_key) {
            count.partitions += 1;
            self.first.get_or_insert(kind);
            self.last_root = Some(group.root_key.to_vec());
        }
    }

    /// Adds the counts of the range that follows, whose first partition may go on from this one.
    pub(crate) fn add(&mut self, next: &Self, goes_on: bool) {
        for (kind, count) in &next.kinds {
            let sum = self.kinds.entry(kind).or_default();
            sum.partitions += count.partitions;
            sum.entries += count.entries;
            sum.plain_bytes += count.plain_bytes;
        }
        if goes_on && let Some(count) = next.first.and_then(|kind| self.kinds.get_mut(kind)) {
            count.partitions -= 1;
        }
    }

    pub(crate) fn contents(&self) -> Vec<Content> {
        let content = |(kind, count): (&&str, &Count)| Content {
            kind: (*kind).to_owned(),
            partitions: count.partitions,
            entries: count.entries,
            plain_bytes: count.plain_bytes,
        };
        self.kinds.iter().map(content).collect()
    }
}
