//! linera's own RocksDB database on a directory.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use linera_chain::ChainStateView;
use linera_views::rocks_db::RocksDbDatabase;
use linera_views::store::KeyValueDatabase;

use validator_network::{rocksdb, worker};

/// The database as validators open it.
pub type Database = RocksDbDatabase;

/// linera's storage on it.
pub type Storage = worker::Storage<Database>;

/// The state of a chain in it.
pub type ChainView = ChainStateView<<Storage as linera_storage::Storage>::Context>;

/// Name of the namespace in every directory that is opened here.
pub const NAMESPACE: &str = "namespace";

/// Opens the namespace [`NAMESPACE`] in a directory, for reading and writing.
///
/// # Errors
///
/// When there is none, or RocksDB cannot open it.
pub async fn open(base: &Path) -> Result<Database> {
    let path = base.join(NAMESPACE);
    // linera would make an empty one.
    ensure!(path.join("CURRENT").exists(), "there is no database at {}", path.display());
    let config = rocksdb::config(base.to_owned());
    Database::connect(&config, NAMESPACE).await.with_context(|| format!("opening {}", path.display()))
}
