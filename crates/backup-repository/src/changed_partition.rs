//! What was found of one partition while two contents are compared.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use crate::comparison::{Change, ChangeCount, EntryChange, PartitionChange};
use crate::dump_phase::Passed;

/// A partition of which entries come.
#[derive(Debug)]
pub(crate) struct ChangedPartition {
    root_key: Vec<u8>,
    /// What lies directly before its first entry that was read.
    passed: Passed,
    is_before: bool,
    is_after: bool,
    entries: ChangeCount,
    bytes_before: u64,
    bytes_after: u64,
}

impl ChangedPartition {
    pub(crate) fn new(root_key: Vec<u8>, passed: Passed) -> Self {
        Self {
            root_key,
            passed,
            is_before: false,
            is_after: false,
            entries: ChangeCount::default(),
            bytes_before: 0,
            bytes_after: 0,
        }
    }

    pub(crate) fn root_key(&self) -> &[u8] {
        &self.root_key
    }

    /// Says that both contents have entries of it.
    pub(crate) fn is_in_both(&mut self) {
        (self.is_before, self.is_after) = (true, true);
    }

    /// Takes an entry; returns true if it differs.
    pub(crate) fn take(&mut self, entry: &EntryChange<'_>) -> bool {
        self.is_before |= entry.before.is_some();
        self.is_after |= entry.after.is_some();
        if entry.before == entry.after {
            return false;
        }
        self.entries.add(entry.change());
        let bytes = |value: Option<&[u8]>| {
            value.map_or(0, |value| (entry.key.len() as u64).saturating_add(value.len() as u64))
        };
        self.bytes_before = self.bytes_before.saturating_add(bytes(entry.before));
        self.bytes_after = self.bytes_after.saturating_add(bytes(entry.after));
        true
    }

    /// Returns what it seems to be if only one content has entries of it, as far as they were read, and what lies before them.
    pub(crate) fn one_sided(&self) -> Option<(Change, &Passed)> {
        match (self.is_before, self.is_after) {
            (true, false) => Some((Change::Removed, &self.passed)),
            (false, true) => Some((Change::Added, &self.passed)),
            _ => None,
        }
    }

    /// Returns what became of it; `None` if nothing differs.
    pub(crate) fn change(&self) -> Option<PartitionChange<'_>> {
        if self.entries.is_none() {
            return None;
        }
        let change = self.one_sided().map_or(Change::Changed, |(change, _)| change);
        let Self { root_key, entries, bytes_before, bytes_after, .. } = self;
        Some(PartitionChange {
            root_key,
            change,
            entries: *entries,
            bytes_before: *bytes_before,
            bytes_after: *bytes_after,
        })
    }
}
