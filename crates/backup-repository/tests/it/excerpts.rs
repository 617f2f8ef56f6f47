//! Reading a partition of a dump, and listing the partitions.

use std::sync::Arc;

use backup_format::{Config, DatabaseBackup, ErrorClass};
use backup_repository::{Dump, LookCount, LookOptions, PartitionSize, Repository, Store, Wanted};
use backup_testkit::{Content, Faults, FaultyStore, Ring, Spec};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::support::{files, namespace, options};

const CONFIG: ([u8; 16], [u8; 16]) = ([7; 16], [9; 16]);

/// Some partitions of a few entries, and one of many, with long keys that begin alike.
fn mixed() -> Content {
    let spec = Spec { partitions: 200, entries: 1..=20, value_bytes: 0..=90, ..Spec::default() };
    let mut content = Content::seeded(3, &spec);
    for number in 0..400_u32 {
        content.put(b"\x09big", &number.to_be_bytes(), &[7; 100]);
        let long = [&vec![5; 1_100][..], &number.to_be_bytes()].concat();
        content.put(b"\x09long", &long, b"x");
    }
    content
}

async fn dump_into(store: Arc<dyn ObjectStore>, database: &dyn DatabaseBackup) -> (Repository, Dump) {
    let config = Config::new(CONFIG.0, CONFIG.1).with_targets(512, 8 << 10, 4 << 10);
    let repository = Repository::create(Store::new(store, Path::default()), config).await.unwrap();
    let mut options = options(2, 2);
    options.allow_implausible = true;
    let made = repository.backup(database, options).await.unwrap();
    (repository, Dump { id: made.dump, manifest: made.manifest })
}

fn ring(content: &Content) -> Ring {
    let ring = Ring::new();
    content.iter().for_each(|(root_key, key, value)| ring.put(root_key, key, value));
    ring
}

fn exclusive(root_key: &[u8]) -> bool {
    root_key.first() == Some(&0)
}

async fn find(
    (repository, dump): &(Repository, Dump),
    root_key: &[u8],
    key: Option<&[u8]>,
) -> (LookCount, Vec<(Vec<u8>, Vec<u8>)>) {
    type Entries = Vec<(Vec<u8>, Vec<u8>)>;
    let options = LookOptions { exclusive, ..LookOptions::default() };
    let found =
        |entries: &mut Entries, key: &[u8], value: &[u8]| entries.push((key.to_vec(), value.to_vec()));
    repository.find_entries(dump, (root_key, key), &options, (Entries::new(), found)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_entry_is_found_and_nothing_else() {
    let content = mixed();
    let plain = dump_into(Arc::new(InMemory::new()), &namespace(&content)).await;
    let token = dump_into(Arc::new(InMemory::new()), &ring(&content)).await;
    for dump in [&plain, &token] {
        for root_key in content.root_keys() {
            let expected: Vec<_> = content.iter().filter(|(root, ..)| *root == root_key).collect();
            let (_, found) = find(dump, root_key, None).await;
            assert!(found.iter().map(|(key, value)| (root_key, &key[..], &value[..])).eq(expected.clone()));
            for (_, key, value) in expected.iter().step_by(13) {
                let (count, found) = find(dump, root_key, Some(key)).await;
                assert_eq!(found, [(key.to_vec(), value.to_vec())]);
                // Of long keys, references have only the beginning.
                let is_told = key.len() <= 1_024;
                assert!(!is_told || count.segments_read <= 4 && count.pages_read <= 6, "{count:?}");
            }
            assert_eq!(find(dump, root_key, Some(b"not there")).await.1, []);
        }
        for absent in [&b""[..], b"\x03zz", &[0xff; 40]] {
            assert_eq!(find(dump, absent, None).await.1, []);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_entry_costs_a_page_and_a_segment() {
    let store = FaultyStore::new(Arc::new(InMemory::new()), Arc::new(Faults::none()));
    let dump = dump_into(Arc::new(store.clone()), &namespace(&mixed())).await;
    // The tables of the packs are read once for each call.
    let before = store.bytes_read();
    assert_eq!(find(&dump, &[0xff; 40], None).await.1, []);
    let tables = store.bytes_read() - before;
    let before = store.bytes_read();
    let (count, found) = find(&dump, b"\x09big", Some(&200_u32.to_be_bytes())).await;
    let bytes = store.bytes_read() - before;
    assert_eq!(found.len(), 1);
    assert_eq!((count.pages_read, count.segments_read), (2, 1), "{count:?}");
    assert!(bytes < tables + 16_384, "{bytes} bytes, and {tables} where nothing is found");
    assert!(dump.1.manifest.plain_bytes > 200_000 && count.bytes_read < 16_384, "{count:?}");
}

async fn list(
    (repository, dump): &(Repository, Dump),
    wanted: &Wanted,
) -> (LookCount, Vec<(Vec<u8>, u64, u64)>) {
    type Sizes = Vec<(Vec<u8>, u64, u64)>;
    let options = LookOptions { exclusive, ..LookOptions::default() };
    let found = |sizes: &mut Sizes, size: PartitionSize<'_>| {
        sizes.push((size.root_key.to_vec(), size.entries, size.plain_bytes));
    };
    repository.partitions(dump, wanted, &options, (Sizes::new(), found)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_partitions_are_listed_with_their_sizes() {
    let content = mixed();
    let plain = dump_into(Arc::new(InMemory::new()), &namespace(&content)).await;
    let token = dump_into(Arc::new(InMemory::new()), &ring(&content)).await;
    for dump in [&plain, &token] {
        let (count, mut all) = list(dump, &Wanted::default()).await;
        all.sort();
        let entries = |root_key: &[u8]| content.iter().filter(|(root, ..)| *root == root_key).count() as u64;
        let expected: Vec<_> =
            content.root_keys().map(|root_key| (root_key.to_vec(), entries(root_key))).collect();
        let found: Vec<_> = all.iter().map(|(root_key, entries, _)| (root_key.clone(), *entries)).collect();
        assert_eq!(found, expected);
        // All but the number of groups of each segment, which is one byte.
        let bytes: u64 = all.iter().map(|(.., bytes)| bytes).sum();
        assert_eq!(bytes, dump.1.manifest.plain_bytes - dump.1.manifest.segments);
        assert!(count.segments_skipped > 40, "{count:?}");

        let wanted = Wanted::default().with_prefixes(vec![b"\x09big".to_vec(), vec![9, b'l']]);
        let (count, found) = list(dump, &wanted).await;
        let mut names: Vec<_> =
            found.iter().map(|(root_key, entries, _)| (&root_key[..], *entries)).collect();
        names.sort_unstable();
        assert_eq!(names, [(&b"\x09big"[..], 400), (b"\x09long", 400)]);
        if dump.1.manifest.order == backup_format::Order::Plain {
            assert!(count.segments_read < 8 && count.pages_skipped > 5, "{count:?}");
        }
        let few = Wanted::default().that(|root_key| root_key.len() == 4);
        let expected = content.root_keys().filter(|root_key| root_key.len() == 4).count();
        assert_eq!(list(dump, &few).await.1.len(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_is_an_error() {
    let store = Arc::new(InMemory::new());
    let (_, dump) = dump_into(store.clone(), &namespace(&mixed())).await;
    let mut noticed = 0;
    for (name, _) in files(&store).await.iter().filter(|(name, _)| name.as_ref().starts_with("packs/")) {
        let damaged = Arc::new(store.fork());
        damaged.delete(name).await.unwrap();
        let store: Arc<dyn ObjectStore> = damaged;
        let repository = Repository::open(Store::new(store, Path::default())).await.unwrap();
        let options = LookOptions::default();
        let listed = repository.partitions(&dump, &Wanted::default(), &options, ((), |(), _| ())).await;
        let found = repository.find_entries(&dump, (b"\x09big", None), &options, ((), |(), _, _| ())).await;
        for error in [listed.err(), found.err()].into_iter().flatten() {
            assert_eq!(error.class(), ErrorClass::Damaged, "{error:?}");
            noticed += 1;
        }
    }
    assert!(noticed > 3, "{noticed}");
}
