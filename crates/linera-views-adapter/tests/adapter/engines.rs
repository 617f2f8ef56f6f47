//! Databases of linera's, made for tests.

#[cfg(feature = "scylla")]
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use backup_layout::Layout;
use backup_testkit::{Capabilities, Content, Engine, Namespace, RootKeys};
use futures::FutureExt;
use linera_views::batch::Batch;
use linera_views::lru_caching::DEFAULT_STORAGE_CACHE_CONFIG;
use linera_views::memory::{MemoryDatabase, MemoryStoreConfig};
use linera_views::rocks_db::{
    PathWithGuard, RocksDbDatabase, RocksDbSpawnMode, RocksDbStatisticsLevel, RocksDbStoreConfig,
    RocksDbStoreInternalConfig,
};
#[cfg(feature = "scylla")]
use linera_views::scylla_db::ScyllaDbDatabase;
use linera_views::store::{KeyValueDatabase, WritableKeyValueStore};
use linera_views_adapter::{ViewsDatabase, ViewsNamespace};
use tempfile::TempDir;
#[cfg(feature = "scylla")]
use validator_network::places::{self as places, Place};

/// Makes new and empty databases.
#[async_trait]
pub trait Databases: Send + Sync {
    type Database: ViewsDatabase;

    async fn open(&self) -> Self::Database;
}

/// linera's databases in memory.
pub struct Memory(AtomicU32);

static PREFIXES: AtomicU32 = AtomicU32::new(0);

impl Memory {
    pub fn new() -> Self {
        Self(AtomicU32::new(PREFIXES.fetch_add(1, Ordering::Relaxed) << 16))
    }

    fn config() -> MemoryStoreConfig {
        MemoryStoreConfig { max_stream_queries: 10, kill_on_drop: false }
    }
}

/// The namespaces are those of the whole process.
impl Drop for Memory {
    fn drop(&mut self) {
        let next = *self.0.get_mut();
        for number in next & !0xffff..next {
            let (config, name) = (Self::config(), format!("ns{number}"));
            MemoryDatabase::delete(&config, &name).now_or_never().expect("memory does not wait").unwrap();
        }
    }
}

#[async_trait]
impl Databases for Memory {
    type Database = MemoryDatabase;

    async fn open(&self) -> MemoryDatabase {
        let name = format!("ns{}", self.0.fetch_add(1, Ordering::Relaxed));
        MemoryDatabase::recreate_and_connect(&Self::config(), &name).await.unwrap()
    }
}

/// linera's databases in RocksDB, in a temporary folder.
pub struct RocksDb {
    base: TempDir,
    namespaces: AtomicU32,
}

impl RocksDb {
    pub fn new() -> Self {
        Self { base: tempfile::tempdir().unwrap(), namespaces: AtomicU32::new(0) }
    }
}

#[async_trait]
impl Databases for RocksDb {
    type Database = RocksDbDatabase;

    async fn open(&self) -> RocksDbDatabase {
        let inner_config = RocksDbStoreInternalConfig {
            path_with_guard: PathWithGuard::new(self.base.path().to_owned()),
            spawn_mode: RocksDbSpawnMode::get_spawn_mode_from_runtime(),
            max_stream_queries: 10,
            enable_statistics: false,
            statistics_level: RocksDbStatisticsLevel::DisableAll,
        };
        let config = RocksDbStoreConfig { inner_config, storage_cache_config: DEFAULT_STORAGE_CACHE_CONFIG };
        let name = format!("ns{}", self.namespaces.fetch_add(1, Ordering::Relaxed));
        RocksDbDatabase::maybe_create_and_connect(&config, &name).await.unwrap()
    }
}

/// linera's databases in tables of a CQL server, which are dropped with this.
#[cfg(feature = "scylla")]
pub struct Scylla(Mutex<Vec<places::Scylla>>);

#[cfg(feature = "scylla")]
impl Scylla {
    pub fn new() -> Self {
        Self(Mutex::default())
    }
}

#[cfg(feature = "scylla")]
#[async_trait]
impl Databases for Scylla {
    type Database = ScyllaDbDatabase;

    async fn open(&self) -> ScyllaDbDatabase {
        let table = places::Scylla::new().unwrap();
        let database = table.create().await.unwrap();
        self.0.lock().unwrap().push(table);
        database
    }
}

/// Writes a content as linera would, partition by partition.
pub async fn fill<D: ViewsDatabase>(database: &D, content: &Content) {
    let entries: Vec<_> = content.iter().collect();
    for partition in entries.chunk_by(|left, right| left.0 == right.0) {
        let root_key = partition[0].0;
        let store = match Layout::Linera015.kind(root_key) {
            Some("chain_state" | "exporter_state") => database.open_exclusive(root_key).unwrap(),
            _ => database.open_shared(root_key).unwrap(),
        };
        // Of a CQL server linera asks for no more at a time.
        for some in partition.chunks(5_000) {
            let mut batch = Batch::new();
            some.iter().for_each(|(_, key, value)| batch.put_key_value_bytes(key.to_vec(), value.to_vec()));
            store.write_batch(batch).await.unwrap();
        }
    }
}

pub fn namespace<D: ViewsDatabase>(database: &D) -> ViewsNamespace<D> {
    ViewsNamespace::new("test", Layout::Linera015, database.clone())
}

#[async_trait]
impl Engine for Memory {
    fn name(&self) -> &str {
        "linera's memory"
    }

    async fn create(&self, content: &Content) -> Namespace {
        let database = self.open().await;
        fill(&database, content).await;
        Namespace::of(namespace(&database))
    }

    async fn empty(&self) -> Namespace {
        Namespace::of(namespace(&self.open().await))
    }
}

#[async_trait]
impl Engine for RocksDb {
    fn name(&self) -> &str {
        "linera's RocksDB"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            root_keys: RootKeys::PrefixFree,
            // It is a prefix of the marker's root key.
            empty_root_key: false,
            key_bytes_max: (8 << 20) - 400 - 4,
            ..Capabilities::default()
        }
    }

    async fn create(&self, content: &Content) -> Namespace {
        let database = self.open().await;
        fill(&database, content).await;
        Namespace::of(namespace(&database))
    }

    async fn empty(&self) -> Namespace {
        Namespace::of(namespace(&self.open().await))
    }
}
