//! What a seeded content looks like.

use std::ops::RangeInclusive;

/// Numbers and lengths of a [`Content::seeded`](crate::Content::seeded): each is drawn from its range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Number of partitions to draw; two may fall together, and one without entries is none.
    pub partitions: usize,
    /// Number of entries of a partition.
    pub entries: RangeInclusive<usize>,
    /// Bytes of a root key, within 1 to 255.
    pub root_key_bytes: RangeInclusive<usize>,
    /// Bytes of a key.
    pub key_bytes: RangeInclusive<usize>,
    /// Bytes of a value.
    pub value_bytes: RangeInclusive<usize>,
}

impl Default for Spec {
    /// 40 partitions of 0 to 60 entries, with root keys of 1 to 40, keys of 0 to 40 and values of 0 to 600 bytes: some
    /// 350 kB.
    fn default() -> Self {
        Self {
            partitions: 40,
            entries: 0..=60,
            root_key_bytes: 1..=40,
            key_bytes: 0..=40,
            value_bytes: 0..=600,
        }
    }
}
