//! A repository with small targets, so that little content makes many segments, pages and packs.

use std::num::NonZeroUsize;
use std::sync::Arc;

use backup_format::Config;
use backup_memory::MemoryNamespace;
use backup_repository::{BackupOptions, BackupReport, Compression, Repository, Store};
use backup_testkit::{Content, Ring, Spec};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;

pub const SEGMENT: u64 = 512;

pub async fn repository(store: &Arc<InMemory>) -> Repository {
    let config = Config::new([7; 16], [9; 16]).with_targets(SEGMENT, 8 << 10, 4 << 10);
    let store: Arc<dyn ObjectStore> = store.clone();
    Repository::create(Store::new(store, Path::default()), config).await.expect("the store is empty")
}

pub async fn reopen(store: &Arc<InMemory>) -> Result<Repository, backup_repository::RepositoryError> {
    let store: Arc<dyn ObjectStore> = store.clone();
    Repository::open(Store::new(store, Path::default())).await
}

pub fn content(seed: u64) -> Content {
    Content::seeded(seed, &Spec { partitions: 120, entries: 1..=60, value_bytes: 0..=90, ..Spec::default() })
}

pub fn namespace(content: &Content) -> MemoryNamespace {
    let namespace = MemoryNamespace::new("validator");
    for (root_key, key, value) in content.iter() {
        namespace.put(root_key, key, value).expect("short keys");
    }
    namespace
}

pub fn options(workers: usize, ranges: usize) -> BackupOptions {
    BackupOptions {
        workers: NonZeroUsize::new(workers),
        ranges: NonZeroUsize::new(ranges),
        compression: Compression::Zstd(1),
        ..BackupOptions::default()
    }
}

pub async fn back_up(repository: &Repository, namespace: &MemoryNamespace) -> BackupReport {
    repository.backup(namespace, options(2, 1)).await.expect("a good namespace can be dumped")
}

/// A small dump: some packs, config and manifest.
pub async fn dumped() -> Arc<InMemory> {
    let store: Arc<InMemory> = Arc::default();
    let spec = Spec { partitions: 12, entries: 1..=12, value_bytes: 0..=40, ..Spec::default() };
    let repository = repository(&store).await;
    back_up(&repository, &namespace(&Content::seeded(11, &spec))).await;
    store
}

pub async fn files(store: &InMemory) -> Vec<(Path, Vec<u8>)> {
    use futures::TryStreamExt;
    use object_store::ObjectStoreExt;
    let names: Vec<_> = store.list(None).map_ok(|file| file.location).try_collect().await.expect("in memory");
    let mut files = Vec::new();
    for name in names {
        let bytes = store.get(&name).await.expect("listed").bytes().await.expect("in memory");
        files.push((name, bytes.to_vec()));
    }
    files.sort();
    files
}

/// A namespace that is read in two phases, in the order of tokens.
pub fn two_phases() -> Ring {
    let ring = Ring::new();
    for (number, (root_key, key, value)) in content(43).iter().enumerate() {
        let root_key = [&[u8::from(number % 7 > 2)], root_key].concat();
        ring.put(&root_key, key, value);
    }
    ring
}
