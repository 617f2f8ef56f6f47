//! The last dump of a namespace, and its one restore: whatever request fails, a dump that says it is the last is of a namespace that is
//! retired.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use backup_format::{EngineError, ErrorClass, ObjectId, RetireTarget, Retirement};
use backup_memory::MemoryNamespace;
use backup_repository::{
    BackupOptions, BackupReport, BackupWarning, Claim, DigestOptions, Dump, DumpChoice, Repository,
    RepositoryError, RestoreOptions, Store,
};
use backup_testkit::{Content, Fault, Faults, FaultyStore, Spec};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::support::{back_up, files, namespace, options, reopen, repository};

/// Stands in for an engine: it remembers which dump a namespace was retired for.
#[derive(Clone, Default)]
struct Engine(Arc<Mutex<Option<ObjectId>>>);

impl Engine {
    fn retired_for(&self) -> Option<ObjectId> {
        *self.0.lock().unwrap()
    }
}

#[async_trait]
impl RetireTarget for Engine {
    async fn lock(&self) -> Result<Box<dyn Retirement>, EngineError> {
        Ok(Box::new(Locked { engine: self.clone(), retired_for: self.retired_for() }))
    }
}

struct Locked {
    engine: Engine,
    retired_for: Option<ObjectId>,
}

#[async_trait]
impl Retirement for Locked {
    fn retired_for(&self) -> Option<ObjectId> {
        self.retired_for
    }

    async fn retire(&self, dump: ObjectId) -> Result<(), EngineError> {
        *self.engine.0.lock().unwrap() = Some(dump);
        Ok(())
    }
}

fn small() -> MemoryNamespace {
    let spec = Spec { partitions: 12, entries: 1..=12, value_bytes: 0..=40, ..Spec::default() };
    namespace(&Content::seeded(11, &spec))
}

async fn back_up_last(repository: &Repository, engine: &Engine) -> Result<BackupReport, RepositoryError> {
    let lock = Arc::from(engine.lock().await.unwrap());
    repository.backup_last(&small(), lock, options(1, 1)).await
}

async fn last_dumps(store: &Arc<InMemory>) -> Vec<Dump> {
    let dumps = reopen(store).await.unwrap().dumps().await.unwrap();
    dumps.good.into_iter().filter(|dump| dump.manifest.last).collect()
}

fn claim(target: &str) -> Option<Claim> {
    Some(Claim { key: "02ab".to_owned(), target: target.to_owned() })
}

async fn restore(
    repository: &Repository,
    dump: &Dump,
    target: &MemoryNamespace,
    name: &str,
) -> Result<(), RepositoryError> {
    let options = RestoreOptions { claim: claim(name), ..RestoreOptions::default() };
    repository.restore(dump, target, &options).await.map(drop)
}

fn faulty(store: &Arc<InMemory>, faults: Arc<Faults>) -> Store {
    Store::new(Arc::new(FaultyStore::new(store.clone() as Arc<dyn ObjectStore>, faults)), Path::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_request_fails_a_last_dump_is_of_a_retired_namespace_and_the_next_run_ends_with_one() {
    let counted = Arc::new(Faults::none());
    let store: Arc<InMemory> = Arc::default();
    repository(&store).await;
    let opened = Repository::open(faulty(&store, counted.clone())).await.unwrap();
    back_up_last(&opened, &Engine::default()).await.unwrap();
    assert!(counted.operations() > 10, "{}", counted.operations());
    let (mut retired, mut published) = (0, 0);
    for number in 0..counted.operations() {
        for fault in [Fault::Before, Fault::After] {
            let (store, engine) = (Arc::<InMemory>::default(), Engine::default());
            repository(&store).await;
            let died = Faults::nth(number, fault).lasting();
            if let Ok(opened) = Repository::open(faulty(&store, Arc::new(died))).await {
                drop(back_up_last(&opened, &engine).await);
            }
            let made = last_dumps(&store).await;
            for dump in &made {
                assert_eq!(engine.retired_for(), Some(dump.id), "{fault:?} of request {number}");
            }
            retired += u32::from(engine.retired_for().is_some());
            published += u32::from(!made.is_empty());

            let repository = reopen(&store).await.unwrap();
            let report = back_up_last(&repository, &engine).await.unwrap();
            let after = last_dumps(&store).await;
            assert_eq!(after.iter().map(|dump| dump.id).collect::<Vec<_>>(), [report.dump]);
            assert_eq!(engine.retired_for(), Some(report.dump), "{fault:?} of request {number}");
            let was_there = report.warnings.contains(&BackupWarning::Retired { dump: report.dump });
            assert_eq!(was_there, !made.is_empty());
        }
    }
    assert!(retired > published && published > 0, "{retired} retired, {published} published");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_was_retired_for_another_repository_has_no_last_dump_here() {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    let engine = Engine::default();
    *engine.0.lock().unwrap() = Some(ObjectId([5; 32]));
    let error = back_up_last(&repository, &engine).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Retired { .. }), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Refused);
    assert!(last_dumps(&store).await.is_empty());
    assert_eq!(engine.retired_for(), Some(ObjectId([5; 32])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_retires_nothing() {
    let store: Arc<InMemory> = Arc::default();
    let (repository, engine) = (repository(&store).await, Engine::default());
    let lock = Arc::from(engine.lock().await.unwrap());
    let options = BackupOptions { dry_run: true, ..options(1, 1) };
    assert!(repository.backup_last(&small(), lock, options).await.unwrap().manifest.last);
    assert_eq!((engine.retired_for(), last_dumps(&store).await.len()), (None, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_dump_is_restored_for_its_validators_key_once() {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    back_up(&repository, &small()).await;
    let older = repository.dump(&DumpChoice::Latest).await.unwrap();
    let made = back_up_last(&repository, &Engine::default()).await.unwrap();
    let last = repository.dump(&DumpChoice::Id(made.dump.to_string())).await.unwrap();
    let refused = |result: Result<(), RepositoryError>, says: &str| {
        let error = result.unwrap_err();
        assert!(matches!(error, RepositoryError::Spent { .. }), "{error:?}");
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.class(), ErrorClass::Refused);
    };

    let target = MemoryNamespace::new("new");
    refused(restore(&repository, &older, &target, "new").await, "not the last dump");
    restore(&repository, &last, &target, "new").await.unwrap();
    for name in ["new", "another"] {
        refused(restore(&repository, &last, &MemoryNamespace::new(name), name).await, "into \"new\"");
    }
    // Without a claim it is restored as any other.
    let observer = MemoryNamespace::new("observer");
    repository.restore(&last, &observer, &RestoreOptions::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_restores_at_once_spend_a_last_dump_once() {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    let made = back_up_last(&repository, &Engine::default()).await.unwrap();
    let last = repository.dump(&DumpChoice::Id(made.dump.to_string())).await.unwrap();
    let targets: Vec<_> = (0..4).map(|number| MemoryNamespace::new(&format!("target{number}"))).collect();
    let restores = targets.iter().map(|target| restore(&repository, &last, target, "same"));
    let done = futures::future::join_all(restores).await;
    assert_eq!(done.iter().filter(|result| result.is_ok()).count(), 1, "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_after_the_last_one_spends_it() {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    let made = back_up_last(&repository, &Engine::default()).await.unwrap();
    let last = repository.dump(&DumpChoice::Id(made.dump.to_string())).await.unwrap();
    back_up(&repository, &namespace(&crate::support::content(1))).await;
    let error = restore(&repository, &last, &MemoryNamespace::new("new"), "new").await.unwrap_err();
    assert!(error.to_string().contains("the validator ran after"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_cannot_spend_the_dump_leaves_no_namespace() {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    let made = back_up_last(&repository, &Engine::default()).await.unwrap();
    let last = repository.dump(&DumpChoice::Id(made.dump.to_string())).await.unwrap();
    let counted = Arc::new(Faults::none());
    let opened = Repository::open(faulty(&Arc::new(store.fork()), counted.clone())).await.unwrap();
    let before = counted.operations();
    restore(&opened, &last, &MemoryNamespace::new("counted"), "counted").await.unwrap();
    let mut unspent = 0;
    for number in before..counted.operations() {
        for fault in [Fault::Before, Fault::After] {
            let store = Arc::new(store.fork());
            let died = Arc::new(Faults::nth(number, fault).lasting());
            let opened = Repository::open(faulty(&store, died)).await.unwrap();
            let target = MemoryNamespace::new("target");
            let result = restore(&opened, &last, &target, "target").await;
            let is_spent = files(&store).await.iter().any(|(path, _)| path.as_ref().starts_with("spent/"));
            let read = backup_repository::digest(&target, &DigestOptions::default()).await;
            let is_there = read.is_ok_and(|read| read.state.entries > 0);
            assert_eq!(is_there, result.is_ok(), "{fault:?} of request {number}");
            assert!(is_spent || !is_there, "{fault:?} of request {number}");
            let again = restore(&reopen(&store).await.unwrap(), &last, &target, "target").await;
            assert_eq!(again.is_ok(), !is_spent, "{fault:?} of request {number}: {again:?}");
            unspent += u32::from(!is_spent);
        }
    }
    assert!(unspent > 5, "{unspent}");
}
