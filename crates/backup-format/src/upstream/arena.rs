//! A buffer of items that is sorted in memory.

use std::cmp::Ordering;
use std::ops::Range;

use super::spill::Item;

/// Items in one buffer. An item takes 16 bytes of memory beside its own.
pub(super) struct Arena {
    size: usize,
    bytes: Vec<u8>,
    roots: Vec<Range<u32>>,
    records: Vec<Record>,
}

struct Record {
    /// Index into the roots.
    root: u32,
    start: u32,
    key_end: u32,
    end: u32,
}

impl Arena {
    /// Makes an arena for `size` bytes, which are allocated as they are needed.
    pub(super) fn new(size: usize) -> Self {
        Self { size, bytes: Vec::new(), roots: Vec::new(), records: Vec::new() }
    }

    pub(super) fn set_size(&mut self, size: usize) {
        self.size = size;
    }

    /// Returns true if an item would take too much of the arena to be put there.
    pub(super) fn is_long(&self, item: &Item<'_>) -> bool {
        item.len() > self.size / 4
    }

    /// Returns true if an item that is not long fits. An empty arena has room for it.
    pub(super) fn has_room(&self, item: &Item<'_>) -> bool {
        let lines = size_of_val(self.records.as_slice()) + size_of_val(self.roots.as_slice());
        self.is_empty() || self.bytes.len() + lines + item.len() + size_of::<Record>() <= self.size
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.roots.clear();
        self.records.clear();
    }

    /// Appends an item for which there must be room.
    pub(super) fn push(&mut self, item: &Item<'_>) {
        if self.roots.last().is_none_or(|root| self.slice(root.start, root.end) != item.root) {
            let start = self.append(item.root);
            self.roots.push(start..self.bytes.len() as u32);
        }
        let root = (self.roots.len() - 1) as u32;
        let start = self.append(item.key);
        let key_end = self.append(item.payload);
        grow(&mut self.records, 1, self.size / size_of::<Record>());
        self.records.push(Record { root, start, key_end, end: self.bytes.len() as u32 });
    }

    /// Sorts the items.
    pub(super) fn sort(&mut self) {
        let mut records = std::mem::take(&mut self.records);
        records.sort_unstable_by(|left, right| self.compare(left, right));
        self.records = records;
    }

    /// Iterates over the items.
    pub(super) fn items(&self) -> impl Iterator<Item = Item<'_>> {
        self.records.iter().map(|record| Item {
            root: self.root(record.root),
            key: self.slice(record.start, record.key_end),
            payload: self.slice(record.key_end, record.end),
        })
    }

    fn compare(&self, left: &Record, right: &Record) -> Ordering {
        let keys = || self.slice(left.start, left.key_end).cmp(self.slice(right.start, right.key_end));
        if left.root == right.root {
            return keys();
        }
        self.root(left.root).cmp(self.root(right.root)).then_with(keys)
    }

    fn root(&self, index: u32) -> &[u8] {
        self.roots.get(index as usize).map_or(&[], |root| self.slice(root.start, root.end))
    }

    fn slice(&self, start: u32, end: u32) -> &[u8] {
        self.bytes.get(start as usize..end as usize).unwrap_or_default()
    }

    fn append(&mut self, bytes: &[u8]) -> u32 {
        grow(&mut self.bytes, bytes.len(), self.size);
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        start
    }
}

/// Makes room for `more` items: twice as much as there is, but not for above `most` items without need.
fn grow<T>(items: &mut Vec<T>, more: usize, most: usize) {
    let needed = items.len() + more;
    if needed > items.capacity() {
        let capacity = needed.max(most.min(2 * items.capacity()));
        items.reserve_exact(capacity - items.len());
    }
}
