//! Rows of ScyllaDB and Apache Cassandra: a table for each namespace, with a partition for each root key.
//!
//! | layout | partition key | key of the row | value of the row |
//! |---|---|---|---|
//! | `linera-0.15` | `00`, root key | key, number of the segment | segment |
//! | `linera-0.16` | `00`, root key | key | value |
//! | `plain` | `00`, root key | key | value |
//!
//! In linera's layouts a row with an empty key is a *sentinel*: it is no entry, and its time of writing tells when a
//! partition that one worker owns was written last. Such partitions are *exclusive*, and may hold a
//! [`Journal`](crate::Journal).

mod decode;
mod detect;
mod encode;

pub use decode::Decoder;
pub use detect::{Row, Sample, check, detect};
pub use encode::{Encoder, KEY_BYTES_MAX, ROOT_KEY_BYTES_MAX, SEGMENT_BYTES_MAX};

use std::ops::Range;

use crate::layout::Layout;
use crate::shape::Kind;

/// First byte of every partition key.
pub const DATA: u8 = 0;

/// Key and value of the sentinel.
pub const SENTINEL: (&[u8], &[u8]) = (&[], &[]);

/// Returns the root key of a partition; `None` when the partition key is none of those that linera writes.
#[must_use]
pub fn root_key(partition_key: &[u8]) -> Option<&[u8]> {
    partition_key.strip_prefix(&[DATA])
}

/// Returns the partition key of a root key.
#[must_use]
pub fn partition_key(root_key: &[u8]) -> Vec<u8> {
    [&[DATA], root_key].concat()
}

/// Tells whether a partition is owned by one worker, who writes it with a sentinel: the state of a chain or of an exporter.
/// Never in `plain`. The root key alone decides, so that a partition is the same to all who read it at any time.
#[must_use]
pub fn is_exclusive(layout: Layout, root_key: &[u8]) -> bool {
    match layout {
        Layout::Plain => false,
        _ => Kind::of_root_key(layout, root_key).is_some_and(Kind::is_exclusive),
    }
}

/// Returns the ranges of partition keys in which all exclusive partitions lie, in ascending order: each from its start up to, and
/// without, its end. Not every partition key in them need be that of an exclusive partition. None in `plain`.
#[must_use]
pub fn exclusive_ranges(layout: Layout) -> Vec<Range<[u8; 2]>> {
    let mut ranges: Vec<Range<[u8; 2]>> = Vec::new();
    for tag in (0..u8::MAX).filter(|tag| Kind::of_tag(layout, *tag).is_some_and(Kind::is_exclusive)) {
        let (start, end) = ([DATA, tag], [DATA, tag + 1]);
        match ranges.last_mut().filter(|last| last.end == start) {
            Some(last) => last.end = end,
            None => ranges.push(start..end),
        }
    }
    ranges
}
