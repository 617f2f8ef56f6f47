//! Places for validators' databases: one kind for each of linera's engines.

#[cfg(feature = "memory")]
mod memory;
#[cfg(feature = "rocksdb")]
mod rocksdb;
#[cfg(feature = "scylla")]
mod scylla;

use anyhow::Result;
#[cfg(any(feature = "rocksdb", feature = "scylla"))]
use linera_views::lru_prefix_cache::StorageCacheConfig;

use crate::worker::WorkerDatabase;

#[cfg(feature = "memory")]
pub use memory::Memory;
#[cfg(feature = "rocksdb")]
pub use rocksdb::RocksDb;
#[cfg(feature = "scylla")]
pub use scylla::Scylla;

/// Name of each namespace, where the engine does not need one that is its own.
#[cfg(any(feature = "memory", feature = "rocksdb"))]
const NAMESPACE: &str = "validator";

/// Caches of linera's, small enough for entries to leave them.
#[cfg(any(feature = "rocksdb", feature = "scylla"))]
const CACHES: StorageCacheConfig = StorageCacheConfig {
    max_cache_size: 1 << 20,
    max_value_entry_size: 1 << 16,
    max_find_keys_entry_size: 1 << 16,
    max_find_key_values_entry_size: 1 << 16,
    max_cache_entries: 100,
    max_cache_value_size: 1 << 20,
    max_cache_find_keys_size: 1 << 20,
    max_cache_find_key_values_size: 1 << 20,
};

/// A place for one validator's database. What is in it is removed with it, or is in memory and stays until the process
/// ends. Nobody may have the database open when a place is dropped.
pub trait Place: Sized + Send + Sync {
    /// linera's database.
    type Database: WorkerDatabase;

    /// Makes a place where nothing is yet.
    ///
    /// # Errors
    ///
    /// When there is no room for it.
    fn new() -> Result<Self>;

    /// Makes an empty database and opens it.
    ///
    /// # Errors
    ///
    /// When one is there already, or linera cannot make it.
    fn create(&self) -> impl Future<Output = Result<Self::Database>> + Send;

    /// Opens the database that is here, as soon as nobody else has it open.
    ///
    /// # Errors
    ///
    /// When there is none, or linera cannot open it.
    fn open(&self) -> impl Future<Output = Result<Self::Database>> + Send;
}
