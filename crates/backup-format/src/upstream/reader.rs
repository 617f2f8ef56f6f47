//! Reading an upstream file.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fmt;
use std::io::{Read, Seek};

use super::FILE;
use super::cursor::Cursor;
use super::input::Input;
use super::scan::{count, scan};
use crate::entry::EntryBatch;
use crate::error::{FormatError, show};
use crate::limits::{self, Limits};
use crate::order::Order;

/// Bytes that are read at a time by default, and after which a batch ends.
const BUFFER_BYTES: usize = 256 << 10;
/// Buffers that the cursors of a partition take together, beside their keys.
const CURSOR_BUFFERS: usize = 64;
/// Bytes that the buffer of a cursor takes at least.
const CURSOR_BYTES_MIN: usize = 512;
/// Root keys that are kept of partitions without entries.
const DROPPED_SHOWN: usize = 8;

/// The partitions without entries that a reader passed over: they are not content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DroppedPartitions {
    /// How many there were.
    pub count: u64,
    /// The root keys of the first 8 of them.
    pub first_root_keys: Vec<Vec<u8>>,
}

/// Reads an upstream file as batches in [`Order::Prefixed`].
///
/// Everything that the `bcs` crate refuses is refused: keys out of order or twice, lengths in a longer form than
/// needed, bytes missing or left over. So are lengths above their ceilings. The file is read twice, a partition at a
/// time, and takes some 17 MiB of memory, one value, and at most
/// [`UPSTREAM_KEY_LENGTHS_MAX`](limits::UPSTREAM_KEY_LENGTHS_MAX) bytes of keys.
pub struct UpstreamReader<R> {
    input: Input<R>,
    limits: Limits,
    /// Partitions that are not read yet.
    left: usize,
    root_key: Option<Vec<u8>>,
    /// The runs of the open partition.
    runs: BinaryHeap<Reverse<Cursor>>,
    dropped: DroppedPartitions,
    buffer_bytes: usize,
    failed: bool,
}

impl<R: Read + Seek> UpstreamReader<R> {
    /// Starts at the beginning of a file, wherever `file` stands.
    ///
    /// # Errors
    ///
    /// [`FormatError::Io`], or [`FormatError::Malformed`] when the file cannot be one.
    pub fn new(file: R, limits: &Limits) -> Result<Self, FormatError> {
        let mut input = Input::new(file, FILE, BUFFER_BYTES)?;
        let left = count(&mut input, "partitions")?;
        Ok(Self {
            input,
            limits: *limits,
            left,
            root_key: None,
            runs: BinaryHeap::new(),
            dropped: DroppedPartitions::default(),
            buffer_bytes: BUFFER_BYTES,
            failed: false,
        })
    }

    /// Sets how many bytes are read at a time and make a batch: 256 KiB by default, at least 16. Memory is up to 70
    /// times that.
    #[must_use]
    pub fn with_buffer_bytes(mut self, bytes: usize) -> Self {
        self.buffer_bytes = bytes.max(16);
        self.input.set_chunk(self.buffer_bytes);
        self
    }

    /// Reads some 256 KiB of entries, or one entry that is longer; `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// [`FormatError::Io`], [`FormatError::Malformed`], [`FormatError::TooLong`] or [`FormatError::EntryTooLong`]. The
    /// reader is of no use afterwards.
    pub fn next_batch(&mut self) -> Result<Option<EntryBatch>, FormatError> {
        if self.failed {
            return Err(self.input.malformed("an earlier error left the reader here".to_owned()));
        }
        let batch = self.read_batch();
        self.failed = batch.is_err();
        batch
    }

    /// Returns the partitions without entries so far: all of them, once the end was reached.
    #[must_use]
    pub fn dropped(&self) -> &DroppedPartitions {
        &self.dropped
    }

    /// Returns how many bytes of the file were passed, for progress bars. A partition counts when it is begun.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.input.position()
    }

    /// Returns the length of the file in bytes.
    #[must_use]
    pub fn file_len(&self) -> u64 {
        self.input.end()
    }

    fn read_batch(&mut self) -> Result<Option<EntryBatch>, FormatError> {
        let mut batch = EntryBatch::default();
        loop {
            if self.fill(&mut batch)? {
                return Ok(Some(batch));
            }
            if self.left == 0 {
                break;
            }
            self.left -= 1;
            self.open_partition()?;
        }
        match self.input.remaining() {
            0 => Ok((!batch.is_empty()).then_some(batch)),
            more => Err(self.input.malformed(format!("expected the end, {more} more bytes follow"))),
        }
    }

    /// Moves entries of the open partition into the batch; true when the batch is full.
    fn fill(&mut self, batch: &mut EntryBatch) -> Result<bool, FormatError> {
        let root_key = self.root_key.as_deref().unwrap_or_default();
        while let Some(mut top) = self.runs.peek_mut() {
            let Reverse(cursor) = &mut *top;
            if !batch.is_empty() && batch.byte_len() + root_key.len() + cursor.entry_len() > self.buffer_bytes
            {
                return Ok(true);
            }
            let more = cursor
                .put(root_key, batch, &mut self.input)
                .and_then(|()| cursor.advance(&mut self.input, &self.limits))
                .map_err(|error| in_partition(error, root_key))?;
            if !more {
                PeekMut::pop(top);
            }
        }
        Ok(false)
    }

    fn open_partition(&mut self) -> Result<(), FormatError> {
        let root_key = self.take_root_key()?;
        self.input.pin();
        let runs =
            scan(&mut self.input, &root_key, &self.limits).map_err(|error| in_partition(error, &root_key))?;
        if runs.is_empty() {
            self.dropped.count += 1;
            if self.dropped.first_root_keys.len() < DROPPED_SHOWN {
                self.dropped.first_root_keys.push(root_key.clone());
            }
        }
        let most = self.buffer_bytes / 4;
        let chunk =
            (CURSOR_BUFFERS * self.buffer_bytes / runs.len().max(1)).clamp(CURSOR_BYTES_MIN.min(most), most);
        for run in runs {
            let cursor = Cursor::new(run, chunk, &mut self.input, &self.limits)
                .map_err(|error| in_partition(error, &root_key))?;
            self.runs.push(Reverse(cursor));
        }
        self.root_key = Some(root_key);
        Ok(())
    }

    fn take_root_key(&mut self) -> Result<Vec<u8>, FormatError> {
        let start = self.input.position();
        let length = self.input.uleb(limits::ROOT_KEY_BYTES_MAX, "root key")?;
        let root_key = self.input.take(length)?.to_vec();
        match &self.root_key {
            Some(previous) if Order::Prefixed.compare_roots(previous, &root_key) != Ordering::Less => {
                let (found, previous) = (show(&root_key), show(previous));
                let problem = format!("root key {found} does not come after {previous} in a BCS map");
                Err(self.input.malformed_at(start, problem))
            }
            _ => Ok(root_key),
        }
    }
}

impl<R> fmt::Debug for UpstreamReader<R> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "UpstreamReader({} partitions left)", self.left)
    }
}

/// Adds the partition to what an error says.
fn in_partition(error: FormatError, root_key: &[u8]) -> FormatError {
    match error {
        FormatError::Malformed { object, offset, problem } => {
            let problem = format!("{problem}; root_key={}", show(root_key));
            FormatError::Malformed { object, offset, problem }
        }
        other => other,
    }
}
