//! Sorting rows that come in another order than that of their keys.

use std::ops::Range;

use crate::error::RocksDbError;
use crate::handle::DEFAULT_FAMILY;
use crate::tables::Tables;

/// Collects rows and writes them sorted, one SST file for each full buffer. These files overlap each other.
pub(crate) struct Sorter {
    bytes: Vec<u8>,
    rows: Vec<(Range<usize>, Range<usize>)>,
    bytes_max: usize,
}

impl Sorter {
    /// Makes an empty buffer, which is written out after `bytes_max` bytes of rows.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), rows: Vec::new(), bytes_max }
    }

    /// Takes a row.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8], out: &mut Tables<'_>) -> Result<(), RocksDbError> {
        let key = self.append(key);
        let value = self.append(value);
        self.rows.push((key, value));
        let bytes = self.bytes.len() + self.rows.len() * size_of::<(Range<usize>, Range<usize>)>();
        if bytes >= self.bytes_max { self.flush(out) } else { Ok(()) }
    }

    /// Writes out what is left.
    pub(crate) fn flush(&mut self, out: &mut Tables<'_>) -> Result<(), RocksDbError> {
        let Self { bytes, rows, .. } = self;
        let part = |range: &Range<usize>| bytes.get(range.clone()).expect("rows lie in the buffer");
        rows.sort_unstable_by(|left, right| part(&left.0).cmp(part(&right.0)));
        for (key, value) in &*rows {
            out.put(DEFAULT_FAMILY, part(key), part(value))?;
        }
        rows.clear();
        bytes.clear();
        out.close()
    }

    fn append(&mut self, part: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(part);
        start..self.bytes.len()
    }
}
