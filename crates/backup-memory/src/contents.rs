//! The entries of a namespace, in a persistent map.

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use backup_format::EntryBatch;
use equivalent::{Comparable, Equivalent};
use imbl::OrdMap;

use crate::batch::Change;

/// Root key and key of an entry. Entries of one partition share the bytes of their root key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct EntryKey {
    root_key: Arc<[u8]>,
    key: Arc<[u8]>,
}

/// An [`EntryKey`] to look for, borrowed.
struct Probe<'a>(&'a [u8], &'a [u8]);

impl Equivalent<EntryKey> for Probe<'_> {
    fn equivalent(&self, other: &EntryKey) -> bool {
        self.compare(other) == Ordering::Equal
    }
}

impl Comparable<EntryKey> for Probe<'_> {
    fn compare(&self, other: &EntryKey) -> Ordering {
        self.0.cmp(&other.root_key).then_with(|| self.1.cmp(&other.key))
    }
}

/// What a partition holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    /// Number of entries, never 0.
    pub entries: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// Where reading resumes.
#[derive(Clone, Debug)]
pub(crate) struct Cursor(Place);

#[derive(Clone, Debug)]
enum Place {
    Before(Vec<u8>),
    After(EntryKey),
}

impl Cursor {
    /// Before the first entry of a partition, whether or not it exists.
    pub fn before(root_key: &[u8]) -> Self {
        Self(Place::Before(root_key.to_vec()))
    }

    fn bound(&self) -> Bound<Probe<'_>> {
        match &self.0 {
            Place::Before(root_key) => Bound::Included(Probe(root_key, &[])),
            Place::After(entry) => Bound::Excluded(Probe(&entry.root_key, &entry.key)),
        }
    }
}

/// All entries. A clone takes constant time, and shares all nodes until one of both changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents {
    entries: OrdMap<EntryKey, Arc<[u8]>>,
    partitions: OrdMap<Arc<[u8]>, Totals>,
    bytes: u64,
}

impl Contents {
    pub fn entries(&self) -> u64 {
        self.entries.len() as u64
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn partition_count(&self) -> u64 {
        self.partitions.len() as u64
    }

    /// Iterates over the partitions in the order of their root keys.
    pub fn partitions(&self) -> impl Iterator<Item = (&[u8], &Totals)> {
        self.partitions.iter().map(|(root_key, totals)| (&**root_key, totals))
    }

    pub fn has_partition(&self, root_key: &[u8]) -> bool {
        self.partitions.contains_key(root_key)
    }

    pub fn get(&self, root_key: &[u8], key: &[u8]) -> Option<&Arc<[u8]>> {
        self.entries.get(&Probe(root_key, key))
    }

    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Put { root_key, key, value } => self.put(root_key, key, value),
            Change::Delete { root_key, key } => self.delete(root_key, key),
            Change::DeletePrefix { root_key, prefix } => self.delete_prefix(root_key, prefix),
        }
    }

    pub fn put(&mut self, root_key: &[u8], key: &[u8], value: &[u8]) {
        let root_key = match self.partitions.get_key_value(root_key) {
            Some((root_key, _)) => Arc::clone(root_key),
            None => Arc::from(root_key),
        };
        let entry = EntryKey { root_key: Arc::clone(&root_key), key: Arc::from(key) };
        let replaced = self.entries.insert(entry, Arc::from(value));
        let totals = self.partitions.entry(root_key).or_default();
        let added = value.len() as u64;
        match replaced {
            Some(replaced) => {
                let removed = replaced.len() as u64;
                totals.bytes = totals.bytes - removed + added;
                self.bytes = self.bytes - removed + added;
            }
            None => {
                let added = added + key.len() as u64;
                totals.entries += 1;
                totals.bytes += added;
                self.bytes += added;
            }
        }
    }

    pub fn delete(&mut self, root_key: &[u8], key: &[u8]) {
        let Some(value) = self.entries.remove(&Probe(root_key, key)) else { return };
        let removed = (key.len() + value.len()) as u64;
        self.bytes -= removed;
        let totals = self.partitions.get_mut(root_key).expect("a partition with an entry has totals");
        totals.entries -= 1;
        totals.bytes -= removed;
        if totals.entries == 0 {
            self.partitions.remove(root_key);
        }
    }

    pub fn delete_prefix(&mut self, root_key: &[u8], prefix: &[u8]) {
        let start = Bound::Included(Probe(root_key, prefix));
        let keys: Vec<Arc<[u8]>> = self
            .entries
            .range((start, Bound::Unbounded))
            .take_while(|(entry, _)| *entry.root_key == *root_key && entry.key.starts_with(prefix))
            .map(|(entry, _)| Arc::clone(&entry.key))
            .collect();
        for key in keys {
            self.delete(root_key, &key);
        }
    }

    /// Reads from `cursor` on, up to `bytes_max` bytes or one entry, and not beyond the partitions before `end`.
    /// Returns the entries and where to resume; `None` at the end.
    pub fn read(
        &self,
        cursor: &Cursor,
        end: Option<&[u8]>,
        bytes_max: usize,
    ) -> Option<(EntryBatch, Cursor)> {
        let mut batch = EntryBatch::default();
        let mut last = None;
        for (entry, value) in self.entries.range((cursor.bound(), Bound::Unbounded)) {
            let size = entry.root_key.len() + entry.key.len() + value.len();
            let is_full = !batch.is_empty() && batch.byte_len() + size > bytes_max;
            if is_full || end.is_some_and(|end| *entry.root_key >= *end) {
                break;
            }
            batch.push(&entry.root_key, &entry.key, value);
            last = Some(entry);
        }
        last.map(|entry| (batch, Cursor(Place::After(entry.clone()))))
    }
}
