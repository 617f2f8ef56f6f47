//! The digest of a namespace: the order-independent fingerprint of its logical content.
//!
//! Each partition is hashed to a leaf of 2,048 bytes; leaves add up as vectors of 1,024 numbers (LtHash). So the
//! digest does not depend on engine, layout, order, cuts, codec or number of workers, and parts can be added up.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::codec::{put_bytes, uleb_len};
use crate::entry::Group;
use crate::error::FormatError;
use crate::id::ObjectId;

const LANES: usize = 1_024;

/// The digest of a namespace. Shown as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for Digest {
    type Err = FormatError;

    /// Reads exactly 64 lower-case hex digits.
    fn from_str(text: &str) -> Result<Self, FormatError> {
        text.parse().map(|id: ObjectId| Self(id.0))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ObjectId::deserialize(deserializer).map(|id| Self(id.0))
    }
}

/// A sum of leaves: 1,024 numbers, each modulo 2^16.
#[derive(Clone, PartialEq, Eq)]
pub struct LtHash([u16; LANES]);

impl Default for LtHash {
    /// The sum of no leaves.
    fn default() -> Self {
        Self([0; LANES])
    }
}

impl fmt::Debug for LtHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "LtHash({})", blake3::hash(&self.to_bytes()).to_hex())
    }
}

impl LtHash {
    /// Length of [`LtHash::to_bytes`].
    pub const BYTES: usize = 2 * LANES;

    /// Adds another sum.
    pub fn add(&mut self, other: &Self) {
        for (sum, lane) in self.0.iter_mut().zip(&other.0) {
            *sum = sum.wrapping_add(*lane);
        }
    }

    /// Returns the numbers, each as two bytes, little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (place, lane) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(&self.0) {
            *place = lane.to_le_bytes();
        }
        bytes
    }

    /// Reads what [`LtHash::to_bytes`] wrote.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let mut lanes = [0; LANES];
        for (lane, place) in lanes.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *lane = u16::from_le_bytes(*place);
        }
        Self(lanes)
    }
}

/// Hashes one partition, a run of entries at a time, in the order of its keys.
#[derive(Clone)]
pub struct LeafHasher {
    hasher: blake3::Hasher,
    entries: u64,
}

impl LeafHasher {
    /// Starts a partition with its root key.
    #[must_use]
    pub fn new(root_key: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("kvb1 partition");
        let mut root = Vec::with_capacity(uleb_len(root_key.len() as u32) + root_key.len());
        put_bytes(&mut root, root_key);
        hasher.update(&root);
        Self { hasher, entries: 0 }
    }

    /// Appends a run of entries, encoded as in [`Group::body`].
    pub fn update(&mut self, body: &[u8], entries: u32) {
        self.hasher.update(body);
        self.entries += u64::from(entries);
    }
}

impl fmt::Debug for LeafHasher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "LeafHasher({} entries)", self.entries)
    }
}

/// The digest of a part of a namespace that consists of whole partitions. Parts add up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DigestState {
    /// The sum of the partitions' leaves.
    pub lthash: LtHash,
    /// Number of partitions.
    pub partitions: u64,
    /// Number of entries.
    pub entries: u64,
}

impl DigestState {
    /// Adds a partition that is complete: no part of it may be added twice, or apart.
    pub fn add_partition(&mut self, leaf: &LeafHasher) {
        let mut bytes = [0; LtHash::BYTES];
        leaf.hasher.finalize_xof().fill(&mut bytes);
        self.lthash.add(&LtHash::from_bytes(&bytes));
        self.partitions += 1;
        self.entries += leaf.entries;
    }

    /// Adds a partition that one group holds whole.
    pub fn add_group(&mut self, group: &Group<'_>) {
        let mut leaf = LeafHasher::new(group.root_key);
        leaf.update(group.body, group.entries);
        self.add_partition(&leaf);
    }

    /// Adds another part.
    pub fn add(&mut self, other: &Self) {
        self.lthash.add(&other.lthash);
        self.partitions += other.partitions;
        self.entries += other.entries;
    }

    /// Returns the digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("kvb1 namespace");
        hasher.update(&self.partitions.to_le_bytes());
        hasher.update(&self.entries.to_le_bytes());
        hasher.update(&self.lthash.to_bytes());
        Digest(*hasher.finalize().as_bytes())
    }
}

/// Computes a [`DigestState`] from groups in order, where a partition may continue from one group to the next.
///
/// ```
/// use backup_format::{DigestBuilder, EntryBatch};
///
/// let digest = |parts: &[&[(&[u8], &[u8])]]| {
///     let mut builder = DigestBuilder::default();
///     for part in parts {
///         let mut batch = EntryBatch::default();
///         part.iter().for_each(|(key, value)| batch.push(b"root", key, value));
///         batch.groups().for_each(|group| builder.push(&group));
///     }
///     builder.finish().digest()
/// };
/// assert_eq!(digest(&[&[(b"a", b"1"), (b"b", b"2")]]), digest(&[&[(b"a", b"1")], &[(b"b", b"2")]]));
/// ```
#[derive(Clone, Debug, Default)]
pub struct DigestBuilder {
    state: DigestState,
    open: Option<(Vec<u8>, LeafHasher)>,
}

impl DigestBuilder {
    /// Appends the entries of a group: to the open partition, if it has the same root key.
    pub fn push(&mut self, group: &Group<'_>) {
        match &mut self.open {
            Some((root_key, leaf)) if root_key == group.root_key => leaf.update(group.body, group.entries),
            _ => {
                self.close();
                let mut leaf = LeafHasher::new(group.root_key);
                leaf.update(group.body, group.entries);
                self.open = Some((group.root_key.to_vec(), leaf));
            }
        }
    }

    /// Adds partitions that lie between the groups pushed before and after, and were hashed elsewhere.
    pub fn add(&mut self, state: &DigestState) {
        self.close();
        self.state.add(state);
    }

    /// Returns the root key of the partition that may continue; `None` at the start.
    #[must_use]
    pub fn open_root(&self) -> Option<&[u8]> {
        self.open.as_ref().map(|(root_key, _)| root_key.as_slice())
    }

    /// Completes the last partition.
    #[must_use]
    pub fn finish(mut self) -> DigestState {
        self.close();
        self.state
    }

    fn close(&mut self) {
        if let Some((_, leaf)) = self.open.take() {
            self.state.add_partition(&leaf);
        }
    }
}
