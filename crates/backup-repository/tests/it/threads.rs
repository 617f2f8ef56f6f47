//! The pump and the runtime that it runs on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
use backup_testkit::Ring;
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
    assert_eq!(made.manifest.digest, content.digest());
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

/// A task that measures for how long others of its thread kept it waiting, in time of the processor: what other threads
/// and programs do does not count.
struct Heartbeat {
    longest: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Heartbeat {
    fn start() -> Self {
        let longest = Arc::new(AtomicU64::new(0));
        let seen = longest.clone();
        let task = tokio::spawn(async move {
            loop {
                let before = thread_time();
                tokio::time::sleep(Duration::from_millis(1)).await;
                seen.fetch_max((thread_time() - before).as_micros() as u64, Ordering::Relaxed);
            }
        });
        Self { longest, task }
    }

    /// Returns the longest wait.
    fn stop(self) -> Duration {
        self.task.abort();
        Duration::from_micros(self.longest.load(Ordering::Relaxed))
    }
}

fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Returns the longest that a task may wait: 10 ms, or more where this machine, as busy as it is, is slow. There it is the time
/// of the processor in which 32 MiB are hashed, which takes some 10 ms.
fn most() -> Duration {
    let bytes = vec![7; 32 << 20];
    let times = (0..3).map(|_| {
        let before = thread_time();
        std::hint::black_box(blake3::hash(&bytes));
        thread_time() - before
    });
    times.max().unwrap_or_default().max(Duration::from_millis(10))
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

/// Long root keys make a long root page of little content.
const ROOT_KEY_BYTES: usize = 4 << 10;
const PARTITIONS: u32 = 40_000;

fn namespace_with_many_pages() -> MemoryNamespace {
    let namespace = MemoryNamespace::new("many pages");
    for number in 0..PARTITIONS {
        let mut root_key = number.to_be_bytes().to_vec();
        root_key.resize(ROOT_KEY_BYTES, 7);
        namespace.put(&root_key, b"k", b"v").unwrap();
    }
    namespace
}

#[test]
fn no_pump_keeps_the_tasks_of_the_runtime_waiting() {
    let most = most();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // The store in memory joins the parts of a pack on this thread, so packs are small.
        let config = Config::new([7; 16], [9; 16]).with_targets(64, 64, 64 << 10);
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let repository = Repository::create(Store::new(store, Path::default()), config).await.unwrap();
        let source = namespace_with_many_pages();

        let beats = Heartbeat::start();
        let options = BackupOptions { allow_implausible: true, ..options(2, 2) };
        let made = repository.backup(&source, options).await.unwrap();
        let waited = beats.stop();
        assert!(waited < most, "backup: {waited:?} of {most:?}");
        assert!(made.manifest.pages > 2_000, "{} pages", made.manifest.pages);

        let dump = repository.dump(&DumpChoice::Latest).await.unwrap();
        let beats = Heartbeat::start();
        let resumed = repository.restore(&dump, &Written, &RestoreOptions::default()).await.unwrap_err();
        let waited = beats.stop();
        assert!(resumed.class() == ErrorClass::Refused && waited < most, "restore: {waited:?} {resumed:?}");

        let level = VerifyLevel::Structure;
        let beats = Heartbeat::start();
        repository.verify(&dump, &VerifyOptions { level, ..VerifyOptions::default() }).await.unwrap();
        let waited = beats.stop();
        assert!(waited < most, "verify: {waited:?} of {most:?}");
    });
}
