//! Several processes that make one dump.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use backup_format::{Consistency, DatabaseBackup, ErrorClass};
use backup_memory::MemoryNamespace;
use backup_repository::{
    BackupOptions, BackupReport, DumpChoice, FinishOptions, JobShare, Repository, RepositoryError,
    RestoreOptions, SegmentDifference, ShareReport, Store, VerifyOptions,
};
use backup_testkit::{Fault, Faults, FaultyStore, Ring, read_all};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use proptest::prelude::*;

use crate::support::{content, files, options, repository};

/// Slices of a [`Ring`] in each phase.
const SLICES: u8 = 8;
const JOB: &str = "nightly-1";

fn ring(seed: u64) -> Ring {
    let ring = Ring::new();
    for (root_key, key, value) in content(seed).iter() {
        let owner = if root_key.len() % 3 == 0 { 0 } else { 1 };
        ring.put(&[&[owner], root_key].concat(), key, value);
    }
    ring
}

fn job_share(share: &str, wait: Duration) -> JobShare {
    JobShare {
        job: JOB.parse().unwrap(),
        share: share.parse().unwrap(),
        wait,
        poll: Duration::from_millis(1),
    }
}

async fn run(repository: &Repository, ring: &Ring, share: &str) -> Result<ShareReport, RepositoryError> {
    let share = job_share(share, Duration::from_secs(60));
    repository.backup_share(ring, &share, options(2, 2)).await
}

/// Runs a share that does not wait for the others: it reads its first phase alone.
async fn run_first(repository: &Repository, ring: &Ring, share: &str) {
    let error =
        repository.backup_share(ring, &job_share(share, Duration::ZERO), options(2, 2)).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Waiting { .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Transient);
}

async fn finish(repository: &Repository) -> Result<BackupReport, RepositoryError> {
    let options = FinishOptions { allow_implausible: true, ..FinishOptions::default() };
    repository.finish(&JOB.parse().unwrap(), &options).await
}

async fn alone(ring: &Ring) -> BackupReport {
    let repository = repository(&Arc::default()).await;
    repository.backup(ring, BackupOptions { allow_implausible: true, ..options(2, 1) }).await.unwrap()
}

/// All of a manifest but its times and its place in the order.
fn assert_same(together: &BackupReport, alone: &BackupReport) {
    let mut manifest = together.manifest.clone();
    let (started, finished) = (&alone.manifest.started, &alone.manifest.finished);
    assert!(manifest.started <= manifest.finished);
    (manifest.started, manifest.finished) = (started.clone(), finished.clone());
    (manifest.sequence, manifest.previous) = (alone.manifest.sequence, alone.manifest.previous.clone());
    assert_eq!(manifest, alone.manifest);
}

async fn assert_no_records(store: &InMemory) {
    let left = files(store).await;
    assert!(left.iter().all(|(path, _)| !path.as_ref().starts_with("jobs/")), "records were left");
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_at_the_same_time_make_the_dump_that_one_process_makes() {
    let ring = ring(1);
    let expected = alone(&ring).await;
    for shares in [1_u64, 2, 3, 8] {
        let store: Arc<InMemory> = Arc::default();
        let repository = repository(&store).await;
        let runs = (1..=shares).map(|share| {
            let (repository, ring) = (repository.clone(), ring.clone());
            tokio::spawn(async move { run(&repository, &ring, &format!("{share}/{shares}")).await.unwrap() })
        });
        let mut ranges = 0;
        for run in runs.collect::<Vec<_>>() {
            ranges += run.await.unwrap().ranges;
        }
        assert_eq!(ranges, 2 * u64::from(SLICES));
        let made = finish(&repository).await.unwrap();
        assert_same(&made, &expected);
        assert_eq!(made.manifest.consistency, Consistency::Causal);
        let dump = repository.dump(&DumpChoice::Latest).await.unwrap();
        assert_eq!(dump.id, made.dump);
        repository.verify(&dump, &VerifyOptions::default()).await.unwrap();
        assert_no_records(&store).await;
        let error = finish(&repository).await.unwrap_err();
        assert!(error.to_string().contains("there is none of that name"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_range_of_the_second_phase_is_begun_before_all_of_the_first_is_read() {
    let ring = ring(2);
    let repository = repository(&Arc::default()).await;
    run_first(&repository, &ring, "2/2").await;
    assert_eq!(ring.take_begun(), [(1, 4), (1, 5), (1, 6), (1, 7)]);
    let error =
        repository.backup_share(&ring, &job_share("2/2", Duration::ZERO), options(2, 2)).await.unwrap_err();
    assert!(error.to_string().contains("ranges 1 to 4 of phase 1"), "{error}");
    assert_eq!(ring.take_begun(), [], "what is done is not read again");
    let others = {
        let (repository, ring) = (repository.clone(), ring.clone());
        tokio::spawn(async move { run(&repository, &ring, "2/2").await })
    };
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(ring.take_begun(), []);
    run(&repository, &ring, "1/2").await.unwrap();
    others.await.unwrap().unwrap();
    assert_eq!(ring.take_begun().iter().filter(|(phase, _)| *phase == 2).count(), usize::from(SLICES));
    finish(&repository).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_at_work_leaves_nothing_in_the_dump_that_refers_to_what_is_missing() {
    let mut ring = ring(3);
    let (inner, number) = (ring.clone(), AtomicU8::new(0));
    // Whenever a part is begun, a block is written, and then the state that refers to it.
    ring.hook = Arc::new(move |_, _| {
        let number = number.fetch_add(1, Ordering::SeqCst);
        inner.put(&[1, 0xee, number], b"block", b"new");
        inner.put(&[0, 0xee, number], b"state", b"refers to the block");
    });
    let repository = repository(&Arc::default()).await;
    run_first(&repository, &ring, "2/3").await;
    run_first(&repository, &ring, "3/3").await;
    for share in ["1/3", "2/3", "3/3"] {
        run(&repository, &ring, share).await.unwrap();
    }
    finish(&repository).await.unwrap();
    let dump = repository.dump(&DumpChoice::Latest).await.unwrap();
    let target = MemoryNamespace::new("copy");
    repository.restore(&dump, &target, &RestoreOptions::default()).await.unwrap();
    let roots = roots_of(&target).await;
    let states: Vec<_> = roots.iter().filter(|root| root.starts_with(&[0, 0xee])).collect();
    assert!(!states.is_empty(), "nothing was written in time");
    for state in states {
        assert!(
            roots.contains(&[&[1][..], &state[1..]].concat()),
            "{state:?} refers to a block that is missing"
        );
    }
}

async fn roots_of(namespace: &MemoryNamespace) -> BTreeSet<Vec<u8>> {
    let snapshot = namespace.snapshot().await.unwrap();
    read_all(&*snapshot).await.unwrap().into_iter().map(|(root_key, ..)| root_key).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_that_is_done_reads_nothing_again() {
    let ring = ring(4);
    let repository = repository(&Arc::default()).await;
    let first = run(&repository, &ring, "1/1").await.unwrap();
    assert_eq!((first.ranges, first.ranges_reused), (16, 0));
    ring.take_begun();
    let again = run(&repository, &ring, "1/1").await.unwrap();
    assert_eq!(again, ShareReport { ranges: 16, ranges_reused: 16, ..ShareReport::default() });
    assert_eq!(ring.take_begun(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_is_causal_only_if_every_share_vouches_for_it() {
    let good = ring(5);
    let doubtful = Ring { vouches: Consistency::Fuzzy, ..good.clone() };
    let repository = repository(&Arc::default()).await;
    run_first(&repository, &doubtful, "1/2").await;
    run(&repository, &good, "2/2").await.unwrap();
    run(&repository, &good, "1/2").await.unwrap();
    assert_eq!(finish(&repository).await.unwrap().manifest.consistency, Consistency::Fuzzy);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_do_not_fit_the_job_are_refused() {
    let ring = ring(6);
    let repository = repository(&Arc::default()).await;
    run_first(&repository, &ring, "1/2").await;
    let others = [
        (Ring { identity: "another".to_owned(), ..ring.clone() }, "2/2", "namespace"),
        (Ring { name: "other".to_owned(), ..ring.clone() }, "2/2", "namespace"),
        (Ring { layout: "linera-0.15".to_owned(), ..ring.clone() }, "2/2", "layout"),
        (ring.clone(), "2/3", "number of shares"),
        (ring.clone(), "9/9", "more than the 8 ranges"),
    ];
    for (ring, share, says) in others {
        let error = run(&repository, &ring, share).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.class(), ErrorClass::Refused);
    }
    let with_origin = BackupOptions { origin: Some("02ab".to_owned()), ..options(2, 2) };
    let share = job_share("2/2", Duration::ZERO);
    let error = repository.backup_share(&ring, &share, with_origin).await.unwrap_err();
    assert!(error.to_string().contains("origin"), "{error}");
    let memory = crate::support::namespace(&content(6));
    let error = repository.backup_share(&memory, &share, options(2, 2)).await.unwrap_err();
    assert!(matches!(error, RepositoryError::NotDivisible { .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Refused);
}

fn record(name: &str) -> Path {
    Path::from(format!("jobs/{JOB}/{name}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_torn_and_foreign_records_are_named_and_mended_by_their_shares() {
    let ring = ring(7);
    let expected = alone(&ring).await;
    let store: Arc<InMemory> = Arc::default();
    let other: Arc<InMemory> = Arc::default();
    run(&repository(&other).await, &ring, "1/1").await.unwrap();
    let repository = repository(&store).await;
    run(&repository, &ring, "1/1").await.unwrap();

    let read = async |name: &str| store.get(&record(name)).await.unwrap().bytes().await.unwrap();
    let foreign = other.get(&record("2-0003")).await.unwrap().bytes().await.unwrap();
    let torn = read("2-0003").await;
    let neighbour = read("2-0004").await;
    let cases = [
        (None, "not read yet: range 4 of phase 2"),
        (Some(torn.slice(..torn.len() / 2)), "2-0003 is torn"),
        (Some(torn.slice(..0)), "2-0003 is torn"),
        (Some(foreign), "2-0003 is of another job"),
        (Some(neighbour), "2-0003 is of part 2-0004"),
    ];
    for (bytes, says) in cases {
        match bytes {
            None => store.delete(&record("2-0003")).await.unwrap(),
            Some(bytes) => drop(store.put(&record("2-0003"), bytes.into()).await.unwrap()),
        }
        let error = finish(&repository).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.class(), ErrorClass::Refused);
        assert!(repository.dumps().await.unwrap().good.is_empty());
        ring.take_begun();
        run(&repository, &ring, "1/1").await.unwrap();
        assert_eq!(ring.take_begun(), [(2, 3)], "only what was broken is read again");
    }

    // A first phase that was read again makes what was read after the old one too early.
    store.delete(&record("1-0002")).await.unwrap();
    let error = finish(&repository).await.unwrap_err();
    assert!(error.to_string().contains("range 3 of phase 1"), "{error}");
    run_first_again(&repository, &ring).await;
    let error = finish(&repository).await.unwrap_err();
    assert!(
        error.to_string().contains("begun before the phase before was complete: ranges 1 to 8"),
        "{error}"
    );
    run(&repository, &ring, "1/1").await.unwrap();
    assert_same(&finish(&repository).await.unwrap(), &expected);
    assert_no_records(&store).await;
}

/// Reads the first phase again where it is missing, and ends before the second.
async fn run_first_again(repository: &Repository, ring: &Ring) {
    let failing =
        Ring { hook: Arc::new(|phase, _| assert!(phase == 1, "the process ends here")), ..ring.clone() };
    run(repository, &failing, "1/1").await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_writes_nothing_and_a_job_can_be_discarded() {
    let ring = ring(8);
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    run(&repository, &ring, "1/1").await.unwrap();
    let before = files(&store).await;
    let name = JOB.parse().unwrap();
    let dry = FinishOptions { dry_run: true, allow_implausible: true, ..FinishOptions::default() };
    let planned = repository.finish(&name, &dry).await.unwrap();
    assert_eq!(files(&store).await, before);
    let implausible = Ring { layout: "linera-0.15".to_owned(), ..ring.clone() };
    assert_eq!(repository.discard_job(&name).await.unwrap(), 17);
    assert_no_records(&store).await;
    assert_eq!(repository.discard_job(&name).await.unwrap(), 0);

    run(&repository, &implausible, "1/1").await.unwrap();
    let error = repository.finish(&name, &FinishOptions::default()).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Implausible { .. }), "{error}");
    repository.discard_job(&name).await.unwrap();

    run(&repository, &ring, "1/1").await.unwrap();
    assert_eq!(finish(&repository).await.unwrap().manifest.root, planned.manifest.root);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dump_of_a_job_follows_what_was_there_when_the_job_began() {
    let ring = small_ring();
    let repository = repository(&Arc::default()).await;
    let allow = BackupOptions { allow_implausible: true, ..options(2, 1) };
    let before = repository.backup(&ring, allow.clone()).await.unwrap();
    run_first(&repository, &ring, "1/2").await;
    let meanwhile = repository.backup(&ring, allow).await.unwrap();
    run(&repository, &ring, "2/2").await.unwrap();
    run(&repository, &ring, "1/2").await.unwrap();
    let job = finish(&repository).await.unwrap();
    for manifest in [&job.manifest, &meanwhile.manifest] {
        assert_eq!((manifest.sequence, &manifest.previous), (2, &vec![before.dump]));
    }
    let since = job.since.unwrap();
    assert_eq!(since.segments, Some(SegmentDifference::default()));
    assert_eq!(since.predecessor.id, meanwhile.dump);
    assert!(repository.dump(&DumpChoice::Latest).await.is_ok(), "equal dumps are no rivals");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_namespace_that_shrank_is_finished_when_that_is_allowed() {
    let ring = small_ring();
    let repository = repository(&Arc::default()).await;
    let allow = BackupOptions { allow_implausible: true, ..options(2, 1) };
    let before = repository.backup(&ring, allow).await.unwrap();
    let smaller = Ring::new();
    for number in 0..20_u8 {
        smaller.put(&[number % 2, number], b"key", &[number; 40]);
    }
    run(&repository, &smaller, "1/1").await.unwrap();
    let name = JOB.parse().unwrap();
    for dry_run in [true, false] {
        let finish = FinishOptions { allow_implausible: true, dry_run, ..FinishOptions::default() };
        let error = repository.finish(&name, &finish).await.unwrap_err();
        assert!(
            matches!(&error, RepositoryError::Shrunk { problem, .. } if problem.starts_with("20 entries, ")),
            "{error:?}"
        );
    }
    assert_eq!(repository.dumps().await.unwrap().good.len(), 1);
    let allowed =
        FinishOptions { allow_implausible: true, max_shrink_percent: 50, ..FinishOptions::default() };
    let made = repository.finish(&name, &allowed).await.unwrap();
    assert_eq!(made.manifest.previous, [before.dump]);
    assert!(made.since.unwrap().segments.is_some_and(|segments| segments.gone.segments > 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_removed_after_the_shares_were_done_is_missed_before_there_is_a_dump() {
    let ring = ring(9);
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    run(&repository, &ring, "1/1").await.unwrap();
    let pack = files(&store)
        .await
        .into_iter()
        .map(|(path, _)| path)
        .find(|path| path.as_ref().starts_with("packs/"));
    store.delete(&pack.unwrap()).await.unwrap();
    let error = finish(&repository).await.unwrap_err();
    assert!(matches!(error, RepositoryError::MissingObject { .. }), "{error}");
    assert!(repository.dumps().await.unwrap().good.is_empty());
}

/// Runs everything that a job takes, on a store that may fail.
async fn whole_job(store: Arc<dyn ObjectStore>, ring: &Ring) -> Result<(), RepositoryError> {
    let repository = Repository::open(Store::new(store, Path::default())).await?;
    for share in ["1/2", "2/2"] {
        match repository.backup_share(ring, &job_share(share, Duration::ZERO), options(1, 1)).await {
            Ok(_) | Err(RepositoryError::Waiting { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    repository.backup_share(ring, &job_share("1/2", Duration::ZERO), options(1, 1)).await?;
    finish(&repository).await.map(drop)
}

fn small_ring() -> Ring {
    let ring = Ring::new();
    for number in 0..40_u8 {
        ring.put(&[number % 2, number], b"key", &[number; 40]);
    }
    ring
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_operation_a_process_dies_at_the_next_one_makes_the_same_dump() {
    let ring = small_ring();
    let expected = alone(&ring).await;
    let counting = Arc::new(Faults::none());
    let store: Arc<InMemory> = Arc::default();
    repository(&store).await;
    whole_job(Arc::new(FaultyStore::new(store, counting.clone())), &ring).await.unwrap();
    let operations = counting.operations();
    assert!(operations > 60, "{operations}");
    for fault in [Fault::Before, Fault::After] {
        for number in 0..operations {
            let store: Arc<InMemory> = Arc::default();
            let clean = repository(&store).await;
            let faults = Arc::new(Faults::nth(number, fault).lasting());
            let died = whole_job(Arc::new(FaultyStore::new(store.clone(), faults)), &ring).await;
            assert!(died.is_err(), "operation {number} does not matter");
            let dumps = clean.dumps().await.unwrap();
            assert!(dumps.damaged.is_empty());
            for dump in &dumps.good {
                clean.verify(dump, &VerifyOptions::default()).await.unwrap();
            }
            // It may have died after the dump was made: then the next job is another one.
            whole_job(store.clone(), &ring).await.unwrap_or_else(|error| panic!("{number}: {error}"));
            let dumps = clean.dumps().await.unwrap().good;
            let newest = dumps.last().unwrap();
            assert_eq!(newest.manifest.root, expected.manifest.root, "{number}");
            assert_eq!(
                newest.manifest.inventory.as_ref().unwrap().digest,
                expected.manifest.inventory.as_ref().unwrap().digest
            );
            assert_eq!(newest.manifest.consistency, Consistency::Causal);
            clean.verify(newest, &VerifyOptions::default()).await.unwrap();
            assert_no_records(&store).await;
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// A share runs, and waits for nobody.
    Run(u64),
    /// A record is lost.
    Lose(u8, u8),
    /// A record is torn.
    Tear(u8, u8),
    /// Somebody tries to finish.
    Finish,
}

fn steps(shares: u64) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1..=shares).prop_map(Step::Run),
        1 => (1..=2_u8, 0..SLICES).prop_map(|(phase, slice)| Step::Lose(phase, slice)),
        1 => (1..=2_u8, 0..SLICES).prop_map(|(phase, slice)| Step::Tear(phase, slice)),
        1 => Just(Step::Finish),
    ];
    prop::collection::vec(step, 0..24)
}

async fn play(shares: u64, steps: Vec<Step>) {
    let ring = small_ring();
    let expected = alone(&ring).await;
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    let run = async |share: u64| {
        let share = job_share(&format!("{share}/{shares}"), Duration::ZERO);
        match repository.backup_share(&ring, &share, options(2, 2)).await {
            Ok(_) | Err(RepositoryError::Waiting { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    };
    for step in steps {
        match step {
            Step::Run(share) => run(share).await,
            Step::Lose(phase, slice) => drop(store.delete(&record(&format!("{phase}-{slice:04}"))).await),
            Step::Tear(phase, slice) => {
                let path = record(&format!("{phase}-{slice:04}"));
                if let Ok(found) = store.get(&path).await {
                    let bytes = found.bytes().await.unwrap();
                    store.put(&path, bytes.slice(..bytes.len() / 2).into()).await.unwrap();
                }
            }
            Step::Finish => match finish(&repository).await {
                Ok(made) => assert_same(&made, &expected),
                Err(error) => assert!(matches!(error, RepositoryError::Job { .. }), "{error}"),
            },
        }
    }
    for share in (1..=shares).chain(1..=shares) {
        run(share).await;
    }
    assert_same(&finish(&repository).await.unwrap(), &expected);
    assert_no_records(&store).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_division_in_any_order_with_reruns_and_losses_makes_the_same_dump(
        (shares, steps) in (1..=u64::from(SLICES)).prop_flat_map(|shares| (Just(shares), steps(shares)))
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
        runtime.block_on(play(shares, steps));
    }
}
