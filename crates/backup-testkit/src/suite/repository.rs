//! Ways through a repository and back.

use std::sync::Arc;

use backup_format::{Config, DatabaseBackup, ErrorClass, RestoreTarget};
use backup_repository::{
    BackupOptions, BackupReport, Dump, DumpChoice, Repository, RepositoryError, RestoreOptions, Store,
    VerifyLevel, VerifyOptions,
};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;

use super::support::{
    cases, causes, check_database, count, larger_mixture, mixture, ok, read, restored, units,
};
use crate::content::Content;
use crate::engine::{Engine, Namespace};
use crate::faults::{Fault, Faults};
use crate::faulty_engine::FaultyEngine;
use crate::faulty_store::FaultyStore;
use crate::sample::sample;
use crate::seed::seed;
use crate::spec::Spec;

/// A new store, in memory.
pub(super) fn new_store() -> Arc<dyn ObjectStore> {
    Arc::new(InMemory::new())
}

/// Opens the repository in a store, or creates it, with so small targets that little content makes many objects.
async fn try_repository(store: &Arc<dyn ObjectStore>) -> Result<Repository, RepositoryError> {
    let config = Config::new([1; 16], seed_bytes()).with_targets(4 << 10, 64 << 10, 32 << 10);
    let store = || Store::new(Arc::clone(store), Path::default());
    match Repository::open(store()).await {
        Err(RepositoryError::Location { .. }) => Repository::create(store(), config).await,
        result => result,
    }
}

fn seed_bytes() -> [u8; 16] {
    u128::from(seed()).to_le_bytes()
}

pub(super) async fn repository(store: &Arc<dyn ObjectStore>) -> Repository {
    ok(try_repository(store).await, "opening a repository")
}

/// Options with as many workers and ranges. The contents here are no validator's.
pub(super) fn options(workers: usize, ranges: usize) -> BackupOptions {
    BackupOptions {
        workers: Some(count(workers)),
        ranges: Some(count(ranges)),
        allow_implausible: true,
        ..BackupOptions::default()
    }
}

async fn backup(repository: &Repository, database: &dyn DatabaseBackup) -> BackupReport {
    ok(repository.backup(database, options(2, 2)).await, "backing up")
}

pub(super) fn dump(report: &BackupReport) -> Dump {
    Dump { id: report.dump, manifest: report.manifest.clone() }
}

async fn number_of_dumps(store: &Arc<dyn ObjectStore>) -> usize {
    let dumps = ok(repository(store).await.dumps().await, "listing dumps");
    assert!(dumps.damaged.is_empty(), "a damaged manifest is there");
    dumps.good.len()
}

async fn verify(repository: &Repository, dump: &Dump, content: &Content) {
    let options = VerifyOptions { level: VerifyLevel::Content, ..VerifyOptions::default() };
    let report = ok(repository.verify(dump, &options).await, "verifying");
    let digest = report.digest.map(|state| state.digest());
    assert_eq!(digest, Some(content.digest()), "the dump holds something else");
}

pub(super) async fn a_dump_verifies_and_restores_to_the_same_digest(engine: &dyn Engine) {
    for (name, content) in cases(engine) {
        let database = engine.create(&content).await.source;
        let repository = repository(&new_store()).await;
        let report = backup(&repository, &*database).await;
        let inventory = report.manifest.inventory.as_ref().expect("nothing is sealed");
        assert_eq!(inventory.digest, content.digest(), "{name}: wrong digest in the manifest");
        assert_eq!(
            (inventory.entries, inventory.partitions),
            (content.entries(), content.partitions()),
            "{name}"
        );
        verify(&repository, &dump(&report), &content).await;
        let Namespace { source, target } = engine.empty().await;
        ok(repository.restore(&dump(&report), &*target, &RestoreOptions::default()).await, name);
        check_database(name, &*source, &content).await;
    }
}

pub(super) async fn a_second_backup_stores_no_new_object(engine: &dyn Engine) {
    let content = larger_mixture(engine);
    let database = engine.create(&content).await.source;
    let repository = repository(&new_store()).await;
    let first = backup(&repository, &*database).await;
    assert!(first.new_objects > 0);
    let second = backup(&repository, &*database).await;
    assert_eq!((second.new_objects, second.new_packs), (0, 0), "unchanged content is stored again");
    assert_eq!(second.manifest.root, first.manifest.root);
    let again = engine.create(&content).await.source;
    let third = backup(&repository, &*again).await;
    assert_eq!(third.new_objects, 0, "the same content, written again, is stored again");
}

pub(super) async fn any_number_of_workers_gives_the_same_ids(engine: &dyn Engine) {
    for content in [larger_mixture(engine), mixture(engine)] {
        let database = engine.create(&content).await.source;
        let mut roots = Vec::new();
        for number in 1..=8 {
            let repository = repository(&new_store()).await;
            let report = repository.backup(&*database, options(number.min(3), number)).await;
            let report = ok(report, "backing up");
            let inventory = report.manifest.inventory.as_ref().expect("nothing is sealed");
            assert_eq!(inventory.digest, content.digest(), "{number} ranges change the digest");
            roots.push((report.manifest.root, report.manifest.segments, report.manifest.pages));
        }
        roots.dedup();
        assert_eq!(roots.len(), 1, "the ids depend on the number of workers");
    }
}

pub(super) async fn a_restored_namespace_dumps_to_the_same_ids(engine: &dyn Engine) {
    let content = larger_mixture(engine);
    let database = engine.create(&content).await.source;
    let repository = repository(&new_store()).await;
    let first = backup(&repository, &*database).await;
    let Namespace { source, target } = engine.empty().await;
    ok(repository.restore(&dump(&first), &*target, &RestoreOptions::default()).await, "restoring");
    let second = backup(&repository, &*source).await;
    assert_eq!(second.manifest.root, first.manifest.root);
    assert_eq!(second.new_objects, 0, "restored content is stored again");
    let written = restored(engine, &units(&content, first.manifest.order)).await.source;
    assert_eq!(backup(&repository, &*written).await.manifest.root, first.manifest.root);
}

/// A content of a few pages, so that every operation can fail in its turn.
fn small(engine: &dyn Engine) -> Content {
    let spec = Spec { partitions: 12, entries: 5..=20, ..Spec::default() };
    engine.capabilities().fit(&Content::seeded(seed(), &spec))
}

/// The operations that are made to fail, each in a run of its own.
fn tried(engine: &dyn Engine, faults: &Faults) -> impl Iterator<Item = u64> {
    sample(0..faults.operations(), engine.capabilities().stride)
}

pub(super) async fn a_namespace_that_fails_at_any_operation_leaves_no_dump(engine: &dyn Engine) {
    let content = small(engine);
    let namespace = engine.create(&content).await;
    let faults = Arc::new(Faults::none());
    let faulty = FaultyEngine::new(namespace.clone(), Arc::clone(&faults), ErrorClass::Failed);
    let expected = ok(repository(&new_store()).await.backup(&faulty, options(1, 1)).await, "backing up");
    for class in [ErrorClass::Failed, ErrorClass::Damaged] {
        for fault in [Fault::Before, Fault::After] {
            for number in tried(engine, &faults) {
                let failing = Arc::new(Faults::nth(number, fault));
                let faulty = FaultyEngine::new(namespace.clone(), failing, class);
                let store = new_store();
                let result = repository(&store).await.backup(&faulty, options(1, 1)).await;
                let error = result.expect_err("a backup must fail when its namespace does");
                assert_eq!(error.class(), class, "operation {number}: {}", causes(&error));
                assert_eq!(number_of_dumps(&store).await, 0, "there is a dump, operation {number}");
                let report = backup(&repository(&store).await, &*namespace.source).await;
                assert_eq!(report.manifest.root, expected.manifest.root);
            }
        }
    }
}

pub(super) async fn a_target_that_fails_at_any_operation_can_be_resumed(engine: &dyn Engine) {
    let content = small(engine);
    let repository = repository(&new_store()).await;
    let dump = dump(&backup(&repository, &*engine.create(&content).await.source).await);
    let options = RestoreOptions { workers: Some(count(1)), ..RestoreOptions::default() };
    let faults = Arc::new(Faults::none());
    let faulty = FaultyEngine::new(engine.empty().await, Arc::clone(&faults), ErrorClass::Failed);
    ok(repository.restore(&dump, &faulty, &options).await, "restoring");
    for fault in [Fault::Before, Fault::After] {
        for number in tried(engine, &faults) {
            let failing = Arc::new(Faults::nth(number, fault));
            let namespace = engine.empty().await;
            let faulty = FaultyEngine::new(namespace.clone(), Arc::clone(&failing), ErrorClass::Failed);
            let result = repository.restore(&dump, &faulty, &options).await;
            assert!(result.is_err(), "a restore must fail when its target does, operation {number}");
            let was_published = failing.counts().contains_key("publish") && fault == Fault::After;
            if !was_published {
                check_not_usable(&*namespace.source).await;
                ok(repository.restore(&dump, &*namespace.target, &options).await, "restoring again");
            }
            check_database(&format!("restored, operation {number}"), &*namespace.source, &content).await;
        }
    }
}

/// Whatever a failed restore left must not pass for a database: it cannot be read, or there is nothing.
async fn check_not_usable(source: &dyn DatabaseBackup) {
    if let Ok(snapshot) = source.snapshot().await {
        let found = read(&*snapshot, 1).await;
        assert!(found.is_empty(), "a failed restore left something that can be read");
    }
}

const FAULTS: [Fault; 3] = [Fault::Before, Fault::After, Fault::Short];

/// A store that fails, around another.
fn faulty_store(store: &Arc<dyn ObjectStore>, faults: &Arc<Faults>) -> Arc<dyn ObjectStore> {
    Arc::new(FaultyStore::new(Arc::clone(store), Arc::clone(faults)))
}

pub(super) async fn a_store_that_fails_at_any_operation_of_a_backup_leaves_no_dump(engine: &dyn Engine) {
    let content = small(engine);
    let database = engine.create(&content).await.source;
    let attempt = async |store| try_repository(&store).await?.backup(&*database, options(1, 1)).await;
    let faults = Arc::new(Faults::none());
    let expected = ok(attempt(faulty_store(&new_store(), &faults)).await, "backing up");
    for fault in FAULTS {
        for number in tried(engine, &faults) {
            let store = new_store();
            let failing = Arc::new(Faults::nth(number, fault));
            let result = attempt(faulty_store(&store, &failing)).await;
            let dumps = number_of_dumps(&store).await;
            match result {
                Ok(_) => assert_eq!(dumps, 1, "a backup without error left no dump, operation {number}"),
                // The manifest may have been written although its writer got an error.
                Err(_) => assert!(dumps == 0 || fault == Fault::After, "there is a dump, operation {number}"),
            }
            let repository = repository(&store).await;
            if dumps > 0 {
                let dump = ok(repository.dump(&DumpChoice::Latest).await, "opening the dump");
                verify(&repository, &dump, &content).await;
            }
            let report = backup(&repository, &*database).await;
            assert_eq!(report.manifest.root, expected.manifest.root);
            verify(&repository, &dump(&report), &content).await;
        }
    }
}

pub(super) async fn a_store_that_fails_at_any_operation_of_a_restore_publishes_nothing_wrong(
    engine: &dyn Engine,
) {
    let content = small(engine);
    let store = new_store();
    let dump = dump(&backup(&repository(&store).await, &*engine.create(&content).await.source).await);
    let options = RestoreOptions { workers: Some(count(1)), ..RestoreOptions::default() };
    let attempt = async |store, target: &dyn RestoreTarget| {
        try_repository(&store).await?.restore(&dump, target, &options).await
    };
    let faults = Arc::new(Faults::none());
    let Namespace { target, .. } = engine.empty().await;
    ok(attempt(faulty_store(&store, &faults), &*target).await, "restoring");
    for fault in FAULTS {
        for number in tried(engine, &faults) {
            let Namespace { source, target } = engine.empty().await;
            let failing = Arc::new(Faults::nth(number, fault));
            if attempt(faulty_store(&store, &failing), &*target).await.is_err() {
                check_not_usable(&*source).await;
                ok(attempt(Arc::clone(&store), &*target).await, "restoring again");
            }
            check_database(&format!("restored, operation {number}"), &*source, &content).await;
        }
    }
}
