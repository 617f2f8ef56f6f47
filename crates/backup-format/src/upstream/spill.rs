//! Scratch files of sorted items.
//!
//! A scratch file is a run of `0, root`, which holds for what follows, `1, number of entries` and `2, key, value`, all as
//! in the upstream file.

use std::cmp::Ordering;

use super::COUNT_MAX;
use super::input::Input;
use super::output::Output;
use super::scratch::ScratchFile;
use crate::codec::{put_bytes, put_uleb};
use crate::error::FormatError;
use crate::limits;

const FILE: &str = "scratch file";
const ROOT: u8 = 0;
const COUNT: u8 = 1;
const ENTRY: u8 = 2;

/// Bytes that are read from each scratch file at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// A piece of the upstream file. Root and key are BCS byte strings, and none of those is a proper prefix of
/// another. So items whose roots and keys are in byte order are in the order of the file.
pub(super) struct Item<'a> {
    pub(super) root: &'a [u8],
    /// The key of an entry; empty for the number of entries of a partition, which comes before them.
    pub(super) key: &'a [u8],
    /// The value, or as much of it as is at hand; the number of entries.
    pub(super) payload: &'a [u8],
}

impl Item<'_> {
    pub(super) fn len(&self) -> usize {
        self.root.len() + self.key.len() + self.payload.len()
    }
}

/// Takes items in order.
pub(super) trait Sink {
    /// Takes an item.
    fn put(&mut self, item: &Item<'_>) -> Result<(), FormatError>;

    /// Takes more of the last item's value.
    fn put_more(&mut self, value: &[u8]) -> Result<(), FormatError>;
}

/// Writes a scratch file.
pub(super) struct SpillWriter {
    out: Output<Box<dyn ScratchFile>>,
    root: Vec<u8>,
}

impl SpillWriter {
    pub(super) fn new(file: Box<dyn ScratchFile>) -> Self {
        Self { out: Output::new(file, "writing a scratch file"), root: Vec::new() }
    }

    pub(super) fn finish(self) -> Result<Box<dyn ScratchFile>, FormatError> {
        self.out.finish()
    }
}

impl Sink for SpillWriter {
    fn put(&mut self, item: &Item<'_>) -> Result<(), FormatError> {
        if self.root != item.root {
            self.root.clear();
            self.root.extend_from_slice(item.root);
            self.out.put(&[ROOT])?;
            self.out.put(item.root)?;
        }
        self.out.put(if item.key.is_empty() { &[COUNT] } else { &[ENTRY] })?;
        self.out.put(item.key)?;
        self.out.put(item.payload)
    }

    fn put_more(&mut self, value: &[u8]) -> Result<(), FormatError> {
        self.out.put(value)
    }
}

/// Reads a scratch file: stands before an item, and compares by its root and key.
pub(super) struct SpillReader {
    input: Input<Box<dyn ScratchFile>>,
    root: Vec<u8>,
    key: Vec<u8>,
    payload: Vec<u8>,
    /// Bytes of the value that follow in the file.
    value_len: usize,
}

impl SpillReader {
    /// Stands before the first item; `None` when there is none.
    pub(super) fn open(file: Box<dyn ScratchFile>) -> Result<Option<Self>, FormatError> {
        let input = Input::new(file, FILE, CHUNK_BYTES)?;
        let (root, key, payload) = Default::default();
        let mut reader = Self { input, root, key, payload, value_len: 0 };
        Ok(reader.advance()?.then_some(reader))
    }

    /// Hands the item to `sink` and moves to the next; false at the end.
    pub(super) fn move_to(&mut self, sink: &mut dyn Sink) -> Result<bool, FormatError> {
        sink.put(&Item { root: &self.root, key: &self.key, payload: &self.payload })?;
        self.input.copy(self.value_len, &mut |value| sink.put_more(value))?;
        self.advance()
    }

    fn advance(&mut self) -> Result<bool, FormatError> {
        self.input.pin();
        self.key.clear();
        self.payload.clear();
        self.value_len = 0;
        while self.input.remaining() > 0 {
            match self.input.u8()? {
                ROOT => take_bytes(&mut self.input, limits::ROOT_KEY_BYTES_MAX, "root key", &mut self.root)?,
                COUNT => {
                    put_uleb(&mut self.payload, self.input.uleb(COUNT_MAX, "entries")? as u32);
                    return Ok(true);
                }
                ENTRY => {
                    take_bytes(&mut self.input, limits::KEY_BYTES_MAX, "key", &mut self.key)?;
                    self.value_len = self.input.uleb(limits::VALUE_BYTES_CEILING, "value")?;
                    put_uleb(&mut self.payload, self.value_len as u32);
                    return Ok(true);
                }
                tag => return Err(self.input.malformed(format!("expected 0, 1 or 2, found {tag}"))),
            }
        }
        Ok(false)
    }
}

/// Takes a byte string and puts it, with its length, into `out`.
fn take_bytes(
    input: &mut Input<Box<dyn ScratchFile>>,
    max: usize,
    what: &'static str,
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    let length = input.uleb(max, what)?;
    out.clear();
    put_bytes(out, input.take(length)?);
    Ok(())
}

impl Ord for SpillReader {
    fn cmp(&self, other: &Self) -> Ordering {
        self.root.cmp(&other.root).then_with(|| self.key.cmp(&other.key))
    }
}

impl PartialOrd for SpillReader {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SpillReader {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for SpillReader {}
