//! The whole chain of wrappers over RocksDB, read from above by linera's code and from below by ours.

use std::path::Path;

use backup_format::ErrorClass;
use backup_layout::Layout;
use backup_rocksdb::{RocksDbNamespace, RocksDbOptions};
use backup_testkit::{Content, Spec, seed, suite::block_on};
use linera_views::batch::Batch;
use linera_views::lru_caching::DEFAULT_STORAGE_CACHE_CONFIG;
use linera_views::rocks_db::{
    PathWithGuard, RocksDbDatabase, RocksDbSpawnMode, RocksDbStatisticsLevel, RocksDbStoreConfig,
    RocksDbStoreInternalConfig,
};
use linera_views::store::{KeyValueDatabase, WritableKeyValueStore};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use worker_boot_tests::adapter::ViewsNamespace;

use crate::support::{begin, key_of, read, restore, value};

const NAME: &str = "validator_0";
const ROUNDS: usize = 25;

async fn open(base: &Path) -> RocksDbDatabase {
    let inner_config = RocksDbStoreInternalConfig {
        path_with_guard: PathWithGuard::new(base.to_owned()),
        spawn_mode: RocksDbSpawnMode::get_spawn_mode_from_runtime(),
        max_stream_queries: 10,
        enable_statistics: false,
        statistics_level: RocksDbStatisticsLevel::DisableAll,
    };
    let config = RocksDbStoreConfig { inner_config, storage_cache_config: DEFAULT_STORAGE_CACHE_CONFIG };
    RocksDbDatabase::maybe_create_and_connect(&config, NAME).await.unwrap()
}

fn above(database: RocksDbDatabase) -> ViewsNamespace<RocksDbDatabase> {
    ViewsNamespace::new(NAME, Layout::Linera015, database)
}

/// The layout is told from the rows, so that what linera and the adapter write must pass for linera's.
fn below(base: &Path) -> RocksDbNamespace {
    RocksDbNamespace::at(base.join(NAME), RocksDbOptions::default())
}

/// Root keys of chain states, blocks, blobs, and of blocks by height.
fn root_key(random: &mut SmallRng) -> Vec<u8> {
    let tag = [0, 0, 1, 2, 7][random.random_range(0..5)];
    let mut root_key = vec![random.random_range(0..6); if tag == 2 { 34 } else { 33 }];
    root_key[0] = tag;
    root_key
}

/// A batch for a partition: keys as views have them, or two that linera writes into blocks and blobs, or heights.
fn batch(random: &mut SmallRng, tag: u8) -> Batch {
    let mut batch = Batch::new();
    for _ in 0..random.random_range(1..10) {
        let key = match tag {
            0 => key_of(random, &[1, 2, 3], &[0, 1, 0xff]),
            1 => vec![[0x5b, 0xdd][random.random_range(0..2)]],
            2 => vec![[0x2a, 0x31][random.random_range(0..2)]],
            _ => u64::to_le_bytes(random.random_range(0..50)).to_vec(),
        };
        match random.random_range(0..8) {
            0..6 => batch.put_key_value_bytes(key, value(random)),
            6 => batch.delete_key(key),
            _ => batch.delete_key_prefix(key),
        }
    }
    batch
}

#[test]
fn what_linera_reads_from_above_has_the_digest_of_what_we_read_from_below() {
    block_on(async {
        let base = tempfile::tempdir().unwrap();
        let database = open(base.path()).await;
        let mut random = SmallRng::seed_from_u64(seed());
        let mut digests = Vec::new();
        for _ in 0..ROUNDS {
            for _ in 0..20 {
                let root_key = root_key(&mut random);
                let store = match root_key[0] {
                    0 => database.open_exclusive(&root_key).unwrap(),
                    _ => database.open_shared(&root_key).unwrap(),
                };
                store.write_batch(batch(&mut random, root_key[0])).await.unwrap();
            }
            let (content, digest) = read(&above(database.clone())).await.unwrap();
            let (from_below, digest_below) = read(&below(base.path())).await.unwrap();
            assert_eq!(content.difference(&from_below), None);
            assert_eq!((digest, content.digest()), (digest_below, digest));
            assert!(content.entries() > 20);
            digests.push(digest);
        }
        digests.dedup();
        assert_eq!(digests.len(), ROUNDS, "nothing was written");
    });
}

/// Long enough for linera's cache to have something to do, and for several batches.
fn content() -> Content {
    let mut content = Content::default();
    let spec = Spec {
        partitions: 1,
        entries: 400..=600,
        key_bytes: 1..=30,
        value_bytes: 0..=3_000,
        ..Spec::default()
    };
    for tag in [0, 7] {
        for number in 0..3 {
            let seeded = Content::seeded(seed() ^ number, &spec);
            for (_, key, value) in seeded.iter() {
                let key = if tag == 0 { [&[1], key].concat() } else { [key, &[0; 8]].concat()[..8].to_vec() };
                let mut root_key = [number as u8; 33];
                root_key[0] = tag;
                content.put(&root_key, &key, value);
            }
        }
    }
    content.put(&[5], &[0x77], b"network");
    content
}

#[test]
fn what_is_restored_from_above_reads_from_below() {
    block_on(async {
        let base = tempfile::tempdir().unwrap();
        let content = content();
        let target = above(open(base.path()).await);
        restore(&target, &content).await;
        let (found, digest) = read(&below(base.path())).await.unwrap();
        assert_eq!(content.difference(&found), None);
        assert_eq!(digest, content.digest());
    });
}

#[test]
fn what_is_restored_from_below_reads_from_above() {
    block_on(async {
        let base = tempfile::tempdir().unwrap();
        let content = content();
        let options = RocksDbOptions::default().with_layout(Layout::Linera015);
        restore(&RocksDbNamespace::at(base.path().join(NAME), options), &content).await;
        let (found, digest) = read(&above(open(base.path()).await)).await.unwrap();
        assert_eq!(content.difference(&found), None);
        assert_eq!(digest, content.digest());
    });
}

/// Only for want of a layout that has the marker's entries: who names the layout is not stopped.
#[test]
fn what_is_half_restored_from_above_is_refused_from_below() {
    block_on(async {
        let base = tempfile::tempdir().unwrap();
        let target = above(open(base.path()).await);
        let content = Content::of(&[(&[5], &[0x77], b"network")]);
        drop(begin(&target, &content).await);
        let error = read(&below(base.path())).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Refused, "{error}");
    });
}
