//! Objects that lie in several packs: any copy that is right will do.

use std::sync::Arc;

use backup_format::{Config, ErrorClass};
use backup_memory::MemoryNamespace;
use backup_repository::{
    BackupOptions, Compression, DigestOptions, DumpChoice, Repository, RepositoryError, RestoreOptions,
    Store, VerifyOptions, digest,
};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::support::{SEGMENT, back_up, content, files, namespace, options, reopen, repository};

/// Backs up into two repositories: the same objects, compressed in packs of 4 KiB, and as they are in large ones.
async fn two_ways(namespace: &MemoryNamespace) -> [Arc<InMemory>; 2] {
    let stores: [Arc<InMemory>; 2] = Default::default();
    let config = Config::new([7; 16], [9; 16]).with_targets(SEGMENT, 8 << 10, 1 << 20);
    let place: Arc<dyn ObjectStore> = stores[1].clone();
    let large = Repository::create(Store::new(place, Path::default()), config).await.unwrap();
    back_up(&repository(&stores[0]).await, namespace).await;
    let raw = BackupOptions { compression: Compression::None, ..options(2, 1) };
    large.backup(namespace, raw).await.unwrap();
    stores
}

/// Changes bytes all over the bodies of a pack, and leaves its table as it is.
fn damaged(mut pack: Vec<u8>) -> Vec<u8> {
    let trailer = pack.len() - 16;
    let table_len = u32::from_le_bytes(*pack[trailer..].first_chunk().unwrap()) as usize;
    pack[8..trailer - table_len].iter_mut().step_by(50).for_each(|byte| *byte ^= 1);
    pack
}

async fn packs(store: &InMemory) -> Vec<(Path, Vec<u8>)> {
    files(store).await.into_iter().filter(|(name, _)| name.as_ref().starts_with("packs/")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_copy_is_passed_over_for_a_right_one_every_time() {
    let content = content(31);
    let namespace = namespace(&content);
    let [small, large] = two_ways(&namespace).await;
    for (bad, good) in [(&small, &large), (&large, &small)] {
        let store = Arc::new(bad.fork());
        for (name, pack) in packs(good).await {
            store.put(&name, pack.into()).await.unwrap();
        }
        for (name, pack) in packs(bad).await {
            store.put(&name, damaged(pack).into()).await.unwrap();
        }
        for _ in 0..5 {
            let repository = reopen(&store).await.unwrap();
            let dump = repository.dump(&DumpChoice::Latest).await.unwrap();
            let target = MemoryNamespace::new("restored");
            repository.restore(&dump, &target, &RestoreOptions::default()).await.unwrap();
            let restored = digest(&target, &DigestOptions::default()).await.unwrap();
            assert_eq!(restored.state.digest(), content.digest());
            let error = repository.verify(&dump, &VerifyOptions::default()).await.unwrap_err();
            assert!(matches!(error, RepositoryError::WrongName { .. }), "{error:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_copies_are_damaged_the_first_is_named() {
    let namespace = namespace(&content(32));
    let [store, other] = two_ways(&namespace).await;
    for (name, pack) in [packs(&store).await, packs(&other).await].concat() {
        store.put(&name, damaged(pack).into()).await.unwrap();
    }
    let repository = reopen(&store).await.unwrap();
    let dump = repository.dump(&DumpChoice::Latest).await.unwrap();
    let mut errors = Vec::new();
    for _ in 0..5 {
        let target = MemoryNamespace::new("restored");
        let error = repository.restore(&dump, &target, &RestoreOptions::default()).await.unwrap_err();
        assert!(matches!(error, RepositoryError::BadObject { .. }), "{error:?}");
        assert_eq!(error.class(), ErrorClass::Damaged);
        errors.push(error.to_string());
    }
    errors.dedup();
    assert_eq!(errors.len(), 1, "{errors:?}");
}
