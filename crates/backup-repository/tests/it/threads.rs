//! The pump and the runtime that it runs on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backup_format::{
    Config, Consistency, EngineError, ErrorClass, Restore, RestoreSink, RestoreTarget, RestoreUnit,
    RestoreWriter, Restored,
};
use backup_memory::MemoryNamespace;
use backup_repository::{
    BackupOptions, DigestOptions, DumpChoice, Repository, RestoreOptions, Store, VerifyLevel, VerifyOptions,
    digest,
};
use backup_testkit::{Beats, Heartbeat, Ring, longest_allowed};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, throttle::ThrottleConfig, throttle::ThrottledStore};
use tokio::runtime::{Builder, Runtime};

use crate::support::{content, namespace, options, repository};

/// Runs everything that a pump does, with so many workers.
async fn everything(workers: usize) {
    let content = content(1);
    let repository = repository(&Arc::default()).await;
    let source = namespace(&content);
    let many = std::num::NonZeroUsize::new(workers);
    let options = BackupOptions { allow_implausible: true, ..options(workers, workers) };
    let made = repository.backup(&source, options).await.unwrap();
    assert_eq!(made.manifest.inventory.as_ref().unwrap().digest, content.digest());
    let dump = repository.dump(&DumpChoice::Latest).await.unwrap();
    repository.verify(&dump, &VerifyOptions { workers: many, ..VerifyOptions::default() }).await.unwrap();
    let target = MemoryNamespace::new("copy");
    repository
        .restore(&dump, &target, &RestoreOptions { workers: many, ..RestoreOptions::default() })
        .await
        .unwrap();
    let found = digest(&target, &DigestOptions { workers: many, ..DigestOptions::default() }).await.unwrap();
    assert_eq!(found.state.digest(), content.digest());
}

fn within_a_minute(runtime: &Runtime, work: impl Future<Output = ()>) {
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), work).await.expect("it hangs") });
}

#[test]
fn any_number_of_workers_runs_on_any_runtime() {
    for workers in [1, 2, 4, 8] {
        let one = Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
        within_a_minute(&one, everything(workers));
        for blocking in [1, workers] {
            let mut builder = Builder::new_multi_thread();
            let runtime =
                builder.worker_threads(1).max_blocking_threads(blocking).enable_all().build().unwrap();
            within_a_minute(&runtime, everything(workers));
        }
    }
}

#[test]
fn a_store_that_takes_minutes_does_not_change_what_a_dump_vouches_for() {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let config =
            ThrottleConfig { wait_put_per_call: Duration::from_secs(70), ..ThrottleConfig::default() };
        let store: Arc<dyn ObjectStore> = Arc::new(ThrottledStore::new(InMemory::new(), config));
        let config = Config::new([7; 16], [9; 16]).with_targets(512, 8 << 10, 4 << 10);
        let repository = Repository::create(Store::new(store, Path::default()), config).await.unwrap();
        let ring = Ring::new();
        for number in 0..200_u8 {
            ring.put(&[number % 2, number], b"key", &[number; 200]);
        }
        let options = BackupOptions { allow_implausible: true, ..options(2, 2) };
        let made = repository.backup(&ring, options).await.unwrap();
        assert!(made.new_packs > 2, "{made:?}");
        assert_eq!(made.manifest.consistency, Consistency::Causal);
        let phases: Vec<u8> = ring.begun.lock().unwrap().iter().map(|(phase, _)| *phase).collect();
        assert!(phases.is_sorted(), "the phases were mixed: {phases:?}");
    });
}

/// A target in which an earlier try wrote all units.
struct Written;

#[async_trait]
impl RestoreTarget for Written {
    fn name(&self) -> &str {
        "written"
    }

    async fn check(&self, _: &Restore) -> Result<(), EngineError> {
        Ok(())
    }

    async fn begin(&self, _: &Restore) -> Result<Box<dyn RestoreSink>, EngineError> {
        Ok(Box::new(Self))
    }
}

#[async_trait]
impl RestoreSink for Written {
    async fn writer(&self, _: &RestoreUnit) -> Result<Option<Box<dyn RestoreWriter>>, EngineError> {
        Ok(None)
    }

    async fn finish(self: Box<Self>) -> Result<Box<dyn Restored>, EngineError> {
        Err(EngineError::new(ErrorClass::Refused, "this is as far as the test looks"))
    }

    async fn discard(self: Box<Self>) -> Result<(), EngineError> {
        Ok(())
    }
}

/// Entries in so many partitions, whose root keys are long: each reference in a page has one.
fn long_root_keys(partitions: u8, root_key_bytes: usize, keys: u32) -> MemoryNamespace {
    let namespace = MemoryNamespace::new("long root keys");
    for partition in 0..partitions {
        let mut root_key = vec![7; root_key_bytes];
        root_key[0] = partition;
        for number in 0..keys {
            namespace.put(&root_key, &number.to_be_bytes(), b"v").unwrap();
        }
    }
    namespace
}

/// What a pump has to handle, with the targets of segments and pages, and how many pages that makes.
struct Load {
    source: MemoryNamespace,
    targets: (u64, u64),
    pages: std::ops::Range<u64>,
}

/// Runs everything that handles pages, on the one thread of a runtime, beside a heartbeat.
fn watch(Load { source, targets: (segment, page), pages }: Load, blocking_threads: usize) {
    let allowed = longest_allowed();
    let regular = |doing: &str, beats: Beats| {
        println!("{doing}: {beats:?} of {allowed:?}");
        assert!(beats.are_regular(allowed), "{doing}: {beats:?} of {allowed:?}");
    };
    let runtime =
        Builder::new_current_thread().enable_all().max_blocking_threads(blocking_threads).build().unwrap();
    runtime.block_on(async {
        // The store in memory joins the parts of a pack on this thread, so packs are small.
        let config = Config::new([7; 16], [9; 16]).with_targets(segment, page, 64 << 10);
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let repository = Repository::create(Store::new(store, Path::default()), config).await.unwrap();

        let beats = Heartbeat::start();
        let options = BackupOptions { allow_implausible: true, ..options(2, 2) };
        let made = repository.backup(&source, options).await.unwrap();
        regular("backup", beats.stop().await);
        assert!(pages.contains(&made.manifest.pages), "{} pages, expected {pages:?}", made.manifest.pages);

        let dump = repository.dump(&DumpChoice::Latest).await.unwrap();
        let beats = Heartbeat::start();
        let resumed = repository.restore(&dump, &Written, &RestoreOptions::default()).await.unwrap_err();
        regular("resumed restore", beats.stop().await);
        assert_eq!(resumed.class(), ErrorClass::Refused, "{resumed:?}");

        let target = MemoryNamespace::new("copy");
        let beats = Heartbeat::start();
        repository.restore(&dump, &target, &RestoreOptions::default()).await.unwrap();
        regular("restore", beats.stop().await);

        for level in [VerifyLevel::Structure, VerifyLevel::Content] {
            let beats = Heartbeat::start();
            repository.verify(&dump, &VerifyOptions { level, ..VerifyOptions::default() }).await.unwrap();
            regular("verify", beats.stop().await);
        }
    });
}

#[test]
fn thousands_of_pages_keep_no_task_of_the_runtime_waiting() {
    watch(Load { source: long_root_keys(16, 4 << 10, 2_500), targets: (64, 64), pages: 2_000..4_000 }, 512);
}

/// A root page has at most 64 MiB: here some 1,000 references with root keys of 64 KiB.
#[test]
fn a_root_page_at_its_limit_keeps_no_task_of_the_runtime_waiting() {
    watch(
        Load { source: long_root_keys(4, 65_535, 3_900), targets: (256 << 10, 256 << 10), pages: 900..1_023 },
        1,
    );
}

/// A page ends at 8 MiB of references: here 128 with root keys of 64 KiB.
#[test]
fn pages_at_their_limit_keep_no_task_of_the_runtime_waiting() {
    watch(Load { source: long_root_keys(2, 65_535, 600), targets: (64, 1 << 30), pages: 8..16 }, 1);
}
