//! Comparing dumps with each other and with namespaces, by partitions and entries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use backup_format::{Config, DatabaseBackup, ErrorClass};
use backup_repository::{
    Change, ChangeCount, Changes, CompareReport, Dump, EntryChange, LookOptions, PartitionChange, Repository,
    RepositoryError, Store,
};
use backup_testkit::{Content, Faults, FaultyStore, Ring, Spec};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use proptest::prelude::*;

use crate::support::{content, files, namespace, options, repository, two_phases};

/// Root key and key; value before and after.
type Entries = BTreeMap<(Vec<u8>, Vec<u8>), (Option<Vec<u8>>, Option<Vec<u8>>)>;
type Partitions = BTreeMap<Vec<u8>, (Change, ChangeCount, u64, u64)>;

/// What was found to differ.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    entries: Entries,
    partitions: Partitions,
}

impl Changes for Found {
    fn entry(&mut self, change: &EntryChange<'_>) {
        let place = (change.root_key.to_vec(), change.key.to_vec());
        assert!(!self.partitions.contains_key(change.root_key), "an entry after its partition");
        let values = (change.before.map(<[u8]>::to_vec), change.after.map(<[u8]>::to_vec));
        assert!(self.entries.insert(place, values).is_none(), "an entry twice");
    }

    fn partition(&mut self, change: &PartitionChange<'_>) {
        let PartitionChange { root_key, change, entries, bytes_before, bytes_after } = *change;
        let found = (change, entries, bytes_before, bytes_after);
        assert!(self.partitions.insert(root_key.to_vec(), found).is_none(), "a partition twice");
    }
}

/// The difference of two maps, found without any of the code that is tested.
fn expected(before: &Content, after: &Content) -> Found {
    let mut found = Found::default();
    let old = before.iter().map(|(root_key, key, value)| ((root_key.to_vec(), key.to_vec()), value.to_vec()));
    let new = after.iter().map(|(root_key, key, value)| ((root_key.to_vec(), key.to_vec()), value.to_vec()));
    for (place, value) in old {
        found.entries.entry(place).or_default().0 = Some(value);
    }
    for (place, value) in new {
        found.entries.entry(place).or_default().1 = Some(value);
    }
    found.entries.retain(|_, (before, after)| before != after);
    let (old_roots, new_roots): (BTreeSet<_>, BTreeSet<_>) =
        (before.root_keys().collect(), after.root_keys().collect());
    for ((root_key, key), (before, after)) in &found.entries {
        let change = match (old_roots.contains(&root_key[..]), new_roots.contains(&root_key[..])) {
            (true, true) => Change::Changed,
            (true, false) => Change::Removed,
            _ => Change::Added,
        };
        let partition =
            found.partitions.entry(root_key.clone()).or_insert((change, ChangeCount::default(), 0, 0));
        partition.1.add(match (before, after) {
            (Some(_), Some(_)) => Change::Changed,
            (Some(_), None) => Change::Removed,
            _ => Change::Added,
        });
        let bytes =
            |value: &Option<Vec<u8>>| value.as_ref().map_or(0, |value| (key.len() + value.len()) as u64);
        partition.2 += bytes(before);
        partition.3 += bytes(after);
    }
    found
}

async fn dump_of(repository: &Repository, database: &dyn DatabaseBackup) -> Dump {
    let mut options = options(2, 2);
    options.max_shrink_percent = 100;
    options.allow_implausible = true;
    let made = repository.backup(database, options).await.unwrap();
    Dump { id: made.dump, manifest: made.manifest }
}

async fn compare(
    repository: &Repository,
    before: &Dump,
    after: &Dump,
    options: &LookOptions,
) -> (CompareReport, Found) {
    let (report, found) = repository.compare(before, after, Found::default(), options).await.unwrap();
    check_report(&report, &found);
    (report, found)
}

fn check_report(report: &CompareReport, found: &Found) {
    let mut partitions = ChangeCount::default();
    found.partitions.values().for_each(|(change, ..)| partitions.add(*change));
    assert_eq!(report.partitions, partitions);
    let entries =
        found.partitions.values().fold(ChangeCount::default(), |sum, (_, entries, ..)| ChangeCount {
            added: sum.added + entries.added,
            removed: sum.removed + entries.removed,
            changed: sum.changed + entries.changed,
        });
    assert_eq!(report.entries, entries);
    assert_eq!(report.is_equal(), found.entries.is_empty());
}

async fn repository_of(config: Config) -> Repository {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    Repository::create(Store::new(store, Path::default()), config).await.unwrap()
}

/// Compares two contents in every way there is.
async fn check_pair(config: Config, before: &Content, after: &Content) {
    let expected = expected(before, after);
    let repository = repository_of(config.clone()).await;
    let plain = LookOptions::default();
    let (old, new) = (namespace(before), namespace(after));
    let (first, second) = (dump_of(&repository, &old).await, dump_of(&repository, &new).await);
    assert_eq!(compare(&repository, &first, &second, &plain).await.1, expected);
    let (report, found) = repository.compare_with(&first, &new, Found::default(), &plain).await.unwrap();
    check_report(&report, &found);
    assert_eq!(found, expected);

    let phases = LookOptions { exclusive: |root_key| root_key.first() == Some(&0), ..plain };
    let ring = |content: &Content| {
        let ring = Ring::new();
        content.iter().for_each(|(root_key, key, value)| ring.put(root_key, key, value));
        ring
    };
    let (old, new) = (ring(before), ring(after));
    let repository = repository_of(config).await;
    let (first, second) = (dump_of(&repository, &old).await, dump_of(&repository, &new).await);
    assert_eq!(compare(&repository, &first, &second, &phases).await.1, expected);
    let (report, found) = repository.compare_with(&first, &new, Found::default(), &phases).await.unwrap();
    check_report(&report, &found);
    assert_eq!(found, expected);
}

/// Entries of few partitions with few keys, so that contents have much in common. Root keys that begin with 0 are exclusive.
fn some_entries() -> impl Strategy<Value = Vec<(u8, u8, u8, u8)>> {
    prop::collection::vec((0..3_u8, 0..6_u8, 0..40_u8, 0..3_u8), 0..160)
}

fn content_of(entries: &[(u8, u8, u8, u8)], lengths: (usize, usize)) -> Content {
    let mut content = Content::default();
    for (phase, root, key, value) in entries {
        let root_key = [*phase, *root, 7];
        // Long keys begin alike, so that references do not tell them apart.
        let key = if key % 8 == 7 { [&vec![*root; lengths.0][..], &[*key]].concat() } else { vec![*key] };
        content.put(&root_key, &key, &vec![*value; lengths.1]);
    }
    content
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_differs_is_the_difference_of_two_maps(
        base in some_entries(),
        gone in prop::collection::vec(0..160_usize, 0..30),
        more in some_entries(),
        takes in 0..20_usize,
        salt in any::<[u8; 16]>(),
        lengths in (0..1_100_usize, 0..60_usize),
        version in 1..3_u64,
    ) {
        let mut next: Vec<_> =
            base.iter().enumerate().filter(|(index, _)| !gone.contains(index)).map(|(_, entry)| *entry).collect();
        next.extend(more.iter().take(takes));
        let (before, after) = (content_of(&base, lengths), content_of(&next, lengths));
        let config = Config::new([1; 16], salt).with_targets(64, 256, 2_048).with_version(version);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check_pair(config, &before, &after));
    }
}

/// Dumps a large content, and the same with some changes.
async fn two_dumps(store: Arc<dyn ObjectStore>) -> (Repository, Dump, Dump, Found) {
    let config = Config::new([7; 16], [9; 16]).with_targets(512, 8 << 10, 4 << 10);
    let repository = Repository::create(Store::new(store, Path::default()), config).await.unwrap();
    let spec = Spec { partitions: 400, entries: 1..=60, value_bytes: 0..=90, ..Spec::default() };
    let before = Content::seeded(5, &spec);
    let mut after = before.clone();
    let root_keys: Vec<_> = before.root_keys().map(<[u8]>::to_vec).collect();
    after.put(&root_keys[30], b"new", b"1");
    after.put(b"\x03ab", b"k", b"new partition");
    for (_, key, _) in before.iter().filter(|(root_key, ..)| *root_key == root_keys[200]) {
        after.remove(&root_keys[200], key);
    }
    let expected = expected(&before, &after);
    let first = dump_of(&repository, &namespace(&before)).await;
    let second = dump_of(&repository, &namespace(&after)).await;
    (repository, first, second, expected)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_large_dump_only_what_changed_is_read() {
    let (repository, first, second, expected) = two_dumps(Arc::new(InMemory::new())).await;
    let (report, found) = compare(&repository, &first, &second, &LookOptions::default()).await;
    assert_eq!(found, expected);
    assert_eq!(report.partitions, ChangeCount { added: 1, removed: 1, changed: 1 });
    let count = report.count;
    assert!(first.manifest.pages > 40, "{}", first.manifest.pages);
    assert!(count.bytes_read * 5 < first.manifest.plain_bytes, "{count:?}");
    assert!(count.segments_read * 20 < first.manifest.segments, "{count:?}");
    assert!(count.pages_skipped * 10 > first.manifest.pages * 8, "{count:?}");
    assert!(count.segments_skipped > 0, "{count:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_dumps_are_equal_and_no_segment_is_read() {
    let store = FaultyStore::new(Arc::new(InMemory::new()), Arc::new(Faults::none()));
    let (repository, first, _, _) = two_dumps(Arc::new(store.clone())).await;
    let again = dump_of(&repository, &namespace(&content(5))).await;
    let again_too = dump_of(&repository, &namespace(&content(5))).await;
    assert_ne!(again.id, again_too.id);
    let (report, _) = compare(&repository, &again, &again_too, &LookOptions::default()).await;
    assert!(report.is_equal() && !report.by_digest);
    assert_eq!((report.count.segments_read, report.count.pages_read), (0, 2));
    assert_eq!(report.count.pages_skipped, again.manifest.pages);
    let (report, _) = compare(&repository, &first, &first, &LookOptions::default()).await;
    assert!(report.is_equal() && report.count.segments_read == 0);
    // A namespace is read, and of the dump of the same no segment.
    let (report, _) = repository
        .compare_with(&again, &namespace(&content(5)), Found::default(), &LookOptions::default())
        .await
        .unwrap();
    assert!(report.is_equal() && report.count.segments_read == 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dumps_in_other_orders_are_refused_unless_their_digests_are_equal() {
    let store = Arc::new(InMemory::new());
    let repository = repository(&store).await;
    let ring = two_phases();
    let token = dump_of(&repository, &ring).await;
    let mut same = Content::default();
    for ((_, root_key), entries) in ring.entries.lock().unwrap().iter() {
        entries.iter().for_each(|(key, value)| same.put(root_key, key, value));
    }
    let plain = dump_of(&repository, &namespace(&same)).await;
    let compared = repository.compare(&token, &plain, Found::default(), &LookOptions::default()).await;
    let (report, _) = compared.unwrap();
    assert!(report.is_equal() && report.by_digest);
    same.put(b"\x03ab", b"k", b"more");
    let other = dump_of(&repository, &namespace(&same)).await;
    let error =
        repository.compare(&token, &other, Found::default(), &LookOptions::default()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused);
    assert!(error.to_string().contains("order 2, and the other dump in order 1"), "{error}");
    let against = namespace(&same);
    let error = repository.compare_with(&token, &against, Found::default(), &LookOptions::default()).await;
    assert!(matches!(error.unwrap_err(), RepositoryError::NotComparable { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_damaged_or_gone_is_called_equal() {
    let store = Arc::new(InMemory::new());
    let (repository, first, second, expected) = two_dumps(store.clone()).await;
    let all = files(&store).await;
    let packs: Vec<_> = all.iter().filter(|(name, _)| name.as_ref().starts_with("packs/")).collect();
    let (mut noticed, mut unread) = (0, 0);
    for (name, bytes) in &packs {
        for is_gone in [true, false] {
            let damaged = Arc::new(store.fork());
            if is_gone {
                damaged.delete(name).await.unwrap();
            } else {
                // All bodies, and not the table.
                let mut bytes = bytes.clone();
                let table = bytes.len()
                    - 16
                    - u32::from_le_bytes(bytes[bytes.len() - 16..][..4].try_into().unwrap()) as usize;
                bytes[8..table].iter_mut().for_each(|byte| *byte ^= 0x55);
                damaged.put(name, bytes.into()).await.unwrap();
            }
            let store: Arc<dyn ObjectStore> = damaged;
            let repository = Repository::open(Store::new(store, Path::default())).await.unwrap();
            match repository.compare(&first, &second, Found::default(), &LookOptions::default()).await {
                Ok((_, found)) => {
                    assert_eq!(found, expected);
                    unread += 1;
                }
                Err(error) => {
                    assert_eq!(error.class(), ErrorClass::Damaged, "{error:?}");
                    noticed += 1;
                }
            }
        }
    }
    assert!(noticed >= 4 && unread >= 4, "{noticed} noticed, {unread} not read");

    // Manifests that do not say what the pages hold.
    let mut false_dump = second.clone();
    false_dump.manifest.inventory.as_mut().unwrap().partitions += 1;
    let error = repository.compare(&first, &false_dump, Found::default(), &LookOptions::default()).await;
    assert_eq!(error.unwrap_err().class(), ErrorClass::Damaged);
    let mut false_dump = first.clone();
    false_dump.manifest.inventory.as_mut().unwrap().digest =
        second.manifest.inventory.as_ref().unwrap().digest;
    let error = repository.compare(&first, &false_dump, Found::default(), &LookOptions::default()).await;
    let error = error.unwrap_err();
    assert!(error.to_string().contains("that does not add up"), "{error}");
}
