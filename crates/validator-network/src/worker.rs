//! linera's real worker, booted on an open database.

use anyhow::{Context, Result};
use linera_base::crypto::ValidatorSecretKey;
use linera_base::identifiers::ChainId;
use linera_core::ChainWorkerConfig;
use linera_core::worker::WorkerState;
use linera_storage::{DbStorage, StorageCacheConfig};
use linera_views::store::{KeyValueDatabase, KeyValueStore};

use crate::opened::Opened;

/// What linera stores chains, blocks and blobs in, on top of an open database.
pub type Storage<D> = DbStorage<Opened<D>>;

/// A worker on such a storage.
pub type Worker<D> = WorkerState<Storage<D>>;

/// What a database must be able to do for a worker to run on it.
pub trait WorkerDatabase:
    KeyValueDatabase<Store: KeyValueStore + Clone + Send + Sync + 'static, Error: Send + Sync>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<D> WorkerDatabase for D where
    D: KeyValueDatabase<Store: KeyValueStore + Clone + Send + Sync + 'static, Error: Send + Sync>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// Entries that each of the storage's caches may hold: few, so that reads come from the database.
const CACHES: StorageCacheConfig = StorageCacheConfig {
    blob_cache_size: 100,
    confirmed_block_cache_size: 100,
    certificate_cache_size: 100,
    certificate_raw_cache_size: 100,
    event_cache_size: 100,
    block_hash_by_height_cache_size: 100,
    event_block_height_cache_size: 100,
    cache_cleanup_interval_secs: 30,
};

/// Opens linera's storage, as a validator does when it starts.
///
/// # Errors
///
/// When linera cannot read the database.
///
/// # Panics
///
/// linera panics on a database of an older schema.
pub async fn open_storage<D: WorkerDatabase>(database: D) -> Result<Storage<D>> {
    let storage = Storage::<D>::connect(&Opened(database), "", None, CACHES).await;
    let storage = storage.context("opening the storage")?;
    storage.assert_is_migrated_storage().await.context("checking the schema of the storage")?;
    Ok(storage)
}

/// Lists the chains of a database, in the order of their ids.
///
/// # Errors
///
/// When the root keys cannot be listed, or one of them is no root key of linera's.
pub async fn list_chains<D: WorkerDatabase>(database: D) -> Result<Vec<ChainId>> {
    let mut chains =
        Storage::<D>::list_chain_ids(&Opened(database), "").await.context("listing the chains")?;
    chains.sort_unstable();
    Ok(chains)
}

/// Boots a worker, with or without a key.
pub fn boot<D: WorkerDatabase>(storage: Storage<D>, key: Option<ValidatorSecretKey>) -> Worker<D> {
    start(storage, key, false)
}

/// Boots a worker that asks for messages again that a chain misses, as linera's validators do with `allow_revert_confirm`.
pub fn boot_recovering<D: WorkerDatabase>(storage: Storage<D>, key: Option<ValidatorSecretKey>) -> Worker<D> {
    start(storage, key, true)
}

fn start<D: WorkerDatabase>(
    storage: Storage<D>,
    key: Option<ValidatorSecretKey>,
    allow_revert_confirm: bool,
) -> Worker<D> {
    let config = ChainWorkerConfig {
        allow_inactive_chains: true,
        allow_revert_confirm,
        ..ChainWorkerConfig::default()
    };
    WorkerState::new(storage, config.with_key_pair(key), None)
}
