//! The entries of a namespace, in a map that tests may damage.

use std::collections::BTreeMap;
use std::path::Path;

use backup_format::DatabaseBackup;
use backup_layout::Layout;
use backup_memory::MemoryNamespace;
use backup_repository::{BackupOptions, Repository, open_location};
use backup_rocksdb::{RocksDbNamespace, RocksDbOptions};
use backup_testkit::read_all;

/// Values by root key and key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries(pub BTreeMap<(Vec<u8>, Vec<u8>), Vec<u8>>);

impl Entries {
    /// Reads a RocksDB directory.
    pub async fn read(directory: &Path) -> Self {
        let options = RocksDbOptions::default().with_layout(Layout::Linera015);
        let snapshot = RocksDbNamespace::at(directory, options).snapshot().await.unwrap();
        let entries = read_all(&*snapshot).await.unwrap().into_iter();
        Self(entries.map(|(root_key, key, value)| ((root_key, key), value)).collect())
    }

    /// Makes a dump of them, which says of itself that it has this layout.
    pub async fn dump(&self, repository: &Path, layout: &'static str) {
        let kind = |root_key: &[u8]| Layout::Linera015.kind(root_key);
        let namespace = MemoryNamespace::new("validator_0").with_layout(layout, kind);
        for ((root_key, key), value) in &self.0 {
            namespace.put(root_key, key, value).unwrap();
        }
        let store = open_location(repository, true, []).unwrap();
        let repository = Repository::open_or_create(store).await.unwrap();
        let options = BackupOptions { allow_implausible: true, ..BackupOptions::default() };
        repository.backup(&namespace, options).await.unwrap();
    }

    /// Returns a value to be changed, which must be there.
    pub fn value(&mut self, root_key: &[u8], key: &[u8]) -> &mut Vec<u8> {
        self.0.get_mut(&(root_key.to_vec(), key.to_vec())).expect("the entry to damage is there")
    }

    /// Deletes an entry, which must be there.
    pub fn delete(&mut self, root_key: &[u8], key: &[u8]) {
        self.0.remove(&(root_key.to_vec(), key.to_vec())).expect("the entry to delete is there");
    }

    /// Deletes all entries of a partition, of which there must be some.
    pub fn delete_partition(&mut self, root_key: &[u8]) {
        let before = self.0.len();
        self.0.retain(|(found, _), _| found != root_key);
        assert!(self.0.len() < before, "the partition to delete is there");
    }

    /// Flips the lowest bit of a byte, counted from the end of the value.
    pub fn flip(&mut self, root_key: &[u8], key: &[u8], from_end: usize) {
        let value = self.value(root_key, key);
        let index = value.len() - 1 - from_end;
        value[index] ^= 1;
    }

    /// Adds to a number of 8 bytes.
    pub fn add(&mut self, root_key: &[u8], key: &[u8], difference: i64) {
        let value = self.value(root_key, key);
        let number = u64::from_le_bytes(value.as_slice().try_into().unwrap());
        *value = number.wrapping_add_signed(difference).to_le_bytes().to_vec();
    }
}
