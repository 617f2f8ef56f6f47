//! Which data key opens what: neighbours in packs that are sealed alike.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::collections::HashMap;
use std::sync::Arc;

use backup_format::pack::{Seal, WrappedKey};

/// The data keys of all packs, and where objects begin that are sealed with another one than those before them.
///
/// A run of a backup seals with one key. So there are few changes: one for each pack, and one for each source of a pack that was copied together.
#[derive(Debug, Default)]
pub(crate) struct SealedRuns {
    keys: Vec<Arc<WrappedKey>>,
    numbers: HashMap<Arc<WrappedKey>, u32>,
    /// Addresses, ascending, and how objects from there on are sealed.
    changes: Vec<(u64, Option<(u8, u32)>)>,
}

impl SealedRuns {
    /// Takes the keys of a pack; returns their numbers.
    pub(crate) fn add_keys(&mut self, keys: Vec<WrappedKey>) -> Vec<u32> {
        let number = |key: WrappedKey| {
            let key = Arc::new(key);
            if let Some(number) = self.numbers.get(&key) {
                return *number;
            }
            let number = self.keys.len() as u32;
            self.numbers.insert(key.clone(), number);
            self.keys.push(key);
            number
        };
        keys.into_iter().map(number).collect()
    }

    /// Takes the next object. `keys` are the numbers of the keys of its pack.
    pub(crate) fn push(&mut self, address: u64, seal: Option<Seal>, keys: &[u32]) {
        let seal = seal.and_then(|Seal { aead, key }| Some((aead, *keys.get(usize::from(key))?)));
        if self.changes.last().map_or(seal.is_some(), |(_, last)| *last != seal) {
            self.changes.push((address, seal));
        }
    }

    /// Returns how the object at an address is sealed.
    pub(crate) fn at(&self, address: u64) -> Option<(u8, u32)> {
        let after = self.changes.partition_point(|(start, _)| *start <= address);
        self.changes.get(after.checked_sub(1)?)?.1
    }

    /// Returns the key of this number.
    pub(crate) fn key(&self, number: u32) -> Option<&Arc<WrappedKey>> {
        self.keys.get(number as usize)
    }

    /// Returns all keys, each once.
    pub(crate) fn keys(&self) -> &[Arc<WrappedKey>] {
        &self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> WrappedKey {
        WrappedKey { id: [byte; 32], wrapped: vec![byte] }
    }

    #[test]
    fn neighbours_that_are_sealed_alike_take_one_place() {
        let mut runs = SealedRuns::default();
        let first = runs.add_keys(vec![key(1)]);
        for (address, seal) in
            [(10, None), (20, Some(Seal { aead: 2, key: 0 })), (30, Some(Seal { aead: 2, key: 0 }))]
        {
            runs.push(address, seal, &first);
        }
        let second = runs.add_keys(vec![key(2), key(1)]);
        assert_eq!(second, [1, 0]);
        runs.push(40, Some(Seal { aead: 2, key: 1 }), &second);
        runs.push(50, Some(Seal { aead: 1, key: 0 }), &second);
        runs.push(60, None, &second);
        let found: Vec<_> = [9, 10, 19, 20, 39, 40, 49, 50, 60, 99].map(|address| runs.at(address)).into();
        let (one, other) = (Some((2, 0)), Some((1, 1)));
        assert_eq!(found, [None, None, None, one, one, one, one, other, None, None]);
        assert_eq!(runs.changes.len(), 3);
    }
}
