//! Copying dumps: as they are where that is possible, anew elsewhere, and never twice.

use std::sync::Arc;

use backup_format::{Config, ErrorClass, Order};
use backup_memory::MemoryNamespace;
use backup_repository::{CopyOptions, CopyOutcome, Dump, ForgetOptions, Repository, Store, VerifyOptions};
use backup_testkit::{Fault, Faults, FaultyStore};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::support::{back_up, content, files, namespace, repository};

/// A repository with three dumps of a namespace that grows.
async fn three_dumps() -> (Arc<InMemory>, Repository, Vec<Dump>) {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    let namespace: MemoryNamespace = namespace(&content(41));
    for round in 0..3_u8 {
        namespace.put(b"round", &[round], &[round; 40]).unwrap();
        back_up(&repository, &namespace).await;
    }
    let dumps = repository.dumps().await.unwrap().good;
    assert_eq!(dumps.len(), 3);
    (store, repository, dumps)
}

async fn empty(config: Config) -> (Arc<InMemory>, Repository) {
    let store: Arc<InMemory> = Arc::default();
    let inner: Arc<dyn ObjectStore> = store.clone();
    (store, Repository::create(Store::new(inner, Path::default()), config).await.unwrap())
}

async fn outcomes(
    from: &Repository,
    to: &Repository,
    dumps: &[Dump],
    options: &CopyOptions,
) -> Vec<CopyOutcome> {
    let report = from.copy_to(to, dumps, options).await.unwrap();
    report.dumps.iter().map(|dump| dump.outcome).collect()
}

async fn verify(repository: &Repository) -> usize {
    let dumps = repository.dumps().await.unwrap().good;
    for dump in &dumps {
        repository.verify(dump, &VerifyOptions::default()).await.unwrap();
    }
    dumps.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_with_the_same_config_is_the_same_files() {
    let (store, from, dumps) = three_dumps().await;
    let (copy, to) = empty(from.config().clone()).await;
    let options = CopyOptions::default();
    let dry = CopyOptions { dry_run: true, ..options.clone() };
    let planned = from.copy_to(&to, &dumps, &dry).await.unwrap();
    assert_eq!(files(&copy).await.len(), 2, "a dry run writes nothing");

    let report = from.copy_to(&to, &dumps, &options).await.unwrap();
    assert!(report.whole);
    assert_eq!((report.packs, report.packs), (planned.packs, from.packs().await.unwrap().0));
    assert_eq!(files(&copy).await, files(&store).await);
    assert_eq!(verify(&to).await, 3);
    let again = from.copy_to(&to, &dumps, &options).await.unwrap();
    assert_eq!((again.packs, again.stored_bytes), (0, 0));
    assert!(again.dumps.iter().all(|dump| dump.outcome == CopyOutcome::There && dump.to == Some(dump.from)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_dump_takes_no_packs_that_it_does_not_reach() {
    let (_, from, dumps) = three_dumps().await;
    let (_, to) = empty(from.config().clone()).await;
    let report = from.copy_to(&to, &dumps[..1], &CopyOptions::default()).await.unwrap();
    assert!(report.packs < from.packs().await.unwrap().0, "{report:?}");
    assert_eq!(verify(&to).await, 1);
    let rest = from.copy_to(&to, &dumps, &CopyOptions::default()).await.unwrap();
    assert!(rest.packs_there > 0, "{rest:?}");
    assert_eq!(verify(&to).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_fails_at_any_request_leaves_no_broken_dump_and_resumes() {
    let (_, from, dumps) = three_dumps().await;
    let count = {
        let (inner, _) = empty(from.config().clone()).await;
        let faults = Arc::new(Faults::none().only("put"));
        let store = FaultyStore::new(inner, faults.clone());
        let to = Repository::open(Store::new(Arc::new(store), Path::default())).await.unwrap();
        from.copy_to(&to, &dumps, &CopyOptions::default()).await.unwrap();
        faults.operations()
    };
    assert!(count > 5, "{count}");
    for number in 0..count {
        let (inner, _) = empty(from.config().clone()).await;
        let faults = Arc::new(Faults::nth(number, Fault::Before).only("put").lasting());
        let store = FaultyStore::new(inner.clone(), faults);
        let to = Repository::open(Store::new(Arc::new(store), Path::default())).await.unwrap();
        from.copy_to(&to, &dumps, &CopyOptions::default()).await.unwrap_err();
        let sound = Repository::open(Store::new(inner, Path::default())).await.unwrap();
        assert!(verify(&sound).await < 3);
        let there = sound.packs().await.unwrap().0;
        let resumed = from.copy_to(&sound, &dumps, &CopyOptions::default()).await.unwrap();
        assert!(resumed.packs_there + resumed.packs <= from.packs().await.unwrap().0);
        assert!(there <= 2 || resumed.packs_there > 0 || resumed.packs == 0, "{number}: {there} {resumed:?}");
        assert_eq!(verify(&sound).await, 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_packs_are_not_copied() {
    let (store, from, dumps) = three_dumps().await;
    let (name, bytes) =
        files(&store).await.into_iter().find(|(name, _)| name.as_ref().starts_with("packs")).unwrap();
    let mut bad = bytes;
    bad[20] ^= 1;
    object_store::ObjectStoreExt::put(&*store, &name, bad.into()).await.unwrap();
    let (copy, to) = empty(from.config().clone()).await;
    let error = from.copy_to(&to, &dumps, &CopyOptions::default()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Damaged, "{error:?}");
    let copied = files(&copy).await;
    assert!(copied.iter().all(|(copied, _)| *copied != name && !copied.as_ref().starts_with("manifests")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_with_another_salt_gets_dumps_of_equal_content() {
    let (_, from, dumps) = three_dumps().await;
    let (copy, to) = empty(Config::new([1; 16], [2; 16]).with_targets(700, 9 << 10, 4 << 10)).await;
    let dry = CopyOptions { dry_run: true, ..CopyOptions::default() };
    assert!(from.copy_to(&to, &dumps, &dry).await.unwrap().stored_bytes > 0);
    assert_eq!(files(&copy).await.len(), 2, "a dry run writes nothing");
    let report = from.copy_to(&to, &dumps, &CopyOptions::default()).await.unwrap();
    assert!(!report.whole);
    assert_eq!(verify(&to).await, 3);
    let made = to.dumps().await.unwrap().good;
    for ((old, new), copied) in dumps.iter().zip(&made).zip(&report.dumps) {
        assert_eq!((copied.from, copied.to), (old.id, Some(new.id)));
        assert_ne!(old.id, new.id);
        let (old, new) = (&old.manifest, &new.manifest);
        let inventories = [old, new].map(|manifest| manifest.inventory.clone().unwrap());
        assert_eq!(inventories[0].digest_state(), inventories[1].digest_state());
        assert_eq!(old.namespace, new.namespace);
        assert_eq!((old.consistency, old.order, &old.finished), (new.consistency, new.order, &new.finished));
        assert_eq!(inventories[1].annotations["copied-from"], copied.from.to_string());
    }
    assert_eq!(made[1].manifest.previous, [made[0].id]);
    assert_eq!(outcomes(&from, &to, &dumps, &CopyOptions::default()).await, [CopyOutcome::There; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_forgotten_in_the_target_is_not_brought_back_unless_it_is_named() {
    let (_, from, dumps) = three_dumps().await;
    let (_, to) = empty(from.config().clone()).await;
    from.copy_to(&to, &dumps, &CopyOptions::default()).await.unwrap();
    let forget = ForgetOptions { dumps: vec![dumps[0].id.to_string()], ..ForgetOptions::default() };
    to.forget(&forget).await.unwrap();
    let skip = CopyOptions { skip_forgotten: true, ..CopyOptions::default() };
    let expected = [CopyOutcome::Forgotten, CopyOutcome::There, CopyOutcome::There];
    assert_eq!(outcomes(&from, &to, &dumps, &skip).await, expected);
    assert_eq!(verify(&to).await, 2);
    assert_eq!(outcomes(&from, &to, &dumps[..1], &CopyOptions::default()).await, [CopyOutcome::Copied]);
    assert_eq!(verify(&to).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_in_two_phases_is_made_anew_in_two_phases() {
    let (_, from) = empty(Config::new([7; 16], [9; 16]).with_targets(512, 8 << 10, 4 << 10)).await;
    let source = crate::support::two_phases();
    from.backup(&source, backup_repository::BackupOptions { allow_implausible: true, ..Default::default() })
        .await
        .unwrap();
    let dumps = from.dumps().await.unwrap().good;
    assert_eq!(dumps[0].manifest.order, Order::Token);
    let (_, to) = empty(Config::new([1; 16], [2; 16]).with_targets(512, 8 << 10, 4 << 10)).await;
    from.copy_to(&to, &dumps, &CopyOptions::default()).await.unwrap();
    let made = to.dumps().await.unwrap().good;
    assert_eq!(
        made[0].manifest.inventory.as_ref().unwrap().digest,
        dumps[0].manifest.inventory.as_ref().unwrap().digest
    );
    assert_eq!(verify(&to).await, 1);
}
