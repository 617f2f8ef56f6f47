//! What a journal changes, and the rows of its partition seen through that.

use std::cmp::Reverse;

use backup_format::show;

use super::JournalKey;
use super::block::{Change, Operations, Span};
use crate::error::LayoutError;
use crate::rocksdb::EmitRow;

/// A folded journal: merged with the rows of its partition, it gives those that linera has after it loaded it.
///
/// The partition streams; in memory are the blocks and some 25 bytes for each of their operations.
#[derive(Clone, Debug)]
pub struct Overlay {
    blocks: Vec<Vec<u8>>,
    /// Prefixes of the partition's rows that are deleted: ascending, and none begins with another.
    prefixes: Vec<Span>,
    /// What becomes of single rows, ascending by key. Insertions that a later block deletes are not among them.
    changes: Vec<Change>,
    /// How many of the changes lie before the last row.
    passed: usize,
}

impl Overlay {
    /// Folds operations, of which those of a lower block are applied later.
    pub(super) fn new(
        root_key: &[u8],
        blocks: Vec<Vec<u8>>,
        operations: Operations,
    ) -> Result<Self, LayoutError> {
        let Operations { mut prefixes, mut changes } = operations;
        changes.sort_unstable_by_key(|change| (change.key.of(&blocks), Reverse(change.key.block)));
        check_distinct(root_key, &blocks, &changes)?;
        // The last of each key is the one that is applied last; `dedup` keeps the first.
        changes.reverse();
        changes.dedup_by(|one, kept| one.key.of(&blocks) == kept.key.of(&blocks));
        changes.reverse();

        prefixes.sort_unstable_by_key(|prefix| prefix.of(&blocks));
        let mut covers = Covers::new(&blocks, &prefixes);
        changes
            .retain(|change| covers.of(change.key.of(&blocks)).is_none_or(|last| last >= change.key.block));
        prefixes.dedup_by(|prefix, kept| prefix.of(&blocks).starts_with(kept.of(&blocks)));
        Ok(Self { blocks, prefixes, changes, passed: 0 })
    }

    /// Takes the next row of the partition, and passes it on as far as it is still there, together with what the journal
    /// inserts before it. Rows come in ascending order of their keys, and so do those that `emit` gets. Rows of the
    /// journal itself may be among them, and are dropped.
    ///
    /// # Errors
    ///
    /// What `emit` returns; it is not called again then.
    pub fn push<E>(&mut self, key: &[u8], value: &[u8], emit: &mut EmitRow<'_, E>) -> Result<(), E> {
        if JournalKey::of(key).is_some() {
            return Ok(());
        }
        while let Some(change) = self.changes.get(self.passed) {
            let changed = change.key.of(&self.blocks);
            if changed > key {
                break;
            }
            self.passed = self.passed.saturating_add(1);
            if let Some(value) = change.value {
                emit(changed, value.of(&self.blocks))?;
            }
            if changed == key {
                return Ok(());
            }
        }
        if self.deletes(key) { Ok(()) } else { emit(key, value) }
    }

    /// Ends after the last row of the partition: passes on what the journal inserts after it.
    ///
    /// # Errors
    ///
    /// What `emit` returns; it is not called again then.
    pub fn finish<E>(self, emit: &mut EmitRow<'_, E>) -> Result<(), E> {
        for change in self.changes.iter().skip(self.passed) {
            if let Some(value) = change.value {
                emit(change.key.of(&self.blocks), value.of(&self.blocks))?;
            }
        }
        Ok(())
    }

    fn deletes(&self, key: &[u8]) -> bool {
        let after = self.prefixes.partition_point(|prefix| prefix.of(&self.blocks) <= key);
        let before = after.checked_sub(1).and_then(|index| self.prefixes.get(index));
        before.is_some_and(|prefix| key.starts_with(prefix.of(&self.blocks)))
    }
}

/// Refuses two changes of one key in one block, for which engines have different orders; linera writes no such block.
fn check_distinct(root_key: &[u8], blocks: &[Vec<u8>], changes: &[Change]) -> Result<(), LayoutError> {
    let mut neighbours = changes.iter().zip(changes.iter().skip(1));
    let twice = neighbours
        .find(|(one, next)| one.key.block == next.key.block && one.key.of(blocks) == next.key.of(blocks));
    match twice {
        None => Ok(()),
        Some((change, _)) => Err(LayoutError::JournalKey {
            root_key: show(root_key),
            block: change.key.block,
            key: show(change.key.of(blocks)),
            problem: "it stands there twice",
        }),
    }
}

/// Finds which of some sorted prefixes cover keys that come in ascending order.
struct Covers<'a> {
    blocks: &'a [Vec<u8>],
    prefixes: std::slice::Iter<'a, Span>,
    next: Option<&'a Span>,
    /// Prefixes that the last key may begin with, each of which begins with the one before; each with the lowest block
    /// of itself and those.
    open: Vec<(&'a [u8], u32)>,
}

impl<'a> Covers<'a> {
    fn new(blocks: &'a [Vec<u8>], prefixes: &'a [Span]) -> Self {
        let mut prefixes = prefixes.iter();
        let next = prefixes.next();
        Self { blocks, prefixes, next, open: Vec::new() }
    }

    /// Returns the lowest block that deletes a prefix of the key, `None` when none does.
    fn of(&mut self, key: &[u8]) -> Option<u32> {
        while let Some(span) = self.next {
            let prefix = span.of(self.blocks);
            if prefix > key {
                break;
            }
            self.close(prefix);
            let lowest = self.open.last().map_or(span.block, |(_, lowest)| span.block.min(*lowest));
            self.open.push((prefix, lowest));
            self.next = self.prefixes.next();
        }
        self.close(key);
        self.open.last().map(|(_, lowest)| *lowest)
    }

    /// Drops the prefixes that `bytes` do not begin with.
    fn close(&mut self, bytes: &[u8]) {
        while self.open.last().is_some_and(|(prefix, _)| !bytes.starts_with(prefix)) {
            self.open.pop();
        }
    }
}
