//! The second pass over a partition: one cursor per run.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::cmp::Ordering;
use std::io::{Read, Seek};
use std::ops::Range;

use super::FILE;
use super::input::{Input, shift};
use super::scan::Run;
use crate::codec::{Reader, uleb_len};
use crate::entry::EntryBatch;
use crate::error::FormatError;
use crate::limits::{self, Limits};

/// Bytes that the length of a value takes at most.
const ULEB_BYTES_MAX: usize = 5;

/// Stands before an entry of a run and holds that entry's key. Cursors compare by their keys.
#[derive(Debug)]
pub(super) struct Cursor {
    key_len: usize,
    /// What of the run is not in the buffer yet.
    ahead: Range<u64>,
    buffer: Vec<u8>,
    /// Where in the buffer the entry begins.
    entry: usize,
    /// Length of the entry.
    entry_len: usize,
    chunk: usize,
}

impl Cursor {
    /// Stands before the first entry; reads some `chunk` bytes at a time.
    pub(super) fn new<R: Read + Seek>(
        run: Run,
        chunk: usize,
        input: &mut Input<R>,
        limits: &Limits,
    ) -> Result<Self, FormatError> {
        let Run { key_len, range } = run;
        let mut cursor = Self { key_len, ahead: range, buffer: Vec::new(), entry: 0, entry_len: 0, chunk };
        cursor.advance(input, limits)?;
        Ok(cursor)
    }

    /// Returns the length of the entry, encoded.
    pub(super) fn entry_len(&self) -> usize {
        self.entry_len
    }

    /// Appends the entry to a batch.
    pub(super) fn put<R: Read + Seek>(
        &mut self,
        root_key: &[u8],
        batch: &mut EntryBatch,
        input: &mut Input<R>,
    ) -> Result<(), FormatError> {
        let held = self.buffer.get(self.entry..).unwrap_or_default();
        if let Some(whole) = held.get(..self.entry_len) {
            batch.push_run(root_key, crate::entry::Run::check(whole, 1)?);
            return Ok(());
        }
        let (start, rest) = batch.push_room(root_key, self.entry_len).split_at_mut(held.len());
        start.copy_from_slice(held);
        input.read_at(self.ahead.start, rest)
    }

    /// Moves to the next entry; false at the end of the run.
    #[expect(clippy::arithmetic_side_effects, reason = "the entry lies in the buffer and in the run")]
    pub(super) fn advance<R: Read + Seek>(
        &mut self,
        input: &mut Input<R>,
        limits: &Limits,
    ) -> Result<bool, FormatError> {
        self.entry += self.entry_len;
        if let Some(beyond) = self.entry.checked_sub(self.buffer.len()) {
            self.ahead.start += beyond as u64;
            self.buffer.clear();
            self.entry = 0;
        }
        self.entry_len = 0;
        self.read_ahead(uleb_len(self.key_len as u32) + self.key_len + ULEB_BYTES_MAX, input)?;
        let held = self.buffer.get(self.entry..).unwrap_or_default();
        if held.is_empty() {
            return Ok(false);
        }
        let offset = self.ahead.start - held.len() as u64;
        let left = held.len() as u64 + (self.ahead.end - self.ahead.start);
        self.entry_len = self.check(held, left, limits).map_err(|error| shift(error, offset))?;
        Ok(true)
    }

    /// Makes sure that the next `length` bytes are in the buffer, or all that the run has.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "the entry lies in the buffer, which is shorter than `length`"
    )]
    fn read_ahead<R: Read + Seek>(&mut self, length: usize, input: &mut Input<R>) -> Result<(), FormatError> {
        let held = self.buffer.len() - self.entry;
        if held >= length || self.ahead.is_empty() {
            return Ok(());
        }
        self.buffer.drain(..self.entry);
        self.entry = 0;
        let more = (self.ahead.end - self.ahead.start).min((length.max(self.chunk) - held) as u64) as usize;
        self.buffer.resize(held + more, 0);
        input.read_at(self.ahead.start, self.buffer.get_mut(held..).unwrap_or_default())?;
        self.ahead.start += more as u64;
        Ok(())
    }

    /// Returns the length of the entry. The first pass saw that all is well, but the file may have changed since.
    fn check(&self, held: &[u8], left: u64, limits: &Limits) -> Result<usize, FormatError> {
        let mut reader = Reader::new(FILE, held);
        let key = reader.byte_string(limits::KEY_BYTES_MAX, "key")?;
        let value = reader.uleb(limits.value_bytes_max(), "value")?;
        let length = reader.position().saturating_add(value);
        if key.len() != self.key_len || length as u64 > left {
            return Err(reader.malformed("the file changed while it was read".to_owned()));
        }
        Ok(length)
    }

    #[expect(clippy::arithmetic_side_effects, reason = "the key lies in the buffer")]
    fn key(&self) -> &[u8] {
        let start = self.entry + uleb_len(self.key_len as u32);
        self.buffer.get(start..start + self.key_len).unwrap_or_default()
    }
}

impl Ord for Cursor {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }
}

impl PartialOrd for Cursor {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Cursor {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Cursor {}
