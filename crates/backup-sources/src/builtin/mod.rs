//! The engines of this workspace.

mod memory;
#[cfg(feature = "rocksdb")]
mod rocksdb;
#[cfg(feature = "scylla")]
mod scylla;

use crate::engine::Engine;

/// All engines: a new one is a line here.
pub(crate) const ENGINES: &[&dyn Engine] = &[
    &memory::Memory,
    #[cfg(feature = "rocksdb")]
    &rocksdb::RocksDb,
    #[cfg(feature = "scylla")]
    &scylla::Scylla,
];

/// Schemes of engines that a program can be built without: they are no names of directories there either.
pub(crate) const OPTIONAL: [&str; 4] = ["rocksdb", "rocksdb-backup", "scylla", "cql"];
