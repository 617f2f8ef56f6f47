//! Rows of ScyllaDB and Apache Cassandra: a table for each namespace, with a partition for each root key.
//!
//! | layout | partition key | key of the row | value of the row |
//! |---|---|---|---|
//! | `linera-0.15` | `00`, root key | key, number of the segment | segment |
//! | `linera-0.16` | `00`, root key | key | value |
//! | `plain` | `00`, root key | key | value |
//!
//! In linera's layouts a row with an empty key is a *sentinel* and no entry. Its time of writing is the time when a
//! partition that one worker owns was written last. Such partitions are *exclusive*, and may hold a
//! [`Journal`](crate::Journal).

mod decode;
mod detect;
mod encode;

pub use decode::Decoder;
pub use detect::{Row, Sample, check, detect};
pub use encode::{Encoder, KEY_BYTES_MAX, ROOT_KEY_BYTES_MAX, SEGMENT_BYTES_MAX};

use crate::layout::Layout;
use crate::shape::Kind;

/// First byte of every partition key.
const DATA: u8 = 0;

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

/// Returns true if a partition is owned by one worker, which writes it with a sentinel: the state of a chain or of an
/// exporter. Never in `plain`. The root key alone decides, so the answer is the same for all readers at any time.
#[must_use]
pub fn is_exclusive(layout: Layout, root_key: &[u8]) -> bool {
    match layout {
        Layout::Plain => false,
        _ => Kind::of_root_key(layout, root_key).is_some_and(Kind::is_exclusive),
    }
}
