//! Sketches in repositories that are not encrypted: the same patches come of them as of the bases themselves.

use std::path::Path;
use std::sync::Arc;

use backup_memory::MemoryNamespace;
use backup_repository::{BackupOptions, BackupReport, BackupWarning, Repository, StatsOptions};
use backup_testkit::{Content, Spec};
use object_store::memory::InMemory;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::patches::{SMALL, check, digest_of, dump, repository};
use crate::support::{namespace, options};

async fn back_up(
    repository: &Repository,
    namespace: &MemoryNamespace,
    sketch: Option<&Path>,
    (workers, ranges): (usize, usize),
) -> BackupReport {
    let sketch = sketch.map(Path::to_owned);
    let made = repository
        .backup(namespace, BackupOptions { sketch, max_shrink_percent: 100, ..options(workers, ranges) })
        .await
        .unwrap();
    assert!(made.warnings.is_empty(), "{:?}", made.warnings);
    made
}

#[derive(Clone, Debug)]
enum Edit {
    Put(usize, u8, usize),
    Delete(usize),
    /// Removes so many neighbours.
    Cut(usize, usize),
    Insert(Vec<u8>, Vec<u8>),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (any::<usize>(), any::<u8>(), 0..80_usize).prop_map(|(at, byte, len)| Edit::Put(at, byte, len)),
        2 => any::<usize>().prop_map(Edit::Delete),
        1 => (any::<usize>(), 1..60_usize).prop_map(|(at, many)| Edit::Cut(at, many)),
        3 => (proptest::collection::vec(any::<u8>(), 1..6), proptest::collection::vec(any::<u8>(), 0..6))
            .prop_map(|(root_key, key)| Edit::Insert(root_key, key)),
    ]
}

type Entry = (Vec<u8>, Vec<u8>);

fn apply(namespace: &MemoryNamespace, keys: &mut Vec<Entry>, edit: &Edit) {
    let remove = |keys: &mut Vec<Entry>, at: usize| {
        if keys.len() > 1 {
            let (root_key, key) = keys.remove(at % keys.len());
            namespace.delete(&root_key, &key).unwrap();
        }
    };
    match edit {
        Edit::Put(at, byte, len) => {
            let (root_key, key) = &keys[at % keys.len()];
            namespace.put(root_key, key, &vec![*byte; *len]).unwrap();
        }
        Edit::Delete(at) => remove(keys, *at),
        Edit::Cut(at, many) => (0..*many).for_each(|_| remove(keys, at % keys.len().max(1))),
        Edit::Insert(root_key, key) => {
            namespace.put(root_key, key, b"inserted").unwrap();
            if !keys.contains(&(root_key.clone(), key.clone())) {
                keys.push((root_key.clone(), key.clone()));
            }
        }
    }
}

/// Makes dumps day by day, with a sketch and with bases that are read back. Returns the bytes that each stored after the first one.
async fn days(seed: u64, days: &[Vec<Edit>], threads: (usize, usize)) -> [u64; 2] {
    let content = Content::seeded(
        seed,
        &Spec { partitions: 40, entries: 1..=30, value_bytes: 10..=90, ..Spec::default() },
    );
    let namespace = namespace(&content);
    let mut keys: Vec<Entry> =
        content.iter().map(|(root_key, key, _)| (root_key.to_vec(), key.to_vec())).collect();
    let sketches = TempDir::new().unwrap();
    let stores: [Arc<InMemory>; 2] = Default::default();
    let repositories = [repository(&stores[0], SMALL).await, repository(&stores[1], SMALL).await];
    back_up(&repositories[0], &namespace, Some(sketches.path()), threads).await;
    back_up(&repositories[1], &namespace, None, threads).await;
    let mut sums = [0; 2];
    for edits in days {
        edits.iter().for_each(|edit| apply(&namespace, &mut keys, edit));
        let expected = digest_of(&namespace).await;
        for (number, repository) in repositories.iter().enumerate() {
            let sketch = (number == 0).then(|| sketches.path());
            let made = back_up(repository, &namespace, sketch, threads).await;
            sums[number] += made.stored_bytes;
            check(repository, &dump(&made), expected).await;
        }
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_edits_are_restored(
        seed in 0..1_000_u64,
        edits in proptest::collection::vec(proptest::collection::vec(edit(), 0..12), 1..5),
        threads in prop_oneof![Just((1, 1)), Just((4, 4)), Just((3, 2))],
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(days(seed, &edits, threads));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_take_as_much_room_as_with_bases_that_are_read_back() {
    let mut sums = [0; 2];
    for seed in 0..6_usize {
        let edits = |day: usize| -> Vec<Edit> {
            let number = |edit: usize| (seed * 100 + day * 10 + edit + 1) * 7_919;
            let many = (0..5).map(|edit| match edit {
                0 => Edit::Delete(number(edit)),
                1 => Edit::Cut(number(edit), 12),
                2 => Edit::Insert(number(edit).to_le_bytes().to_vec(), Vec::new()),
                _ => Edit::Put(number(edit), day as u8, 40),
            });
            many.collect()
        };
        let found = days(seed as u64, &[edits(0), edits(1), edits(2)], (4, 4)).await;
        sums = [sums[0] + found[0], sums[1] + found[1]];
    }
    assert!(sums[0] * 100 < sums[1] * 105, "{sums:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_be_used_lets_bases_be_read_back() {
    let (store, sketches): (Arc<InMemory>, _) = (Arc::default(), TempDir::new().unwrap());
    let repository = repository(&store, SMALL).await;
    let content = Content::seeded(
        5,
        &Spec { partitions: 40, entries: 5..=30, value_bytes: 10..=90, ..Spec::default() },
    );
    let namespace = namespace(&content);
    let patches = async || repository.stats(&StatsOptions::default()).await.unwrap().patches.number;
    // None is there on the second day.
    back_up(&repository, &namespace, None, (2, 2)).await;
    let (root_key, key, _) = content.iter().next().unwrap();
    namespace.put(root_key, key, b"one").unwrap();
    back_up(&repository, &namespace, Some(sketches.path()), (2, 2)).await;
    assert_eq!(patches().await, 1);
    // On the third day it is used, also for what was a patch before it, and on the fourth it is damaged.
    namespace.put(root_key, key, b"two").unwrap();
    let made = back_up(&repository, &namespace, Some(sketches.path()), (2, 2)).await;
    assert_eq!(patches().await, 2);
    check(&repository, &dump(&made), digest_of(&namespace).await).await;
    let file = made.sketch.unwrap();
    let len = std::fs::metadata(&file.file).unwrap().len();
    assert_eq!(len, file.bytes);
    std::fs::File::options().write(true).open(&file.file).unwrap().set_len(len - 1).unwrap();
    namespace.put(root_key, key, b"six").unwrap();
    let options = BackupOptions { sketch: Some(sketches.path().to_owned()), ..options(2, 2) };
    let made = repository.backup(&namespace, options).await.unwrap();
    assert!(matches!(
        made.warnings[..],
        [BackupWarning::UnusableSketch { instead: "bases were read back", .. }]
    ));
    assert_eq!(patches().await, 3);
    check(&repository, &dump(&made), digest_of(&namespace).await).await;
}
