//! What a dump follows, and how it differs from the dump before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use backup_format::{ErrorClass, ObjectId};
use backup_memory::MemoryNamespace;
use backup_repository::{
    BackupOptions, BackupReport, BackupWarning, Clock, DumpChoice, Repository, RepositoryError, SegmentCount,
    SegmentDifference,
};
use backup_testkit::Content;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::support::{back_up, content, files, namespace, options, repository};

/// A clock that shows these many seconds after the start of 2026.
fn clock(seconds: &Arc<AtomicU64>) -> Clock {
    let seconds = seconds.clone();
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    Clock::new(move || start + Duration::from_secs(seconds.load(Ordering::Relaxed)))
}

/// Entries that all are in one partition.
fn entries(count: u64) -> MemoryNamespace {
    let namespace = MemoryNamespace::new("validator");
    for number in 0..count {
        namespace.put(b"root", &number.to_be_bytes(), &[7; 40]).unwrap();
    }
    namespace
}

async fn latest(repository: &Repository) -> ObjectId {
    repository.dump(&DumpChoice::Latest).await.unwrap().id
}

async fn try_back_up(
    repository: &Repository,
    namespace: &MemoryNamespace,
    edit: impl FnOnce(&mut BackupOptions),
) -> Result<BackupReport, RepositoryError> {
    let mut options = options(2, 1);
    edit(&mut options);
    repository.backup(namespace, options).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_a_clock_that_went_back_is_the_latest_and_needs_leave() {
    let seconds = Arc::new(AtomicU64::new(100_000));
    let repository = repository(&Arc::default()).await.with_clock(clock(&seconds));
    let first = back_up(&repository, &entries(50)).await;
    assert_eq!(first.manifest.finished, "2026-01-02T03:46:40.000Z");
    assert_eq!((first.manifest.sequence, first.manifest.previous.len()), (1, 0));

    seconds.fetch_sub(3_600, Ordering::Relaxed);
    let error = try_back_up(&repository, &entries(51), |_| ()).await.unwrap_err();
    assert!(matches!(error, RepositoryError::ClockBehind { dump, .. } if dump == first.dump), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Refused);
    let second = try_back_up(&repository, &entries(51), |options| options.allow_clock_behind = true).await;
    let second = second.unwrap();
    assert!(second.manifest.finished < first.manifest.finished);
    assert_eq!((second.manifest.sequence, &second.manifest.previous), (2, &vec![first.dump]));
    assert!(matches!(second.warnings[..], [BackupWarning::ClockBehind { .. }]), "{:?}", second.warnings);
    assert_eq!(latest(&repository).await, second.dump);
    let listed: Vec<_> = repository.dumps().await.unwrap().good.iter().map(|dump| dump.id).collect();
    assert_eq!(listed, [first.dump, second.dump]);

    // The clock of the dump that is followed counts, not the latest of all times.
    seconds.fetch_add(60, Ordering::Relaxed);
    let third = back_up(&repository, &entries(52)).await;
    assert_eq!((third.manifest.sequence, third.warnings.len()), (3, 0));
    assert_eq!(latest(&repository).await, third.dump);
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_differ_by_minutes_are_said_and_no_reason_to_stop() {
    let seconds = Arc::new(AtomicU64::new(1_000));
    let repository = repository(&Arc::default()).await.with_clock(clock(&seconds));
    back_up(&repository, &entries(50)).await;
    seconds.fetch_sub(300, Ordering::Relaxed);
    let second = back_up(&repository, &entries(50)).await;
    assert!(matches!(second.warnings[..], [BackupWarning::ClockBehind { .. }]), "{:?}", second.warnings);
    seconds.fetch_sub(301, Ordering::Relaxed);
    try_back_up(&repository, &entries(50), |_| ()).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_shrank_too_much_makes_no_dump_unless_that_is_allowed() {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    let first = back_up(&repository, &entries(100)).await;
    assert!(first.since.is_none());
    for (count, max_percent, is_refused) in [(79, 20, true), (80, 20, false), (63, 20, true), (63, 21, true)]
    {
        for dry_run in [true, false] {
            let before = files(&store).await;
            let edit = |options: &mut BackupOptions| {
                (options.max_shrink_percent, options.dry_run) = (max_percent, dry_run);
            };
            let result = try_back_up(&repository, &entries(count), edit).await;
            assert_eq!(result.is_err(), is_refused, "{count} entries, {max_percent} %");
            assert!(!dry_run || files(&store).await == before);
            if let Err(error) = result {
                assert!(
                    matches!(&error, RepositoryError::Shrunk { problem, .. } if problem.starts_with(&format!("{count} entries, "))),
                    "{error:?}"
                );
                assert_eq!(error.class(), ErrorClass::Refused);
            }
        }
    }
    assert_eq!(repository.dumps().await.unwrap().good.len(), 2);
    try_back_up(&repository, &entries(1), |options| options.max_shrink_percent = 100).await.unwrap();
    let allow = |options: &mut BackupOptions| {
        (options.max_shrink_percent, options.allow_implausible) = (100, true);
    };
    try_back_up(&repository, &entries(0), allow).await.unwrap();
    // Nothing is fewer than none.
    try_back_up(&repository, &entries(0), |options| options.allow_implausible = true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn other_namespaces_and_validators_are_neither_followed_nor_compared_with() {
    let repository = repository(&Arc::default()).await;
    let of = |origin: &str| {
        let origin = origin.to_owned();
        move |options: &mut BackupOptions| options.origin = Some(origin)
    };
    let first = try_back_up(&repository, &entries(100), of("02aa")).await.unwrap();
    let second = try_back_up(&repository, &entries(10), of("02bb")).await.unwrap();
    assert_eq!((second.manifest.sequence, second.since.is_some()), (1, false));
    let unnamed = back_up(&repository, &entries(100)).await;
    let mut both = vec![first.dump, second.dump];
    both.sort_unstable();
    assert_eq!((unnamed.manifest.sequence, unnamed.manifest.previous), (2, both));
    let other = MemoryNamespace::new("other");
    other.put(b"root", b"key", b"value").unwrap();
    assert_eq!(back_up(&repository, &other).await.manifest.sequence, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_difference_is_that_of_the_segments() {
    let repository = repository(&Arc::default()).await;
    let content = content(31);
    let namespace = namespace(&content);
    let first = back_up(&repository, &namespace).await;
    let equal = back_up(&repository, &namespace).await;
    let since = equal.since.unwrap();
    assert_eq!(since.predecessor.id, first.dump);
    assert_eq!(since.segments, Some(SegmentDifference::default()));

    let (root_key, key, _) = content.iter().nth(1_000).unwrap();
    namespace.put(root_key, key, b"another value").unwrap();
    let dry = try_back_up(&repository, &namespace, |options| options.dry_run = true).await.unwrap();
    let changed = back_up(&repository, &namespace).await;
    let segments = changed.since.unwrap().segments.unwrap();
    assert_eq!(dry.since.unwrap().segments, Some(segments));
    let SegmentDifference { new, gone } = segments;
    assert!((1..=3).contains(&new.segments) && (1..=3).contains(&gone.segments), "{segments:?}");
    assert_eq!(new.entries, gone.entries);
    let bytes = |count: SegmentCount| count.plain_bytes;
    let (before, after) = (equal.manifest.plain_bytes, changed.manifest.plain_bytes);
    assert_eq!(before + bytes(new), after + bytes(gone));

    // Everything else is new and the old is gone.
    let other = Content::partition(32, b"other", content.entries(), 8..=40);
    let other = back_up(&repository, &crate::support::namespace(&other)).await;
    let SegmentDifference { new, gone } = other.since.unwrap().segments.unwrap();
    assert_eq!(
        (new.segments, new.entries),
        (other.manifest.segments, other.manifest.inventory.as_ref().unwrap().entries)
    );
    assert_eq!((gone.segments, gone.plain_bytes), (changed.manifest.segments, after));
    // And back, where all pages are there already, but not in the dump before.
    let back = back_up(&repository, &namespace).await;
    assert_eq!(back.new_objects, 0);
    assert_eq!(back.since.unwrap().segments.unwrap(), SegmentDifference { new: gone, gone: new });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_before_that_cannot_be_read_makes_a_warning() {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    let first = back_up(&repository, &entries(100)).await;
    for (name, _) in files(&store).await {
        if name.as_ref().starts_with("packs/") {
            store.delete(&name).await.unwrap();
        }
    }
    let second = back_up(&repository, &entries(90)).await;
    assert!(matches!(second.warnings[..], [BackupWarning::NotCompared { dump, .. }] if dump == first.dump));
    assert!(second.since.is_some_and(|since| since.segments.is_none()));

    // Its manifest is damaged: what is left is followed.
    store.put(&Path::from(format!("manifests/{}.json", second.dump)), "{}".into()).await.unwrap();
    let third = back_up(&repository, &entries(95)).await;
    assert!(third.warnings.contains(&BackupWarning::Unreadable { damaged: 1, unsupported: 0, untrusted: 0 }));
    assert_eq!((third.manifest.sequence, &third.manifest.previous), (2, &vec![first.dump]));
}
