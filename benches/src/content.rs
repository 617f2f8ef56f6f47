//! Namespaces of a chosen size with content like a validator's, in layout `linera-0.15`.
//!
//! One in ten partitions is a chain state with 10 to 60 entries, the others have two or three. Values are words of a vocabulary with
//! hashes and signatures between, in such a proportion that zstd at level 1 makes them a little more than half as long, as it does
//! with what a real validator wrote.

use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::{Context, Result};
use backup_layout::Layout;
use backup_layout::rocksdb::Encoder;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngCore, SeedableRng};
use rocksdb::{DB, WriteBatch, WriteOptions};

use crate::engine;

const SEED: u64 = 42;
const WORDS: usize = 1_024;
const WORD_BYTES: RangeInclusive<usize> = 3..=24;
const HASH_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;

/// What values are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mix {
    /// 20 to 200 bytes in 80 %, 0.2 to 8 KiB in 18 %, 8 to 256 KiB in 2 % of the cases.
    Validator,
    /// 20 to 200 bytes.
    Small,
    /// 20 to 200 bytes in chain states, which have 20 to 200 entries; up to 10 KiB in all others.
    Chains,
}

impl Mix {
    pub(crate) const ALL: [Self; 3] = [Self::Validator, Self::Small, Self::Chains];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Validator => "validator",
            Self::Small => "small",
            Self::Chains => "chains",
        }
    }

    /// Takes a name.
    pub(crate) fn of(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|mix| mix.name() == name);
        found.with_context(|| format!("{name:?}: expected validator, small or chains"))
    }

    fn chain_entries(self) -> RangeInclusive<u32> {
        if self == Self::Chains { 20..=200 } else { 10..=60 }
    }

    fn value_bytes(self, of_chain: bool, random: &mut SmallRng) -> usize {
        match (self, random.random_range(0..100)) {
            (Self::Small, _) => random.random_range(20..=200),
            (Self::Chains, _) if of_chain => random.random_range(20..=200),
            (Self::Chains, _) => random.random_range(100..=10 << 10),
            (Self::Validator, 0..80) => random.random_range(20..=200),
            (Self::Validator, 80..98) => random.random_range(200..=8 << 10),
            (Self::Validator, _) => random.random_range(8 << 10..=256 << 10),
        }
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    pub(crate) partitions: u64,
    pub(crate) entries: u64,
    pub(crate) plain_bytes: u64,
}

/// Writes a namespace of so many megabytes (10^6 bytes) of keys and values, and compacts it.
pub(crate) fn generate(path: &Path, megabytes: u64, mix: Mix) -> Result<Written> {
    let db = DB::open(&engine::options(), path).context("creating a database")?;
    let mut writer = Writer::new(&db, mix, SEED);
    // What every validator has: the description of its network.
    writer.partition(&[5], &[vec![0x77]])?;
    while writer.written.plain_bytes < megabytes * 1_000_000 {
        let (root_key, keys) = writer.shape();
        writer.partition(&root_key, &keys)?;
    }
    db.flush().context("flushing")?;
    db.compact_range(None::<&[u8]>, None::<&[u8]>);
    Ok(writer.written)
}

/// Gives every entry of one in `one_in` partitions a new value.
pub(crate) fn change(path: &Path, mix: Mix, one_in: u64) -> Result<u64> {
    let db = DB::open(&engine::options(), path).context("opening the database")?;
    // The same partitions as when they were written, with other values.
    let mut shapes = Writer::new(&db, mix, SEED);
    let mut writer = Writer::new(&db, mix, SEED + 1);
    let total = engine::partitions(&db)?;
    let mut changed = 0;
    shapes.skip(&[vec![0x77]], false);
    for number in 1..total {
        let (root_key, keys) = shapes.shape();
        shapes.skip(&keys, root_key[0] == 0);
        if number % one_in == 0 {
            writer.partition(&root_key, &keys)?;
            changed += 1;
        }
    }
    db.flush().context("flushing")?;
    Ok(changed)
}

struct Writer<'a> {
    db: &'a DB,
    mix: Mix,
    encoder: Encoder,
    random: SmallRng,
    words: Vec<Vec<u8>>,
    written: Written,
}

impl<'a> Writer<'a> {
    fn new(db: &'a DB, mix: Mix, seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let words = (0..WORDS).map(|_| noise(&mut random, WORD_BYTES)).collect();
        let encoder = Encoder::new(Layout::Linera015);
        Self { db, mix, encoder, random, words, written: Written::default() }
    }

    /// Draws a chain state, block, blob or height index, in the proportions of a validator: root key and keys.
    fn shape(&mut self) -> (Vec<u8>, Vec<Vec<u8>>) {
        let mut root_key = vec![0; 33];
        self.random.fill_bytes(&mut root_key);
        match self.random.random_range(0..100) {
            0..10 => {
                root_key[0] = 0;
                let count = self.random.random_range(self.mix.chain_entries());
                (root_key, (0..count).map(|number| self.view_key(number)).collect())
            }
            10..60 => {
                root_key[0] = 1;
                (root_key, vec![vec![0x5b], vec![0xdd]])
            }
            60..80 => {
                root_key[0] = 2;
                root_key.push(6);
                (root_key, vec![vec![0x2a], vec![0x31]])
            }
            _ => {
                root_key[0] = 7;
                let height = self.random.random_range(0..1u64 << 20);
                let mut keys: Vec<_> = (0..3).map(|next| (height + next).to_le_bytes().to_vec()).collect();
                keys.sort();
                (root_key, keys)
            }
        }
    }

    fn view_key(&mut self, number: u32) -> Vec<u8> {
        let mut key = vec![1];
        key.extend_from_slice(&number.to_be_bytes());
        let mut rest = vec![0; self.random.random_range(0..=55)];
        self.random.fill_bytes(&mut rest);
        key.extend_from_slice(&rest);
        key
    }

    fn partition(&mut self, root_key: &[u8], keys: &[Vec<u8>]) -> Result<()> {
        let mut batch = WriteBatch::default();
        for key in keys {
            let value = self.value(root_key[0] == 0);
            self.written.plain_bytes += (key.len() + value.len()) as u64;
            self.written.entries += 1;
            let mut put = |raw_key: &[u8], raw_value: &[u8]| {
                batch.put(raw_key, raw_value);
                Ok::<_, rocksdb::Error>(())
            };
            self.encoder.encode(root_key, key, &value, &mut put)?;
        }
        if let Some(index) = self.encoder.index_row(root_key) {
            batch.put(index, b"");
        }
        let mut without_log = WriteOptions::default();
        without_log.disable_wal(true);
        self.db.write_opt(batch, &without_log).context("writing a partition")?;
        self.written.partitions += 1;
        Ok(())
    }

    /// Draws the values of a partition, and forgets them.
    fn skip(&mut self, keys: &[Vec<u8>], of_chain: bool) {
        keys.iter().for_each(|_| drop(self.value(of_chain)));
    }

    fn value(&mut self, of_chain: bool) -> Vec<u8> {
        let length = self.mix.value_bytes(of_chain, &mut self.random);
        let mut value = Vec::with_capacity(length + SIGNATURE_BYTES);
        while value.len() < length {
            match self.random.random_range(0..16) {
                0..2 => value.extend_from_slice(&self.random.random::<[u8; HASH_BYTES]>()),
                2 => value.extend_from_slice(&noise(&mut self.random, SIGNATURE_BYTES..=SIGNATURE_BYTES)),
                _ => value.extend(self.words.choose(&mut self.random).into_iter().flatten()),
            }
        }
        value.truncate(length);
        value
    }
}

/// Returns random bytes of a random length.
fn noise(random: &mut SmallRng, length: RangeInclusive<usize>) -> Vec<u8> {
    let mut bytes = vec![0; random.random_range(length)];
    random.fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rocksdb::IteratorMode;

    use super::*;

    fn rows(path: &Path) -> BTreeSet<(Vec<u8>, Vec<u8>)> {
        let db = DB::open_for_read_only(&engine::options(), path, false).unwrap();
        let all = db.full_iterator(IteratorMode::Start);
        all.map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap()).collect()
    }

    #[test]
    fn a_change_touches_as_many_partitions_as_it_says_and_adds_none() {
        for mix in Mix::ALL {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("namespace");
            let written = generate(&path, 1, mix).unwrap();
            let before = rows(&path);
            let changed = change(&path, mix, 10).unwrap();
            assert_eq!(changed, (written.partitions - 1) / 10, "{mix:?}");
            let after = rows(&path);
            let keys = |rows: &BTreeSet<(Vec<u8>, Vec<u8>)>| {
                rows.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>()
            };
            assert_eq!(keys(&before), keys(&after), "{mix:?}");
            assert!(before.difference(&after).count() as u64 >= changed, "{mix:?}");
        }
    }
}
