//! A database of linera's in memory with small limits, below its journal, which stops writing on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

use linera_views::batch::{Batch, UnorderedBatch};
use linera_views::journaling::JournalingKeyValueDatabase;
use linera_views::memory::{MemoryDatabase, MemoryStore, MemoryStoreConfig, MemoryStoreError};
use linera_views::store::{
    DirectWritableKeyValueStore, KeyValueDatabase, KeyValueStoreError, ReadableKeyValueStore, WithError,
};
use linera_views::value_splitting::ValueSplittingDatabase;

use crate::support::{CHAIN, Pairs};

/// The layers that linera has over ScyllaDB, without the cache.
pub type Layers = ValueSplittingDatabase<JournalingKeyValueDatabase<Limited>>;

#[derive(Clone)]
pub struct Limited {
    database: MemoryDatabase,
    writes_left: Arc<AtomicU64>,
}

#[derive(Clone)]
pub struct LimitedStore {
    store: MemoryStore,
    writes_left: Arc<AtomicU64>,
}

#[derive(Debug, thiserror::Error)]
pub enum LimitedError {
    #[error(transparent)]
    Memory(#[from] MemoryStoreError),
    #[error(transparent)]
    Bcs(#[from] bcs::Error),
    #[error("no more writes are allowed")]
    Stopped,
    #[error("a batch is beyond the limits")]
    TooLong,
}

impl KeyValueStoreError for LimitedError {
    const BACKEND: &'static str = "limited";
}

impl Limited {
    /// Makes an empty database, which may be written to for ever.
    pub async fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        // The last handle removes it; so does any other, and none is dropped before the test ends.
        let config = MemoryStoreConfig { max_stream_queries: 10, kill_on_drop: false };
        let name = format!("limited{}", NUMBER.fetch_add(1, SeqCst));
        let database = MemoryDatabase::recreate_and_connect(&config, &name).await.unwrap();
        Self { database, writes_left: Arc::new(AtomicU64::new(u64::MAX)) }
    }

    /// Makes the database fail after some more writes, `u64::MAX` for never.
    pub fn stop_after(&self, writes: u64) {
        self.writes_left.store(writes, SeqCst);
    }

    /// Opens the layers above.
    pub async fn layers(&self) -> Layers {
        Layers::connect(self, "").await.unwrap()
    }

    /// Reads the rows of the chain state.
    pub async fn rows(&self) -> Pairs {
        let store = self.database.open_shared(&CHAIN).unwrap();
        store.find_key_values_by_prefix(&[]).await.unwrap().into_iter().collect()
    }

    fn open(&self, root_key: &[u8]) -> Result<LimitedStore, LimitedError> {
        let store = self.database.open_shared(root_key)?;
        Ok(LimitedStore { store, writes_left: Arc::clone(&self.writes_left) })
    }
}

impl WithError for Limited {
    type Error = LimitedError;
}

impl WithError for LimitedStore {
    type Error = LimitedError;
}

impl KeyValueDatabase for Limited {
    type Config = Self;
    type Store = LimitedStore;

    fn get_name() -> String {
        MemoryDatabase::get_name()
    }

    async fn connect(config: &Self, _namespace: &str) -> Result<Self, LimitedError> {
        Ok(config.clone())
    }

    fn open_shared(&self, root_key: &[u8]) -> Result<LimitedStore, LimitedError> {
        self.open(root_key)
    }

    fn open_exclusive(&self, root_key: &[u8]) -> Result<LimitedStore, LimitedError> {
        self.open(root_key)
    }

    async fn list_all(_config: &Self) -> Result<Vec<String>, LimitedError> {
        Ok(Vec::new())
    }

    async fn list_root_keys(&self) -> Result<Vec<Vec<u8>>, LimitedError> {
        Ok(self.database.list_root_keys().await?)
    }

    async fn exists(_config: &Self, _namespace: &str) -> Result<bool, LimitedError> {
        Ok(true)
    }

    async fn create(_config: &Self, _namespace: &str) -> Result<(), LimitedError> {
        Ok(())
    }

    async fn delete(_config: &Self, _namespace: &str) -> Result<(), LimitedError> {
        Ok(())
    }
}

impl ReadableKeyValueStore for LimitedStore {
    const MAX_KEY_SIZE: usize = 50;

    fn max_stream_queries(&self) -> usize {
        self.store.max_stream_queries()
    }

    fn root_key(&self) -> Result<Vec<u8>, LimitedError> {
        Ok(self.store.root_key()?)
    }

    async fn read_value_bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LimitedError> {
        Ok(self.store.read_value_bytes(key).await?)
    }

    async fn contains_key(&self, key: &[u8]) -> Result<bool, LimitedError> {
        Ok(self.store.contains_key(key).await?)
    }

    async fn contains_keys(&self, keys: &[Vec<u8>]) -> Result<Vec<bool>, LimitedError> {
        Ok(self.store.contains_keys(keys).await?)
    }

    async fn read_multi_values_bytes(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, LimitedError> {
        Ok(self.store.read_multi_values_bytes(keys).await?)
    }

    async fn find_keys_by_prefix(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, LimitedError> {
        Ok(self.store.find_keys_by_prefix(prefix).await?)
    }

    async fn find_key_values_by_prefix(
        &self,
        prefix: &[u8],
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, LimitedError> {
        Ok(self.store.find_key_values_by_prefix(prefix).await?)
    }
}

impl DirectWritableKeyValueStore for LimitedStore {
    const MAX_BATCH_SIZE: usize = 6;
    const MAX_BATCH_TOTAL_SIZE: usize = 400;
    const MAX_VALUE_SIZE: usize = 100;

    type Batch = UnorderedBatch;

    /// Writes as ScyllaDB does: all or nothing, prefixes first.
    async fn write_batch(&self, batch: UnorderedBatch) -> Result<(), LimitedError> {
        if batch.len() > Self::MAX_BATCH_SIZE {
            return Err(LimitedError::TooLong);
        }
        let is_stopped = |left: u64| left.checked_sub(1);
        self.writes_left.fetch_update(SeqCst, SeqCst, is_stopped).map_err(|_| LimitedError::Stopped)?;
        let mut ordered = Batch::new();
        batch.key_prefix_deletions.into_iter().for_each(|prefix| ordered.delete_key_prefix(prefix));
        let simple = batch.simple_unordered_batch;
        simple.deletions.into_iter().for_each(|key| ordered.delete_key(key));
        simple.insertions.into_iter().for_each(|(key, value)| ordered.put_key_value_bytes(key, value));
        Ok(linera_views::store::WritableKeyValueStore::write_batch(&self.store, ordered).await?)
    }
}
