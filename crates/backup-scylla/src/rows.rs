//! Rows of one partition that are written together.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::mem;
use std::ops::Range;

/// Partition key, key and value of a row.
pub(crate) type Row<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// Rows of one partition, in one buffer.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowBatch {
    partition_key: Vec<u8>,
    bytes: Vec<u8>,
    rows: Vec<(Range<usize>, Range<usize>)>,
}

impl RowBatch {
    /// Returns the rows.
    pub(crate) fn rows(&self) -> Vec<Row<'_>> {
        let bytes = |range: &Range<usize>| self.bytes.get(range.clone()).expect("rows lie in the buffer");
        self.rows.iter().map(|(key, value)| (&*self.partition_key, bytes(key), bytes(value))).collect()
    }

    /// Returns the bytes of keys and values.
    pub(crate) fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    fn push(&mut self, key: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.rows.push((start..middle, middle..self.bytes.len()));
    }
}

/// Divides the rows of partitions that follow each other into batches.
#[derive(Debug)]
pub(crate) struct Batcher {
    bytes_max: usize,
    rows_max: usize,
    open: RowBatch,
    ready: Vec<RowBatch>,
}

impl Batcher {
    /// A row that is longer than `bytes_max` goes alone.
    pub(crate) fn new(bytes_max: usize, rows_max: usize) -> Self {
        Self { bytes_max, rows_max: rows_max.max(1), open: RowBatch::default(), ready: Vec::new() }
    }

    /// Begins a partition.
    pub(crate) fn enter(&mut self, partition_key: Vec<u8>) {
        self.close();
        self.open.partition_key = partition_key;
    }

    /// Adds a row of the partition.
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) {
        let bytes = self.open.byte_len().saturating_add(key.len()).saturating_add(value.len());
        if bytes > self.bytes_max || self.open.rows.len() >= self.rows_max {
            self.close();
        }
        self.open.push(key, value);
    }

    /// Ends the open batch.
    pub(crate) fn close(&mut self) {
        if !self.open.rows.is_empty() {
            let next = RowBatch { partition_key: self.open.partition_key.clone(), ..RowBatch::default() };
            self.ready.push(mem::replace(&mut self.open, next));
        }
    }

    /// Takes the batches that are complete.
    pub(crate) fn drain(&mut self) -> Vec<RowBatch> {
        mem::take(&mut self.ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(batches: &[RowBatch]) -> Vec<(&[u8], usize, usize)> {
        batches.iter().map(|batch| (&*batch.partition_key, batch.rows.len(), batch.byte_len())).collect()
    }

    #[test]
    fn batches_have_one_partition_and_stay_within_bytes_and_rows() {
        let mut batcher = Batcher::new(100, 3);
        batcher.enter(b"a".to_vec());
        (0..7).for_each(|key| batcher.push(&[key], b"v"));
        batcher.enter(b"b".to_vec());
        batcher.push(b"k", &[0; 60]);
        batcher.push(b"l", &[0; 60]);
        batcher.push(b"m", &[0; 500]);
        batcher.push(b"n", b"");
        batcher.enter(b"c".to_vec());
        batcher.close();
        let batches = batcher.drain();
        let expected: [(&[u8], usize, usize); 7] = [
            (b"a", 3, 6),
            (b"a", 3, 6),
            (b"a", 1, 2),
            (b"b", 1, 61),
            (b"b", 1, 61),
            (b"b", 1, 501),
            (b"b", 1, 1),
        ];
        assert_eq!(sizes(&batches), expected);
        assert_eq!(batches[1].rows()[2], (&b"a"[..], &[5][..], &b"v"[..]));
        assert!(batcher.drain().is_empty());
    }
}
