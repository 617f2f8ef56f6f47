//! The journal of linera's exclusive partitions in ScyllaDB and Cassandra: a batch that was too long to be written at once.
//!
//! | row | key | value |
//! |---|---|---|
//! | header | `00 01 00000000` | number of blocks that are left, `u32`, little-endian |
//! | block | `00 02`, number of the block (`u32`, little-endian) | BCS of prefix deletions, deletions and insertions |
//!
//! The header is written last, and makes the batch valid: without it blocks are garbage. linera applies the blocks when
//! it loads the partition, from the last to the first. So a prefix deletion in an early block also removes what later
//! ones inserted. A reader of a partition with a journal must do the same, in the same order.
//!
//! Keys and values in blocks are those of rows, below value splitting.

mod block;
mod overlay;

use std::collections::BTreeMap;

use backup_format::show;

pub use overlay::Overlay;

use self::block::Operations;
use crate::error::LayoutError;

/// What every key of a journal starts with. Keys of views start with `01` or more.
const TAG: u8 = 0;
const HEADER: u8 = 1;
const BLOCK: u8 = 2;

/// The key of a row that belongs to a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalKey {
    /// The header.
    Header,
    /// The block of this number, counted from 0.
    Block(u32),
}

impl JournalKey {
    /// Reads the key of a row of an exclusive partition; `None` when the row belongs to no journal.
    #[must_use]
    pub fn of(key: &[u8]) -> Option<Self> {
        match *key {
            [TAG, HEADER, 0, 0, 0, 0] => Some(Self::Header),
            [TAG, BLOCK, a, b, c, d] => Some(Self::Block(u32::from_le_bytes([a, b, c, d]))),
            _ => None,
        }
    }

    /// Returns the key of the row.
    #[must_use]
    pub fn bytes(self) -> [u8; 6] {
        let (kind, number) = match self {
            Self::Header => (HEADER, 0),
            Self::Block(number) => (BLOCK, number),
        };
        let [a, b, c, d] = u32::to_le_bytes(number);
        [TAG, kind, a, b, c, d]
    }
}

/// The rows of the journal of one partition.
///
/// ```
/// use backup_layout::{Journal, JournalKey, LayoutError};
///
/// // Delete what starts with 01, insert 02; nothing is deleted by its whole key.
/// let block = b"\x01\x01\x01\x00\x01\x01\x02\x03new";
/// let mut journal = Journal::new(b"chain", Some(b"\x01\0\0\0"), 1 << 20)?;
/// journal.push_block(0, block)?;
/// let mut overlay = journal.fold()?;
///
/// let mut rows = Vec::new();
/// let mut emit = |key: &[u8], value: &[u8]| {
///     rows.push((key.to_vec(), value.to_vec()));
///     Ok::<_, LayoutError>(())
/// };
/// overlay.push(&JournalKey::Header.bytes(), b"\x01\0\0\0", &mut emit)?;
/// overlay.push(&JournalKey::Block(0).bytes(), block, &mut emit)?;
/// overlay.push(b"\x01a", b"old", &mut emit)?;
/// overlay.push(b"\x03", b"old", &mut emit)?;
/// overlay.finish(&mut emit)?;
/// assert_eq!(rows, [(b"\x02".to_vec(), b"new".to_vec()), (b"\x03".to_vec(), b"old".to_vec())]);
/// # Ok::<_, LayoutError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Journal {
    root_key: Vec<u8>,
    count: u32,
    blocks: BTreeMap<u32, Vec<u8>>,
    room: Room,
}

impl Journal {
    /// Starts with the value of the header's row, `None` when there is no such row. `root_key` names the partition in errors;
    /// `bytes_max` is the memory in bytes that blocks and what they are folded to may take.
    ///
    /// # Errors
    ///
    /// [`LayoutError::JournalHeader`] when the header does not tell the number of blocks, or tells 0, which linera never
    /// writes.
    pub fn new(root_key: &[u8], header: Option<&[u8]>, bytes_max: usize) -> Result<Self, LayoutError> {
        let count = match header.map(|value| (value, value.try_into().map(u32::from_le_bytes))) {
            None => 0,
            Some((_, Ok(count @ 1..))) => count,
            Some((value, _)) => {
                return Err(LayoutError::JournalHeader { root_key: show(root_key), found: show(value) });
            }
        };
        let room = Room { left: bytes_max, limit: bytes_max };
        Ok(Self { root_key: root_key.to_vec(), count, blocks: BTreeMap::new(), room })
    }

    /// Returns the number of blocks that the header announces; 0 when there is no header.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Takes the value of a block's row. Blocks come in any order; those that the header does not announce are garbage and
    /// take no memory.
    ///
    /// # Errors
    ///
    /// [`LayoutError::JournalTooLong`], before the block is copied.
    pub fn push_block(&mut self, number: u32, value: &[u8]) -> Result<(), LayoutError> {
        if number < self.count {
            self.room.take(value.len(), &self.root_key)?;
            self.blocks.insert(number, value.to_vec());
        }
        Ok(())
    }

    /// Folds the blocks to what they change, in linera's order.
    ///
    /// # Errors
    ///
    /// [`LayoutError::JournalBlockMissing`]; [`LayoutError::JournalBlock`] and [`LayoutError::JournalKey`] when a block
    /// is none of linera's; [`LayoutError::JournalTooLong`]. Each names the root key, and the block.
    pub fn fold(mut self) -> Result<Overlay, LayoutError> {
        let blocks = self.take_blocks()?;
        let mut operations = Operations::default();
        for (number, block) in (0..).zip(&blocks) {
            operations.read(&self.root_key, number, block, &mut self.room)?;
        }
        operations.check(&self.root_key, &blocks)?;
        Overlay::new(&self.root_key, blocks, operations)
    }

    /// Takes all blocks, by their numbers; each must be there.
    fn take_blocks(&mut self) -> Result<Vec<Vec<u8>>, LayoutError> {
        let found = self.blocks.len() as u64;
        if found < u64::from(self.count) {
            let missing = (0..self.count).zip(self.blocks.keys()).find(|(number, found)| number != *found);
            let block = missing.map_or(found as u32, |(number, _)| number);
            let (root_key, count) = (show(&self.root_key), self.count);
            return Err(LayoutError::JournalBlockMissing { root_key, block, count });
        }
        Ok(std::mem::take(&mut self.blocks).into_values().collect())
    }
}

/// The memory that a journal may still take.
#[derive(Clone, Copy, Debug)]
struct Room {
    left: usize,
    limit: usize,
}

impl Room {
    /// Takes some bytes, before they are allocated.
    fn take(&mut self, bytes: usize, root_key: &[u8]) -> Result<(), LayoutError> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(LayoutError::JournalTooLong { root_key: show(root_key), limit: self.limit as u64 }),
        }
    }
}
