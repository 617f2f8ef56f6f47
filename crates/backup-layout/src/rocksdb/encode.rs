//! From entries to rows.

use backup_format::put_uleb;

use super::{DATA, INDEX};
use crate::layout::Layout;

/// Longest segment that linera 0.15 writes to RocksDB, in bytes: 3 GiB less 400. With it no value that a dump can hold is
/// ever split.
pub const SEGMENT_BYTES_MAX: usize = 3_221_225_072;

/// Bytes of the number of segments in segment 0.
const COUNT_BYTES: usize = 4;

/// Takes the key and the value of a row.
pub type EmitRow<'a, E> = dyn FnMut(&[u8], &[u8]) -> Result<(), E> + 'a;

/// Makes rows of entries. It keeps its buffers, and what it can of the row before.
#[derive(Clone, Debug)]
pub struct Encoder {
    layout: Layout,
    segment_bytes_max: usize,
    /// The key of the row before: its first `root_end` bytes are the prefix of a partition, whose root key starts at
    /// `root_at`. Empty before the first row.
    row_key: Vec<u8>,
    root_at: usize,
    root_end: usize,
    segment: Vec<u8>,
    index: Vec<u8>,
}

impl Encoder {
    /// Makes an encoder with [`SEGMENT_BYTES_MAX`].
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self {
            layout,
            segment_bytes_max: SEGMENT_BYTES_MAX,
            row_key: Vec::new(),
            root_at: 0,
            root_end: 0,
            segment: Vec::new(),
            index: Vec::new(),
        }
    }

    /// Sets the longest segment, in bytes, at least 5. Linera reads segments of any length, so this is for tests.
    #[must_use]
    pub fn with_segment_bytes_max(self, bytes: usize) -> Self {
        Self { segment_bytes_max: bytes.max(COUNT_BYTES + 1), ..self }
    }

    /// Makes the rows of one entry, and passes them to `emit` in ascending order of their keys. In `plain` the root key is
    /// not part of the row: the engine decides by it where the row goes.
    ///
    /// # Errors
    ///
    /// What `emit` returns; it is not called again then.
    ///
    /// # Panics
    ///
    /// If a value needs 2^32 segments or more; those of a dump need at most 105 million even with segments of 5 bytes.
    pub fn encode<E>(
        &mut self,
        root_key: &[u8],
        key: &[u8],
        value: &[u8],
        emit: &mut EmitRow<'_, E>,
    ) -> Result<(), E> {
        match self.layout {
            Layout::Plain => emit(key, value),
            Layout::Linera016 => {
                self.set_row_key(root_key, key);
                emit(&self.row_key, value)
            }
            Layout::Linera015 => {
                self.set_row_key(root_key, key);
                self.encode_segments(value, emit)
            }
        }
    }

    /// Returns the key of the index row of a partition, whose value is empty. `None` in `plain`, which has no index.
    pub fn index_row(&mut self, root_key: &[u8]) -> Option<&[u8]> {
        if self.layout == Layout::Plain {
            return None;
        }
        self.index.clear();
        put_prefix(&mut self.index, self.layout, INDEX, root_key);
        Some(&self.index)
    }

    /// Returns what the keys of all data rows of a partition start with; empty in `plain`. In `linera-0.15` so may
    /// the keys of another partition, where one root key is a prefix of the other.
    pub fn data_prefix(&mut self, root_key: &[u8]) -> &[u8] {
        if self.layout == Layout::Plain {
            return &[];
        }
        self.set_row_key(root_key, &[]);
        &self.row_key
    }

    fn encode_segments<E>(&mut self, value: &[u8], emit: &mut EmitRow<'_, E>) -> Result<(), E> {
        let first_bytes = value.len().min(self.segment_bytes_max.saturating_sub(COUNT_BYTES));
        let (first, others) = value.split_at(first_bytes);
        let count = others.len().div_ceil(self.segment_bytes_max).saturating_add(1);
        let count =
            u32::try_from(count).expect("values are limited to 500 MiB and segments have 5 bytes or more");
        self.segment.clear();
        self.segment.extend_from_slice(&count.to_be_bytes());
        self.segment.extend_from_slice(first);
        let stored_key_end = self.row_key.len();
        self.row_key.extend_from_slice(&0u32.to_be_bytes());
        emit(&self.row_key, &self.segment)?;
        for (number, segment) in (1u32..).zip(others.chunks(self.segment_bytes_max)) {
            self.row_key.truncate(stored_key_end);
            self.row_key.extend_from_slice(&number.to_be_bytes());
            emit(&self.row_key, segment)?;
        }
        Ok(())
    }

    /// Sets the row key to the prefix of the partition and the key.
    fn set_row_key(&mut self, root_key: &[u8], key: &[u8]) {
        let same = self.root_end > 0 && self.row_key.get(self.root_at..self.root_end) == Some(root_key);
        if same {
            self.row_key.truncate(self.root_end);
        } else {
            self.row_key.clear();
            put_prefix(&mut self.row_key, self.layout, DATA, root_key);
            self.root_end = self.row_key.len();
            self.root_at = self.root_end.saturating_sub(root_key.len());
        }
        self.row_key.extend_from_slice(key);
    }
}

/// Appends the first byte of a linera row and the root key as the layout writes it.
fn put_prefix(out: &mut Vec<u8>, layout: Layout, first: u8, root_key: &[u8]) {
    out.push(first);
    if layout == Layout::Linera016 {
        put_uleb(out, u32::try_from(root_key.len()).expect("root keys of a dump are limited to 64 KiB"));
    }
    out.extend_from_slice(root_key);
}
