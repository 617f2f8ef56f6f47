//! Content like a validator's, always the same for a seed, for whatever engine is measured.
//!
//! One in ten partitions is a chain state with 10 to 60 entries, the others have two or three. Values are words of a vocabulary with
//! hashes and signatures between. By their proportion, zstd at level 1 makes them a little more than half as long. It does the same
//! with what a real validator wrote.

use std::ops::RangeInclusive;

use anyhow::{Context, Result};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngCore, SeedableRng};

/// The seed of what is measured.
pub const SEED: u64 = 42;
const WORDS: usize = 1_024;
const WORD_BYTES: RangeInclusive<usize> = 3..=24;
const HASH_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;

/// Root key and key of what every validator has: the description of its network.
pub const NETWORK: (&[u8], &[u8]) = (&[5], &[0x77]);

/// What values are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// 20 to 200 bytes in 80 %, 0.2 to 8 KiB in 18 %, 8 to 256 KiB in 2 % of the cases.
    Validator,
    /// 20 to 200 bytes.
    Small,
    /// 20 to 200 bytes in chain states, which have 20 to 200 entries; up to 10 KiB in all others.
    Chains,
}

impl Mix {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Validator, Self::Small, Self::Chains];

    /// Returns the name that command lines use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Validator => "validator",
            Self::Small => "small",
            Self::Chains => "chains",
        }
    }

    /// Takes a name.
    ///
    /// # Errors
    ///
    /// When there is no such mix.
    pub fn of(name: &str) -> Result<Self> {
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

/// Draws partitions, and values for them.
#[derive(Debug)]
pub struct Content {
    mix: Mix,
    random: SmallRng,
    words: Vec<Vec<u8>>,
}

impl Content {
    /// Starts before the first partition. The same mix and seed give the same partitions and values.
    #[must_use]
    pub fn new(mix: Mix, seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let words = (0..WORDS).map(|_| noise(&mut random, WORD_BYTES)).collect();
        Self { mix, random, words }
    }

    /// Draws a chain state, block, blob or height index, in the proportions of a validator: root key and keys.
    pub fn shape(&mut self) -> (Vec<u8>, Vec<Vec<u8>>) {
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

    /// Draws a value for an entry of this partition.
    pub fn value(&mut self, root_key: &[u8]) -> Vec<u8> {
        let of_chain = root_key.first() == Some(&0);
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

    /// Draws the values of a partition, and forgets them.
    pub fn skip(&mut self, root_key: &[u8], keys: &[Vec<u8>]) {
        keys.iter().for_each(|_| drop(self.value(root_key)));
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Partitions.
    pub partitions: u64,
    /// Entries of all partitions.
    pub entries: u64,
    /// Bytes of keys and values.
    pub plain_bytes: u64,
}

impl Written {
    /// Counts an entry.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        self.entries += 1;
        self.plain_bytes += (key.len() + value.len()) as u64;
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
    use super::*;

    #[test]
    fn a_seed_gives_the_same_content_again_and_another_seed_other_values() {
        for mix in Mix::ALL {
            let draw = |seed| {
                let mut content = Content::new(mix, seed);
                let (root_key, keys) = content.shape();
                let values: Vec<_> = keys.iter().map(|_| content.value(&root_key)).collect();
                (root_key, keys, values)
            };
            assert_eq!(draw(1), draw(1), "{mix:?}");
            assert_ne!(draw(1), draw(2), "{mix:?}");
            assert_eq!(Mix::of(mix.name()).unwrap(), mix);
        }
        assert!(Mix::of("large").is_err());
    }

    #[test]
    fn one_in_ten_partitions_is_a_chain_state_with_most_of_the_entries() {
        let mut content = Content::new(Mix::Chains, SEED);
        let shapes: Vec<_> = (0..1_000).map(|_| content.shape()).collect();
        let states = shapes.iter().filter(|(root_key, _)| root_key[0] == 0);
        let entries: usize = states.clone().map(|(_, keys)| keys.len()).sum();
        assert!((60..140).contains(&states.count()));
        assert!(entries * 2 > shapes.iter().map(|(_, keys)| keys.len()).sum());
    }
}
