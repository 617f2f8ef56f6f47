//! The entries of one segment, one after the other.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::ops::Range;

use backup_format::limits::{KEY_BYTES_MAX, ROOT_KEY_BYTES_MAX, VALUE_BYTES_CEILING};
use backup_format::{ObjectId, Reader, Segment};

/// A segment whose entries are taken in order. Beside the plaintext it needs no memory.
#[derive(Debug)]
pub(crate) struct Block {
    pub id: ObjectId,
    plaintext: Vec<u8>,
    /// Where the entry that comes next ends.
    end: usize,
    groups_left: usize,
    entries_left: usize,
    /// The entry that comes next, or the last one when all were taken.
    span: Span,
    is_at_start: bool,
    is_used_up: bool,
}

/// Where an entry lies in the plaintext.
#[derive(Clone, Debug, Default)]
struct Span {
    root_key: Range<usize>,
    key: Range<usize>,
    value: Range<usize>,
}

/// An entry of a block.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BlockEntry<'a> {
    pub root_key: &'a [u8],
    pub key: &'a [u8],
    pub value: &'a [u8],
}

const CHECKED: &str = "a segment is checked when it is made";

impl Block {
    pub(crate) fn new(id: ObjectId, segment: Segment) -> Self {
        let plaintext = segment.into_plaintext();
        let mut reader = Reader::new("segment", &plaintext);
        let groups_left = reader.uleb(u32::MAX as usize, "groups").expect(CHECKED);
        let end = reader.position();
        let mut block = Self {
            id,
            plaintext,
            end,
            groups_left,
            entries_left: 0,
            span: Span::default(),
            is_at_start: true,
            is_used_up: false,
        };
        block.find_next();
        block
    }

    /// Returns the entry that comes next; `None` when all were taken.
    pub(crate) fn entry(&self) -> Option<BlockEntry<'_>> {
        (!self.is_used_up).then(|| self.current())
    }

    /// Returns the entry that comes next, or the last one when all were taken.
    pub(crate) fn current(&self) -> BlockEntry<'_> {
        let bytes = |range: &Range<usize>| self.plaintext.get(range.clone()).expect(CHECKED);
        let Span { root_key, key, value } = &self.span;
        BlockEntry { root_key: bytes(root_key), key: bytes(key), value: bytes(value) }
    }

    pub(crate) fn is_at_start(&self) -> bool {
        self.is_at_start
    }

    /// Takes an entry.
    pub(crate) fn advance(&mut self) {
        self.is_at_start = false;
        self.find_next();
    }

    /// Returns the root key of the last entry.
    pub(crate) fn into_last_root(mut self) -> Vec<u8> {
        while !self.is_used_up {
            self.advance();
        }
        self.current().root_key.to_vec()
    }

    #[expect(clippy::arithmetic_side_effects, reason = "positions in a plaintext, which is checked")]
    fn find_next(&mut self) {
        let mut reader = Reader::new("segment", self.plaintext.get(self.end..).expect(CHECKED));
        if self.entries_left == 0 {
            if self.groups_left == 0 {
                self.is_used_up = true;
                return;
            }
            self.groups_left -= 1;
            let root_key = reader.byte_string(ROOT_KEY_BYTES_MAX, "root key").expect(CHECKED);
            let end = self.end + reader.position();
            self.span.root_key = end - root_key.len()..end;
            self.entries_left = reader.uleb(u32::MAX as usize, "entries").expect(CHECKED);
        }
        let key = reader.byte_string(KEY_BYTES_MAX, "key").expect(CHECKED);
        let end = self.end + reader.position();
        self.span.key = end - key.len()..end;
        let value = reader.byte_string(VALUE_BYTES_CEILING, "value").expect(CHECKED);
        let end = self.end + reader.position();
        self.span.value = end - value.len()..end;
        self.end = end;
        self.entries_left -= 1;
    }
}

#[cfg(test)]
mod tests {
    use backup_format::EntryBatch;

    use super::*;

    #[test]
    fn a_block_gives_the_entries_of_its_segment() {
        let mut batch = EntryBatch::default();
        let long = vec![7; 300];
        let entries: [(&[u8], &[u8], &[u8]); 5] =
            [(b"", b"", b""), (b"", b"a", &long), (b"b", &long, b"x"), (b"c", b"", b"y"), (&long, b"z", b"")];
        entries.iter().for_each(|(root_key, key, value)| batch.push(root_key, key, value));
        let mut block = Block::new(ObjectId([1; 32]), Segment::from_batch(&batch));
        assert!(block.is_at_start());
        for expected in entries {
            let BlockEntry { root_key, key, value } = block.entry().unwrap();
            assert_eq!((root_key, key, value), expected);
            block.advance();
        }
        assert!(block.entry().is_none() && !block.is_at_start());
        assert_eq!((block.current().root_key, block.current().key), (&long[..], &b"z"[..]));
    }
}
