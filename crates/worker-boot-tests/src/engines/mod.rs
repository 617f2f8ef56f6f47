//! The engines that take part, as data.

#[cfg(feature = "memory")]
mod memory;
#[cfg(feature = "rocksdb")]
mod rocksdb;
#[cfg(feature = "scylla")]
mod scylla;

use std::fmt;
use std::future::Future;

use anyhow::Result;
use backup_format::DatabaseBackup;
use backup_layout::Layout;
#[cfg(any(feature = "rocksdb", feature = "scylla"))]
use linera_views::lru_prefix_cache::StorageCacheConfig;

use crate::worker::WorkerDatabase;

#[cfg(feature = "memory")]
pub use memory::Memory;
#[cfg(feature = "rocksdb")]
pub use rocksdb::RocksDb;
#[cfg(feature = "scylla")]
pub use scylla::Scylla;

/// Layout of what linera 0.15 writes.
pub const LAYOUT: Layout = Layout::Linera015;

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

/// An engine. A new one needs a [`Place`], lines in [`Engine::ALL`] and [`Engine::name`], and one in
/// [`on_engine`](crate::on_engine): all cases and tests follow from these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// linera's own `MemoryDatabase`, through linera's stores.
    #[cfg(feature = "memory")]
    Memory,
    /// linera's own `RocksDbDatabase`, backed up and restored by its path.
    #[cfg(feature = "rocksdb")]
    RocksDb,
    /// linera's own `ScyllaDbDatabase` on a real server, backed up and restored over CQL.
    #[cfg(feature = "scylla")]
    Scylla,
}

impl Engine {
    /// The engines that this build knows.
    pub const ALL: &[Self] = &[
        #[cfg(feature = "memory")]
        Self::Memory,
        #[cfg(feature = "rocksdb")]
        Self::RocksDb,
        #[cfg(feature = "scylla")]
        Self::Scylla,
    ];

    /// Returns the name that manifests have for the engine.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "memory")]
            Self::Memory => "memory",
            #[cfg(feature = "rocksdb")]
            Self::RocksDb => "rocksdb",
            #[cfg(feature = "scylla")]
            Self::Scylla => "scylla",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

/// Evaluates an expression in which a name stands for the [`Place`] of an engine: `on_engine!(engine, P => run::<P>())`.
#[macro_export]
macro_rules! on_engine {
    ($engine:expr, $place:ident => $body:expr) => {
        match $engine {
            #[cfg(feature = "memory")]
            $crate::engines::Engine::Memory => {
                type $place = $crate::engines::Memory;
                $body
            }
            #[cfg(feature = "rocksdb")]
            $crate::engines::Engine::RocksDb => {
                type $place = $crate::engines::RocksDb;
                $body
            }
            #[cfg(feature = "scylla")]
            $crate::engines::Engine::Scylla => {
                type $place = $crate::engines::Scylla;
                $body
            }
        }
    };
}

/// A place for one validator's database. What is in it is removed with it, or is in memory and stays until the process
/// ends; nobody may have the database open when a place is dropped.
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

    /// Names the database as the source of a backup or the target of a restore. Whether it is there shows when it is used.
    ///
    /// # Errors
    ///
    /// When the engine cannot prepare for that.
    fn namespace(&self) -> impl Future<Output = Result<Box<dyn DatabaseBackup>>> + Send;
}
