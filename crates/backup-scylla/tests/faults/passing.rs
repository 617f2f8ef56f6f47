//! Servers and networks that fail: in any request, at random, and for good.

use std::num::NonZeroUsize;
use std::time::Duration;

use backup_format::{Config, DatabaseBackup, Digest, ErrorClass, Order};
use backup_layout::Layout;
use backup_repository::{BackupOptions, Dump, Repository, RepositoryError, RestoreOptions, open_location};
use backup_scylla::CqlOptions;
use backup_testkit::{Content, sample};
use futures::{StreamExt, TryStreamExt, stream};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

use crate::proxy::{Between, Fault, Named, PASSING};
use crate::support::Server;

/// Runs at the same time: they wait most of the time, for the proxy delays each answer by some 80
/// ms.
const AT_ONCE: usize = 24;
const SEEDS: [u64; 3] = [1, 2, 3];
/// One request of so many fails.
const ONE_OF: usize = 8;
/// Of so many requests, one fails in a run that is not exhaustive. No divisor of the number of faults, so all are seen.
const STRIDE: u64 = 7;
/// A run that takes this long hangs.
const HANGS_AFTER: Duration = Duration::from_secs(180);

fn options(patience: Duration) -> CqlOptions {
    CqlOptions::default()
        .with_layout(Layout::Linera015)
        .with_page_bytes(1 << 10)
        .with_slice_bytes(8 << 10)
        .with_write_rows(8)
        .with_request_timeout(Duration::from_secs(2))
        .with_patience(patience)
}

const PATIENT: Duration = Duration::from_secs(60);
const IMPATIENT: Duration = Duration::from_secs(3);

/// Little, and of each kind: chains over several pages, blocks, blobs.
fn content() -> Content {
    let mut content = Content::default();
    content.put(&[5], &[0x77], b"the network");
    for number in 0..3 {
        let chain = [&[0][..], &[number; 32]].concat();
        (0..12).for_each(|row| content.put(&chain, &[1, row], &[number; 200]));
        content.put(&[&[1][..], &[number; 32]].concat(), &[0x5b], &[1; 300]);
        content.put(&[&[2][..], &[number; 32], &[6]].concat(), &[0x2a], &[number; 3_000]);
    }
    content
}

struct Place {
    repository: Repository,
    _folder: TempDir,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open_location(folder.path().join("repository").to_str().unwrap(), true, []).unwrap();
        let mut config = Config::new([1; 16], [2; 16]);
        (config.segment_target, config.page_target) = (4 << 10, 4 << 10);
        Self { repository: Repository::create(store, config).await.unwrap(), _folder: folder }
    }

    async fn backup(
        &self,
        table: &str,
        between: &Between,
        patience: Duration,
    ) -> Result<Dump, RepositoryError> {
        let namespace = between.namespace(table, options(patience));
        let backup = self.repository.backup(&namespace, BackupOptions::default());
        let report = tokio::time::timeout(HANGS_AFTER, backup).await.expect("a backup hangs")?;
        Ok(Dump { id: report.dump, manifest: report.manifest })
    }

    async fn restore(
        &self,
        dump: &Dump,
        table: &str,
        between: &Between,
        patience: Duration,
    ) -> Result<Digest, RepositoryError> {
        let (target, options) = (between.namespace(table, options(patience)), RestoreOptions::default());
        let restore = self.repository.restore(dump, &target, &options);
        let report = tokio::time::timeout(HANGS_AFTER, restore).await.expect("a restore hangs")?;
        Ok(report.restored.unwrap().digest())
    }

    async fn dumps(&self) -> usize {
        self.repository.dumps().await.unwrap().good.len()
    }
}

/// A table with the content, and a dump of it.
struct Source {
    server: Server,
    content: Content,
    table: String,
}

impl Source {
    async fn new() -> Self {
        let (server, content) = (Server::connect().await, content());
        let table = server.create_table().await;
        server.put(&table, Layout::Linera015, content.iter()).await;
        server.put_sentinels(&table, Layout::Linera015, content.root_keys()).await;
        Self { server, content, table }
    }

    /// Checks that a table holds the content, without a proxy.
    async fn check(&self, table: &str) {
        let namespace = self.server.borrowed(table, CqlOptions::default());
        let snapshot = namespace.snapshot().await.unwrap();
        let mut found = Content::default();
        for range in snapshot.plan(NonZeroUsize::MIN).await.unwrap().phases.iter().flatten() {
            let batches: Vec<_> = snapshot.entries(range).await.unwrap().try_collect().await.unwrap();
            batches.iter().for_each(|batch| found.extend(batch));
        }
        assert_eq!(self.content.difference(&found), None);
    }

    async fn backup(&self, faults: &[(usize, Fault)]) -> Result<(), String> {
        let (place, mut between) = (Place::new().await, Between::start().await);
        between.break_requests(faults, false);
        let dump = place.backup(&self.table, &between, PATIENT).await;
        between.end();
        let dump = dump.map_err(|error| text(&error))?;
        (dump.manifest.inventory.as_ref().unwrap().digest == self.content.digest())
            .then_some(())
            .ok_or("another digest".to_owned())
    }

    async fn restore(&self, dumped: &Dumped, faults: &[(usize, Fault)]) -> Result<(), String> {
        let (table, mut between) = (self.server.new_name(), Between::start().await);
        between.break_requests(faults, false);
        let digest = dumped.place.restore(&dumped.dump, &table, &between, PATIENT).await;
        between.end();
        let digest = digest.map_err(|error| text(&error))?;
        self.check(&table).await;
        self.server.run(&format!("DROP TABLE {}.{table}", crate::support::KEYSPACE)).await;
        (digest == self.content.digest()).then_some(()).ok_or("another digest".to_owned())
    }
}

struct Dumped {
    place: Place,
    dump: Dump,
}

impl Dumped {
    async fn of(source: &Source) -> Self {
        let (place, between) = (Place::new().await, Between::start().await);
        let dump = place.backup(&source.table, &between, PATIENT).await.unwrap();
        assert_eq!(dump.manifest.order, Order::Token);
        between.end();
        Self { place, dump }
    }
}

/// Returns an error with all its causes.
fn text(error: &RepositoryError) -> String {
    let mut text = format!("{:?}: {error}", error.class());
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

/// Draws where requests fail, and how.
fn drawn(seed: u64) -> Vec<(usize, Fault)> {
    let mut random = SmallRng::seed_from_u64(seed);
    let fault = |random: &mut SmallRng| PASSING[random.random_range(0..PASSING.len())].1;
    (0..100).map(|_| (random.random_range(0..2 * ONE_OF), fault(&mut random))).collect()
}

/// The fault that the request of this number has.
fn turn(number: usize) -> Named {
    PASSING[number % PASSING.len()]
}

/// The requests that are made to fail, each in a run of its own.
fn tried(requests: usize) -> impl Iterator<Item = usize> {
    sample(0..requests as u64, STRIDE).map(|number| number as usize)
}

/// Runs all cases, some at a time, and returns what went wrong.
async fn failures<T, F: Future<Output = Result<(), String>>>(
    cases: impl IntoIterator<Item = T>,
    run: impl Fn(T) -> (String, F),
) -> Vec<String> {
    let runs = cases.into_iter().map(|case| {
        let (name, result) = run(case);
        async move { result.await.err().map(|error| format!("{name}: {error}")) }
    });
    stream::iter(runs).buffer_unordered(AT_ONCE).filter_map(|failure| async { failure }).collect().await
}

/// Counts the requests of a backup.
async fn count_of_backup(source: &Source) -> usize {
    let (place, mut between) = (Place::new().await, Between::start().await);
    let count = between.count_requests();
    place.backup(&source.table, &between, PATIENT).await.unwrap();
    between.end();
    count.len()
}

/// Counts the requests of a restore.
async fn count_of_restore(source: &Source, dumped: &Dumped) -> usize {
    let (table, mut between) = (source.server.new_name(), Between::start().await);
    let count = between.count_requests();
    dumped.place.restore(&dumped.dump, &table, &between, PATIENT).await.unwrap();
    between.end();
    count.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_passes_over_a_fault_of_any_request() {
    let source = Source::new().await;
    let requests = count_of_backup(&source).await;
    assert!(requests > 5 * PASSING.len(), "{requests}");
    let failures = failures(tried(requests), |number| {
        let ((name, fault), source) = (turn(number), &source);
        (format!("{name} {number}"), async move { source.backup(&[(number, fault)]).await })
    });
    assert_eq!(failures.await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_passes_over_a_fault_of_any_request() {
    let source = Source::new().await;
    let dumped = Dumped::of(&source).await;
    // At its end a restore reads all that it wrote, as a backup does.
    let all = count_of_restore(&source, &dumped).await;
    let requests = all - count_of_backup(&source).await;
    assert!(requests > 4 * PASSING.len(), "{requests} of {all}");
    let failures = failures(tried(requests), |number| {
        let ((name, fault), source, dumped) = (turn(number), &source, &dumped);
        (format!("{name} {number}"), async move { source.restore(dumped, &[(number, fault)]).await })
    });
    assert_eq!(failures.await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_passes_over_preparations_that_get_lost() {
    let source = Source::new().await;
    let (place, mut between) = (Place::new().await, Between::start().await);
    between.lose_preparations(3);
    let dump = place.backup(&source.table, &between, PATIENT).await.unwrap();
    assert_eq!(dump.manifest.inventory.as_ref().unwrap().digest, source.content.digest());
    between.lose_preparations(usize::MAX);
    let error = place.backup(&source.table, &between, IMPATIENT).await.unwrap_err();
    between.end();
    assert_eq!((error.class(), place.dumps().await), (ErrorClass::Transient, 1), "{}", text(&error));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backup_and_restore_pass_over_faults_at_random() {
    let source = Source::new().await;
    let dumped = Dumped::of(&source).await;
    let failures = failures(SEEDS, |seed| {
        let (source, dumped, faults) = (&source, &dumped, drawn(seed));
        (format!("seed {seed}"), async move {
            source.backup(&faults).await?;
            source.restore(dumped, &faults).await
        })
    });
    assert_eq!(failures.await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_that_lasts_is_a_transient_error_and_nothing_is_published() {
    let source = Source::new().await;
    let dumped = Dumped::of(&source).await;
    // Most requests of a backup only tell the layout; these are the last.
    let begun = count_of_backup(&source).await - 8;
    // What is only slow is no fault.
    let lasting = PASSING.iter().filter(|(name, _)| *name != "slow");
    let failures = failures(lasting, |(name, fault)| {
        let (source, dumped) = (&source, &dumped);
        (format!("{name} for good"), async move {
            let (place, mut between) = (Place::new().await, Between::start().await);
            between.break_requests(&[(begun, *fault)], true);
            let error = place.backup(&source.table, &between, IMPATIENT).await.err().ok_or("it succeeds")?;
            if !text(&error).contains("reading")
                || (error.class(), place.dumps().await) != (ErrorClass::Transient, 0)
            {
                return Err(format!("{}; {} dumps", text(&error), place.dumps().await));
            }
            let table = source.server.new_name();
            between.break_requests(&[(35, *fault)], true);
            let error = dumped.place.restore(&dumped.dump, &table, &between, IMPATIENT).await;
            let error = error.err().ok_or("it succeeds")?;
            between.break_requests(&[], false);
            let half = between.namespace(&table, options(PATIENT));
            let read = half.snapshot().await.err().ok_or("it is published")?;
            if error.class() != ErrorClass::Transient || !read.to_string().contains("into it is not complete")
            {
                return Err(format!("{}; {read}", text(&error)));
            }
            // It resumes when the fault is gone.
            let digest = dumped.place.restore(&dumped.dump, &table, &between, PATIENT).await;
            between.end();
            let digest = digest.map_err(|error| text(&error))?;
            (digest == source.content.digest()).then_some(()).ok_or("another digest".to_owned())
        })
    });
    assert_eq!(failures.await, [""; 0]);
}
