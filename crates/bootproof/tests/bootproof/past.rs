//! A good database, and what is known of it.

use crate::entries::Entries;
use crate::keys::{self, Hash};

/// A database with two chains that have exchanged messages.
pub struct Past {
    /// All entries.
    pub entries: Entries,
    /// The chain that sent messages.
    pub sender: Hash,
    /// The chain that received them.
    pub receiver: Hash,
}

impl Past {
    /// Returns the hash of a block.
    pub fn block(&self, chain: Hash, height: u64) -> Hash {
        let row = self.entries.0.get(&(keys::height_index(chain), keys::height(height)));
        row.expect("a block at this height").as_slice().try_into().unwrap()
    }

    /// Returns the root key of a block.
    pub fn block_key(&self, chain: Hash, height: u64) -> Vec<u8> {
        keys::block(self.block(chain, height))
    }

    /// Returns the hash of the first blob of type committee.
    pub fn committee(&self) -> Hash {
        let mut roots = self.entries.0.keys().map(|(root_key, _)| root_key);
        let root = roots.find(|root| root.len() == 34 && root[0] == 2 && root[33] == 5).unwrap();
        root[1..33].try_into().unwrap()
    }

    /// Returns the root key and key of the first entry that these begin and end with.
    pub fn find(&self, root_key: &[u8], begin: &[u8], end: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let mut keys = self.entries.0.keys();
        let found = keys.find(|(root, key)| root == root_key && key.starts_with(begin) && key.ends_with(end));
        found.expect("such an entry").clone()
    }

    /// Replaces SENDER and RECEIVER by the ids of the chains.
    pub fn name(&self, text: &str) -> String {
        text.replace("SENDER", &hex::encode(self.sender)).replace("RECEIVER", &hex::encode(self.receiver))
    }
}
