//! How linera's own RocksDB database is opened here.

use std::path::PathBuf;

use linera_views::lru_prefix_cache::StorageCacheConfig;
use linera_views::rocks_db::{
    PathWithGuard, RocksDbSpawnMode, RocksDbStatisticsLevel, RocksDbStoreConfig, RocksDbStoreInternalConfig,
};

/// Bytes that the caches of one open partition may hold: little, so that reads come from the files.
const CACHE_BYTES: usize = 1 << 20;

/// Makes the configuration for the namespaces in a directory. It differs from a validator's in the size of the caches.
///
/// To connect with it makes a namespace that is missing.
#[must_use]
pub fn config(base: PathBuf) -> RocksDbStoreConfig {
    let inner_config = RocksDbStoreInternalConfig {
        path_with_guard: PathWithGuard::new(base),
        spawn_mode: RocksDbSpawnMode::get_spawn_mode_from_runtime(),
        max_stream_queries: 10,
        enable_statistics: false,
        statistics_level: RocksDbStatisticsLevel::default(),
    };
    let storage_cache_config = StorageCacheConfig {
        max_cache_size: CACHE_BYTES,
        max_value_entry_size: CACHE_BYTES,
        max_find_keys_entry_size: CACHE_BYTES,
        max_find_key_values_entry_size: CACHE_BYTES,
        max_cache_entries: 1_000,
        max_cache_value_size: CACHE_BYTES,
        max_cache_find_keys_size: CACHE_BYTES,
        max_cache_find_key_values_size: CACHE_BYTES,
    };
    RocksDbStoreConfig { inner_config, storage_cache_config }
}
