//! Content in the shapes that the hot paths take, always the same for a size.

use std::collections::BTreeMap;
use std::io::{self, Cursor};

use backup_format::upstream::{Scratch, ScratchFile, UpstreamWriter};
use backup_format::{Config, DigestState, EntryBatch, Group, Kind, LtHash, Reference, Segment};

use crate::random::Random;

/// Entries of a partition, as in the state of a small chain.
pub(crate) const PARTITION_ENTRIES: usize = 32;
/// Length of root keys: a byte for what the partition holds, and a hash.
const ROOT_KEY_BYTES: usize = 33;
/// Seed of all content.
const SEED: u64 = 0x6b76_6261_636b_7570;

/// Root key to key to value.
type Partitions = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>>;

/// Makes the config that cuts and ids are measured with.
#[must_use]
pub fn config() -> Config {
    Config::new([1; 16], [2; 16])
}

/// Scratch files in memory, so that the system's part of a file is not measured.
#[derive(Clone, Copy, Debug)]
pub struct Memory;

impl Scratch for Memory {
    fn create(&mut self) -> io::Result<Box<dyn ScratchFile>> {
        Ok(Box::new(Cursor::new(Vec::new())))
    }
}

/// Makes `entries` entries in partitions of 32, whose root keys start with `tag`: keys of 4 to 40 bytes, values of
/// 8 to 200.
pub(crate) fn content(tag: u8, entries: usize) -> Partitions {
    let mut random = Random::new(SEED);
    let mut partitions = Partitions::new();
    for first in (0..entries).step_by(PARTITION_ENTRIES) {
        let mut root_key = random.bytes(ROOT_KEY_BYTES);
        root_key[0] = tag;
        let count = PARTITION_ENTRIES.min(entries - first);
        partitions.insert(root_key, partition_of(&mut random, count));
    }
    partitions
}

fn partition_of(random: &mut Random, entries: usize) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut partition = BTreeMap::new();
    while partition.len() < entries {
        let (key_bytes, value_bytes) = (random.between(4, 40), random.between(8, 200));
        let mut key = random.bytes(key_bytes);
        // Views write no key that starts with 0: those are a journal's.
        key[0] |= 1;
        partition.insert(key, random.bytes(value_bytes));
    }
    partition
}

/// Makes a batch of `entries` entries in partitions of 32, in order.
#[must_use]
pub fn batch(entries: usize) -> EntryBatch {
    let mut batch = EntryBatch::default();
    for (root_key, partition) in content(0, entries) {
        partition.iter().for_each(|(key, value)| batch.push(&root_key, key, value));
    }
    batch
}

/// Makes a batch of `entries` entries in a single partition.
#[must_use]
pub fn partition(entries: usize) -> EntryBatch {
    let mut batch = EntryBatch::default();
    for (key, value) in partition_of(&mut Random::new(SEED), entries) {
        batch.push(b"partition", &key, &value);
    }
    batch
}

/// Makes a batch of `partitions` partitions with one entry each.
#[must_use]
pub fn partitions(partitions: usize) -> EntryBatch {
    let mut random = Random::new(SEED);
    let roots: Vec<_> = (0..partitions).map(|_| random.bytes(ROOT_KEY_BYTES)).collect();
    let mut batch = EntryBatch::default();
    for root_key in roots {
        batch.push(&root_key, b"\x01", &random.bytes(100));
    }
    batch
}

/// Makes the plaintext of a segment of `entries` entries.
#[must_use]
pub fn plaintext(entries: usize) -> Vec<u8> {
    Segment::from_batch(&batch(entries)).into_plaintext()
}

/// Makes the leaves of `leaves` partitions.
#[must_use]
pub fn leaves(leaves: usize) -> Vec<LtHash> {
    let leaf = |group: Group<'_>| {
        let mut state = DigestState::default();
        state.add_group(&group);
        state.lthash
    };
    partitions(leaves).groups().map(leaf).collect()
}

/// Makes `references` references to segments of 256 KiB, as in a page.
#[must_use]
pub fn references(references: usize) -> Vec<Reference> {
    let mut random = Random::new(SEED);
    let keys = config().keys().unwrap();
    let mut reference = || {
        let key_bytes = random.between(4, 40);
        Reference {
            id: keys.id(Kind::Segment, &random.bytes(8)),
            first_root: random.bytes(ROOT_KEY_BYTES),
            first_key: random.bytes(key_bytes),
            plain_len: 256 << 10,
            entries: 2_000,
        }
    };
    (0..references).map(|_| reference()).collect()
}

/// Makes an upstream file of `entries` entries in partitions of 32.
///
/// # Panics
///
/// Never: the content has no partition and no key twice, and memory takes all that is written.
#[must_use]
pub fn upstream_file(entries: usize) -> Vec<u8> {
    let batch = batch(entries);
    let mut writer = UpstreamWriter::new(Vec::new(), Memory);
    batch.groups().try_for_each(|group| writer.push(&group)).expect("memory takes all that is written");
    let partitions = batch.groups().len() as u64;
    writer.finish(partitions, batch.entries()).expect("the numbers are those of what was pushed")
}

#[cfg(test)]
mod tests {
    use backup_format::upstream::UpstreamReader;
    use backup_format::{Limits, Order};

    use super::*;

    #[test]
    fn content_has_the_size_that_was_asked_for_and_is_in_order() {
        for entries in [1, 32, 100] {
            assert_eq!(batch(entries).entries(), entries as u64);
            assert_eq!(batch(entries).groups().len(), entries.div_ceil(PARTITION_ENTRIES));
            assert_eq!(partition(entries).groups().len(), 1);
            assert_eq!(partitions(entries).groups().len(), entries);
            assert_eq!((leaves(entries).len(), references(entries).len()), (entries, entries));
            let segment = Segment::decode(plaintext(entries), Order::Plain, &Limits::default()).unwrap();
            assert_eq!(segment.entries(), entries as u64);
        }
    }

    #[test]
    fn an_upstream_file_holds_the_entries_of_the_batch() {
        let file = Cursor::new(upstream_file(100));
        let mut reader = UpstreamReader::new(file, &Limits::default()).unwrap();
        let read = reader.next_batch().unwrap().unwrap();
        assert!(read.iter().eq(batch(100).iter()));
    }
}
