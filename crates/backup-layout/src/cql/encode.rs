//! From entries to rows.

use backup_format::{FormatError, show};

use crate::error::LayoutError;
use crate::layout::Layout;
use crate::rocksdb::EmitRow;

/// Longest segment that linera 0.15 writes to ScyllaDB, in bytes.
pub const SEGMENT_BYTES_MAX: usize = 16_752_727;

/// Longest key of a row that the servers take, in bytes. In `linera-0.15` 4 of them are the number of the segment.
pub const KEY_BYTES_MAX: usize = 65_535;

/// Longest root key: partition keys have at most 65,535 bytes, and one of them is taken.
pub const ROOT_KEY_BYTES_MAX: usize = 65_534;

/// Bytes of the number of segments in segment 0, and of the number of a segment in a key.
const NUMBER_BYTES: usize = 4;

/// Makes rows of entries. It keeps its buffers.
#[derive(Clone, Debug)]
pub struct Encoder {
    layout: Layout,
    segment_bytes_max: usize,
    key: Vec<u8>,
    segment: Vec<u8>,
}

impl Encoder {
    /// Makes an encoder with [`SEGMENT_BYTES_MAX`].
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self { layout, segment_bytes_max: SEGMENT_BYTES_MAX, key: Vec::new(), segment: Vec::new() }
    }

    /// Sets the longest segment, in bytes, at least 5. Linera reads segments of any length, so this is for tests.
    #[must_use]
    pub fn with_segment_bytes_max(self, bytes: usize) -> Self {
        Self { segment_bytes_max: bytes.max(NUMBER_BYTES + 1), ..self }
    }

    /// Makes the rows of one entry, and passes their keys and values to `emit` in ascending order of keys. They belong
    /// into the partition of [`partition_key`](super::partition_key).
    ///
    /// # Errors
    ///
    /// [`LayoutError::TooLong`] for a root key or key that the servers do not take, [`LayoutError::EmptyKey`] in
    /// `linera-0.16`; what `emit` returns, which is not called again then.
    ///
    /// # Panics
    ///
    /// If a value needs 2^32 segments or more; those of a dump need at most 105 million even with segments of 5 bytes.
    pub fn encode<E: From<LayoutError>>(
        &mut self,
        root_key: &[u8],
        key: &[u8],
        value: &[u8],
        emit: &mut EmitRow<'_, E>,
    ) -> Result<(), E> {
        self.check(root_key, key)?;
        match self.layout {
            Layout::Linera015 => self.encode_segments(key, value, emit),
            Layout::Linera016 | Layout::Plain => emit(key, value),
        }
    }

    fn check(&self, root_key: &[u8], key: &[u8]) -> Result<(), LayoutError> {
        let key_bytes_max = match self.layout {
            Layout::Linera015 => KEY_BYTES_MAX - NUMBER_BYTES,
            Layout::Linera016 | Layout::Plain => KEY_BYTES_MAX,
        };
        if self.layout == Layout::Linera016 && key.is_empty() {
            return Err(LayoutError::EmptyKey { root_key: show(root_key) });
        }
        check_length(root_key, key, "root key", root_key.len(), ROOT_KEY_BYTES_MAX)?;
        check_length(root_key, key, "key", key.len(), key_bytes_max)
    }

    fn encode_segments<E>(&mut self, key: &[u8], value: &[u8], emit: &mut EmitRow<'_, E>) -> Result<(), E> {
        let first_bytes = value.len().min(self.segment_bytes_max.saturating_sub(NUMBER_BYTES));
        let (first, others) = value.split_at(first_bytes);
        let count = others.len().div_ceil(self.segment_bytes_max).saturating_add(1);
        let count =
            u32::try_from(count).expect("values are limited to 500 MiB and segments have 5 bytes or more");
        self.segment.clear();
        self.segment.extend_from_slice(&count.to_be_bytes());
        self.segment.extend_from_slice(first);
        self.key.clear();
        self.key.extend_from_slice(key);
        self.key.extend_from_slice(&0u32.to_be_bytes());
        emit(&self.key, &self.segment)?;
        for (number, segment) in (1u32..).zip(others.chunks(self.segment_bytes_max)) {
            self.key.truncate(key.len());
            self.key.extend_from_slice(&number.to_be_bytes());
            emit(&self.key, segment)?;
        }
        Ok(())
    }
}

fn check_length(
    root_key: &[u8],
    key: &[u8],
    what: &'static str,
    found: usize,
    limit: usize,
) -> Result<(), LayoutError> {
    if found <= limit {
        return Ok(());
    }
    Err(LayoutError::TooLong(FormatError::EntryTooLong {
        root_key: show(root_key),
        key: show(key),
        what,
        found: found as u64,
        limit: limit as u64,
        hint: "; ScyllaDB and Cassandra take no longer ones",
    }))
}
