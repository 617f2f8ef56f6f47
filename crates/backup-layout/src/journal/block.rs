//! Reading blocks.

use backup_format::{FormatError, Reader, show};

use super::{BLOCK, JournalKey, Room, TAG};
use crate::error::LayoutError;

/// Where a byte string stands: number of the block, and its place there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub block: u32,
    start: u32,
    length: u32,
}

impl Span {
    /// Returns the bytes.
    pub fn of(self, blocks: &[Vec<u8>]) -> &[u8] {
        let (start, length) = (self.start as usize, self.length as usize);
        let block = blocks.get(self.block as usize);
        block.and_then(|block| block.get(start..)?.get(..length)).unwrap_or_default()
    }
}

/// What becomes of one row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub key: Span,
    /// The value; `None` when the row is deleted.
    pub value: Option<Span>,
}

/// The operations of all blocks, as they stand there.
#[derive(Clone, Debug, Default)]
pub(super) struct Operations {
    /// Prefixes of rows that are deleted.
    pub prefixes: Vec<Span>,
    pub changes: Vec<Change>,
}

impl Operations {
    /// Appends the operations of a block.
    pub fn read(
        &mut self,
        root_key: &[u8],
        number: u32,
        block: &[u8],
        room: &mut Room,
    ) -> Result<(), LayoutError> {
        let failed = |source| LayoutError::JournalBlock { root_key: show(root_key), block: number, source };
        let mut reader = BlockReader { number, reader: Reader::new("journal block", block) };
        let prefixes = reader.count(1, "prefix deletions").map_err(failed)?;
        room.take(prefixes.saturating_mul(size_of::<Span>()), root_key)?;
        for _ in 0..prefixes {
            self.prefixes.push(reader.bytes("prefix").map_err(failed)?);
        }
        let deletions = reader.count(1, "deletions").map_err(failed)?;
        room.take(deletions.saturating_mul(size_of::<Change>()), root_key)?;
        for _ in 0..deletions {
            let key = reader.bytes("key").map_err(failed)?;
            self.changes.push(Change { key, value: None });
        }
        let insertions = reader.count(2, "insertions").map_err(failed)?;
        room.take(insertions.saturating_mul(size_of::<Change>()), root_key)?;
        for _ in 0..insertions {
            let key = reader.bytes("key").map_err(failed)?;
            let value = Some(reader.bytes("value").map_err(failed)?);
            self.changes.push(Change { key, value });
        }
        reader.reader.end().map_err(failed)
    }

    /// Refuses what linera writes into no block, and what would break the journal while it is resolved.
    pub fn check(&self, root_key: &[u8], blocks: &[Vec<u8>]) -> Result<(), LayoutError> {
        let refused = |span: &Span, problem| {
            let (root_key, key) = (show(root_key), show(span.of(blocks)));
            Err(LayoutError::JournalKey { root_key, block: span.block, key, problem })
        };
        for change in &self.changes {
            let key = change.key.of(blocks);
            if key.is_empty() {
                return refused(&change.key, "it is empty");
            }
            if JournalKey::of(key).is_some() {
                return refused(&change.key, "it is one of the journal's own");
            }
        }
        // The prefixes of block 0 are deleted last, when no block is needed any more.
        let is_deadly =
            |span: &&Span| span.block > 0 && matches!(span.of(blocks), [] | [TAG] | [TAG, BLOCK, ..]);
        match self.prefixes.iter().find(is_deadly) {
            Some(span) => refused(span, "it deletes blocks before they are applied"),
            None => Ok(()),
        }
    }
}

/// Takes byte strings out of a block.
struct BlockReader<'a> {
    number: u32,
    reader: Reader<'a>,
}

impl BlockReader<'_> {
    /// Takes the number of items of a list, which need at least `bytes_min` bytes each.
    fn count(&mut self, bytes_min: usize, what: &'static str) -> Result<usize, FormatError> {
        let at = self.reader.clone();
        let number = self.reader.uleb(u32::MAX as usize, what)?;
        let left = self.reader.remaining();
        if number.saturating_mul(bytes_min) > left {
            return Err(
                at.malformed(format!("{number} {what} cannot stand in the {left} bytes that are left"))
            );
        }
        Ok(number)
    }

    fn bytes(&mut self, what: &'static str) -> Result<Span, FormatError> {
        let length = self.reader.uleb(u32::MAX as usize, what)?;
        let start = self.reader.position();
        self.reader.take(length)?;
        let fits = |number: usize| u32::try_from(number).ok();
        match (fits(start), fits(length)) {
            (Some(start), Some(length)) => Ok(Span { block: self.number, start, length }),
            _ => Err(self.reader.malformed("expected a block of less than 4 GiB".to_owned())),
        }
    }
}
