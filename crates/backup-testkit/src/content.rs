//! What a namespace holds, as a plain map.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use backup_format::{Digest, EngineError, EntryBatch, Order, Snapshot, show};
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};

use crate::read::read_all;
use crate::spec::Spec;

type Partition = BTreeMap<Vec<u8>, Vec<u8>>;

/// The entries of a namespace: what a test writes, and what it expects to read.
///
/// It is made of the standard library's maps alone, and computes its digest from their bytes in the simplest way. So
/// it can be the model for engines and formats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    partitions: BTreeMap<Vec<u8>, Partition>,
}

impl Content {
    /// Draws a content. The same seed and spec give the same content.
    ///
    /// No root key is a prefix of another, since each begins with its length; every engine can hold such.
    #[must_use]
    pub fn seeded(seed: u64, spec: &Spec) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut content = Self::default();
        for _ in 0..spec.partitions {
            let length = random.random_range(spec.root_key_bytes.clone()).clamp(1, 255);
            let mut root_key = random_bytes(&mut random, length);
            if let Some(first) = root_key.first_mut() {
                *first = length as u8;
            }
            for _ in 0..random.random_range(spec.entries.clone()) {
                let key_len = random.random_range(spec.key_bytes.clone());
                let key = random_bytes(&mut random, key_len);
                let value_len = random.random_range(spec.value_bytes.clone());
                content.put(&root_key, &key, &random_bytes(&mut random, value_len));
            }
        }
        content
    }

    /// Makes one partition of exactly `entries` entries with keys of 8 bytes and values of these many bytes.
    #[must_use]
    pub fn partition(seed: u64, root_key: &[u8], entries: u64, value_bytes: RangeInclusive<usize>) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut partition = Partition::new();
        for number in 0..entries {
            // Multiplication by an odd number permutes the numbers, so keys are distinct and in no order.
            let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec();
            let length = random.random_range(value_bytes.clone());
            partition.insert(key, random_bytes(&mut random, length));
        }
        let mut content = Self::default();
        if !partition.is_empty() {
            content.partitions.insert(root_key.to_vec(), partition);
        }
        content
    }

    /// Makes a content of these entries: root key, key, value.
    #[must_use]
    pub fn of(entries: &[(&[u8], &[u8], &[u8])]) -> Self {
        let mut content = Self::default();
        entries.iter().for_each(|(root_key, key, value)| content.put(root_key, key, value));
        content
    }

    /// Reads all entries of a snapshot.
    ///
    /// # Errors
    ///
    /// As the engine reports them.
    pub async fn read(snapshot: &dyn Snapshot) -> Result<Self, EngineError> {
        let mut content = Self::default();
        for (root_key, key, value) in read_all(snapshot).await? {
            content.put(&root_key, &key, &value);
        }
        Ok(content)
    }

    /// Adds an entry, or gives it another value.
    pub fn put(&mut self, root_key: &[u8], key: &[u8], value: &[u8]) {
        let partition = match self.partitions.get_mut(root_key) {
            Some(partition) => partition,
            None => self.partitions.entry(root_key.to_vec()).or_default(),
        };
        partition.insert(key.to_vec(), value.to_vec());
    }

    /// Removes an entry; returns whether it was there.
    pub fn remove(&mut self, root_key: &[u8], key: &[u8]) -> bool {
        let Some(partition) = self.partitions.get_mut(root_key) else { return false };
        let removed = partition.remove(key).is_some();
        if partition.is_empty() {
            self.partitions.remove(root_key);
        }
        removed
    }

    /// Adds all entries of a batch.
    pub fn extend(&mut self, batch: &EntryBatch) {
        batch.iter().for_each(|(root_key, entry)| self.put(root_key, entry.key, entry.value));
    }

    /// Returns the value of an entry.
    #[must_use]
    pub fn get(&self, root_key: &[u8], key: &[u8]) -> Option<&[u8]> {
        self.partitions.get(root_key)?.get(key).map(Vec::as_slice)
    }

    /// Returns true if there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// Returns the number of entries.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.partitions.values().map(|partition| partition.len() as u64).sum()
    }

    /// Returns the number of partitions.
    #[must_use]
    pub fn partitions(&self) -> u64 {
        self.partitions.len() as u64
    }

    /// Iterates over the root keys, by their bytes.
    pub fn root_keys(&self) -> impl Iterator<Item = &[u8]> {
        self.partitions.keys().map(Vec::as_slice)
    }

    /// Iterates over the entries by the bytes of root key and key: root key, key, value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8], &[u8])> {
        self.partitions.iter().flat_map(|(root_key, partition)| {
            partition.iter().map(|(key, value)| (root_key.as_slice(), key.as_slice(), value.as_slice()))
        })
    }

    /// Returns the entries as a dump of this order has them: root key, key, value.
    #[must_use]
    pub fn ordered(&self, order: Order) -> Vec<(&[u8], &[u8], &[u8])> {
        let mut entries: Vec<_> = self.iter().collect();
        // The sort is stable, so keys stay in their order.
        entries.sort_by(|left, right| order.compare_roots(left.0, right.0));
        entries
    }

    /// Computes the digest by its definition: all bytes of a partition in one buffer, hashed at once.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut lanes = [0u16; 1_024];
        for (root_key, partition) in &self.partitions {
            let mut bytes = bcs_bytes(root_key);
            for (key, value) in partition {
                bytes.extend(bcs_bytes(key));
                bytes.extend(bcs_bytes(value));
            }
            let mut leaf = [0; 2_048];
            let mut hasher = blake3::Hasher::new_derive_key("kvb1 partition");
            hasher.update(&bytes).finalize_xof().fill(&mut leaf);
            for (lane, pair) in lanes.iter_mut().zip(leaf.as_chunks::<2>().0) {
                *lane = lane.wrapping_add(u16::from_le_bytes(*pair));
            }
        }
        let mut bytes = self.partitions().to_le_bytes().to_vec();
        bytes.extend(self.entries().to_le_bytes());
        bytes.extend(lanes.iter().flat_map(|lane| lane.to_le_bytes()));
        Digest(blake3::derive_key("kvb1 namespace", &bytes))
    }

    /// Describes the first entry in which another content differs, `None` when they are equal.
    #[must_use]
    pub fn difference(&self, found: &Self) -> Option<String> {
        let place = |root_key: &[u8], key: &[u8]| format!("root_key={} key={}", show(root_key), show(key));
        for (root_key, key, value) in self.iter() {
            match found.get(root_key, key) {
                None => return Some(format!("{} is missing", place(root_key, key))),
                Some(other) if other != value => {
                    let place = place(root_key, key);
                    return Some(format!("{place}: expected value {}, found {}", show(value), show(other)));
                }
                Some(_) => {}
            }
        }
        let surplus = found.iter().find(|(root_key, key, _)| self.get(root_key, key).is_none());
        surplus.map(|(root_key, key, _)| format!("{} should not be there", place(root_key, key)))
    }
}

fn random_bytes(random: &mut SmallRng, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    random.fill_bytes(&mut bytes);
    bytes
}

/// Length as ULEB128, then the bytes.
fn bcs_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 5);
    let mut length = bytes.len();
    while length >= 128 {
        out.push((length % 128) as u8 + 128);
        length /= 128;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
    out
}
