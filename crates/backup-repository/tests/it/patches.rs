//! Segments that are stored as patches of those of the dump before.

use std::sync::Arc;

use backup_format::{Config, DatabaseBackup, ErrorClass, Manifest};
use backup_memory::MemoryNamespace;
use backup_repository::{
    BackupOptions, BackupReport, BackupWarning, DigestOptions, Dump, Repository, RestoreOptions,
    StatsOptions, Store, VerifyLevel, VerifyOptions, digest,
};
use backup_testkit::{Content, Fault, Faults, FaultyStore, Ring, Spec};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::support::{content, files, namespace, options};

/// Numbers that look random and are always the same.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A key as blocks and blobs have: a tag and a hash.
    fn key(&mut self) -> Vec<u8> {
        let hash: Vec<u8> = (0..4).flat_map(|_| self.next().to_le_bytes()).collect();
        [&[1][..], &hash].concat()
    }

    /// A value half of which can be compressed.
    fn value(&mut self, len: u64) -> Vec<u8> {
        (0..len / 8).flat_map(|word| if word % 2 == 0 { self.next().to_le_bytes() } else { [7; 8] }).collect()
    }
}

/// A namespace whose keys are hashes, and what is done to it day by day.
pub struct Days {
    random: Random,
    pub namespace: MemoryNamespace,
    keys: Vec<Vec<u8>>,
    value_len: u64,
}

impl Days {
    pub fn new(entries: usize, value_len: u64) -> Self {
        let mut days = Self {
            random: Random(7),
            namespace: MemoryNamespace::new("validator"),
            keys: Vec::new(),
            value_len,
        };
        for _ in 0..entries {
            days.insert();
        }
        days
    }

    fn put(&mut self, key: &[u8]) -> u64 {
        let len = self.value_len / 2 + self.random.below(self.value_len);
        let value = self.random.value(len);
        self.namespace.put(key, b"", &value).unwrap();
        (key.len() + value.len()) as u64
    }

    fn insert(&mut self) -> u64 {
        let key = self.random.key();
        let bytes = self.put(&key);
        self.keys.push(key);
        bytes
    }

    /// Changes so many entries: of 20, 12 come, 7 are overwritten, and one goes. Returns the bytes of keys and values.
    pub fn change(&mut self, entries: usize) -> u64 {
        let mut bytes = 0;
        for number in 0..entries {
            let index = self.random.below(self.keys.len() as u64) as usize;
            bytes += match number % 20 {
                0 => {
                    let key = self.keys.swap_remove(index);
                    self.namespace.delete(&key, b"").unwrap();
                    key.len() as u64
                }
                1..8 => self.put(&self.keys[index].clone()),
                _ => self.insert(),
            };
        }
        bytes
    }
}

pub async fn repository(store: &Arc<InMemory>, [segment, page, pack]: [u64; 3]) -> Repository {
    let config = Config::new([7; 16], [9; 16]).with_version(2).with_targets(segment, page, pack);
    let store: Arc<dyn ObjectStore> = store.clone();
    Repository::create(Store::new(store, Path::default()), config).await.unwrap()
}

pub const SMALL: [u64; 3] = [512, 8 << 10, 4 << 10];

pub fn dump(made: &BackupReport) -> Dump {
    Dump { id: made.dump, manifest: made.manifest.clone() }
}

pub async fn back_up(repository: &Repository, namespace: &MemoryNamespace) -> BackupReport {
    let made = repository.backup(namespace, options(2, 2)).await.unwrap();
    assert!(made.warnings.is_empty(), "{:?}", made.warnings);
    made
}

/// Verifies a dump, restores it, and compares both with what the namespace held.
pub async fn check(repository: &Repository, dump: &Dump, expected: backup_format::Digest) {
    assert_eq!(dump.manifest.inventory.as_ref().unwrap().digest, expected);
    let verified = repository.verify(dump, &VerifyOptions::default()).await.unwrap();
    assert_eq!(verified.digest.unwrap().digest(), expected);
    let target = MemoryNamespace::new("target");
    repository.restore(dump, &target, &RestoreOptions::default()).await.unwrap();
    assert_eq!(digest_of(&target).await, expected);
}

pub async fn digest_of(namespace: &dyn DatabaseBackup) -> backup_format::Digest {
    digest(namespace, &DigestOptions::default()).await.unwrap().state.digest()
}

#[tokio::test(flavor = "multi_thread")]
async fn later_dumps_of_hash_keyed_data_store_what_changed() {
    let first: Arc<InMemory> = Arc::default();
    let made = repository(&first, [256 << 10, 4 << 20, 4 << 20]).await;
    back_up(&made, &Days::new(8_000, 2_000).namespace).await;
    // Where the ends of segments move, what a segment takes over from the next one is stored again: not for few changes.
    for (changes, most) in [(8, 1.3), (80, 3.0), (400, 3.0)] {
        let mut days = Days::new(8_000, 2_000);
        let store: Arc<dyn ObjectStore> = Arc::new(first.fork());
        let repository = Repository::open(Store::new(store, Path::default())).await.unwrap();
        let (mut changed, mut stored) = (0, 0);
        for _ in 0..3 {
            changed += days.change(changes);
            let made = back_up(&repository, &days.namespace).await;
            stored += made.stored_bytes;
            assert_eq!(made.manifest.requires, [Manifest::PATCHES]);
            assert_eq!(made.manifest.inventory.as_ref().unwrap().digest, digest_of(&days.namespace).await);
        }
        let ratio = stored as f64 / changed as f64;
        println!("{changes} changes a day: {changed} bytes, stored {stored} ({ratio:.2})");
        assert!(ratio <= most, "{changes} changes a day: {ratio:.2} bytes for each that changed");
        let made = back_up(&repository, &days.namespace).await;
        assert_eq!(made.new_objects, 0, "nothing changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_of_small_days_is_verified_and_restored() {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store, SMALL).await;
    let mut days = Days::new(600, 80);
    let mut dumps = vec![(back_up(&repository, &days.namespace).await, digest_of(&days.namespace).await)];
    assert!(dumps[0].0.manifest.requires.is_empty());
    for _ in 0..30 {
        days.change(20);
        dumps.push((back_up(&repository, &days.namespace).await, digest_of(&days.namespace).await));
    }
    for (made, expected) in dumps.iter().step_by(6) {
        check(&repository, &dump(made), *expected).await;
    }
    let stats = repository.stats(&StatsOptions::default()).await.unwrap();
    assert!(stats.patches.number > 100, "{} patches", stats.patches.number);
    assert!((3..=64).contains(&stats.longest_chain), "{} patches in a chain", stats.longest_chain);
    // Bases of patches are reached, too: there is nothing else in the repository.
    assert_eq!((stats.unreferenced.number, stats.copies.number), (0, 0));
    let last = stats.dumps.last().unwrap();
    assert!(last.reached.number > last.dump.manifest.segments + last.dump.manifest.pages + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_stores_no_patch_and_says_so_in_the_manifest() {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store, SMALL).await;
    let mut days = Days::new(300, 80);
    back_up(&repository, &days.namespace).await;
    days.change(20);
    let whole = BackupOptions { whole: true, ..options(2, 1) };
    let made = repository.backup(&days.namespace, whole.clone()).await.unwrap();
    assert!(made.manifest.requires.is_empty());
    let stats = repository.stats(&StatsOptions::default()).await.unwrap();
    assert_eq!((stats.patches.number, stats.longest_chain), (0, 0));
    days.change(20);
    assert_eq!(back_up(&repository, &days.namespace).await.manifest.requires, [Manifest::PATCHES]);
    // Patches that are there are used by a backup that makes none.
    let again = repository.backup(&days.namespace, whole).await.unwrap();
    assert_eq!((again.new_objects, again.manifest.requires.len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_of_version_1_has_no_patches() {
    let store: Arc<InMemory> = Arc::default();
    let one = crate::support::repository(&store).await;
    let mut days = Days::new(300, 80);
    for _ in 0..3 {
        assert!(back_up(&one, &days.namespace).await.manifest.requires.is_empty());
        days.change(20);
    }
    for (name, bytes) in files(&store).await {
        if name.as_ref().starts_with("packs/") {
            assert_eq!(&bytes[..8], b"KVB1PACK");
        }
    }
    assert_eq!(one.stats(&StatsOptions::default()).await.unwrap().patches.number, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_content_has_equal_ids_in_both_versions_and_with_any_number_of_ranges() {
    let (one, two): (Arc<InMemory>, Arc<InMemory>) = Default::default();
    let (one, two) = (crate::support::repository(&one).await, repository(&two, SMALL).await);
    let before = content(70);
    let mut after = before.clone();
    for (root_key, key, _) in before.iter().step_by(30) {
        after.put(root_key, key, b"another");
    }
    for (ranges, content) in [before, after].iter().enumerate() {
        let namespace = namespace(content);
        let made = one.backup(&namespace, options(2, 1)).await.unwrap();
        let patched = two.backup(&namespace, options(2, 1 + 3 * ranges)).await.unwrap();
        assert_eq!(made.manifest.root, patched.manifest.root);
        assert_eq!(made.manifest.inventory.as_ref().unwrap().digest, content.digest());
    }
}

/// A store with a dump, and a namespace that differs from it.
async fn changed() -> (Arc<InMemory>, Days) {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store, [2 << 10, 16 << 10, 8 << 10]).await;
    let mut days = Days::new(150, 200);
    back_up(&repository, &days.namespace).await;
    days.change(12);
    back_up(&repository, &days.namespace).await;
    days.change(12);
    (store, days)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_backup_that_fails_anywhere_leaves_good_dumps_alone() {
    let (before, days) = changed().await;
    let expected = digest_of(&days.namespace).await;
    let run = |faults: Arc<Faults>| {
        let (fork, namespace) = (Arc::new(before.fork()), days.namespace.clone());
        async move {
            let faulty: Arc<dyn ObjectStore> = Arc::new(FaultyStore::new(fork.clone(), faults));
            let made = match Repository::open(Store::new(faulty, Path::default())).await {
                Ok(repository) => repository.backup(&namespace, options(1, 1)).await,
                Err(error) => Err(error),
            };
            (fork, made)
        }
    };
    let none = Arc::new(Faults::none());
    let made = run(none.clone()).await.1.unwrap();
    assert_eq!(made.manifest.requires, [Manifest::PATCHES]);
    assert!(none.operations() > 30, "{} operations", none.operations());
    let (mut warned, mut failed) = (0, 0);
    for number in 0..none.operations() {
        for fault in [Fault::Before, Fault::Flipped] {
            let faults = Arc::new(Faults::nth(number, fault));
            let (store, made) = run(faults.clone()).await;
            let repository = crate::support::reopen(&store).await.unwrap();
            let dumps = repository.dumps().await.unwrap();
            assert!(dumps.damaged.is_empty(), "operation {number}, {fault:?}");
            if let Ok(made) = made {
                assert_eq!(made.manifest.inventory.as_ref().unwrap().digest, expected);
                warned += made
                    .warnings
                    .iter()
                    .filter(|warning| matches!(warning, BackupWarning::NoBase { .. }))
                    .count();
            } else {
                failed += 1;
            }
            for dump in &dumps.good {
                let options = VerifyOptions { level: VerifyLevel::Content, ..VerifyOptions::default() };
                let verified = repository.verify(dump, &options).await;
                assert!(verified.is_ok(), "operation {number}, {fault:?}: {verified:?}");
            }
            let again = repository.backup(&days.namespace, options(1, 1)).await.unwrap();
            check(&repository, &dump(&again), expected).await;
        }
    }
    assert!(warned > 0 && failed > 0, "{warned} warnings, {failed} failures");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_is_damaged_makes_a_warning_and_a_good_dump() {
    let (store, days) = changed().await;
    // Bodies of all packs, and no table.
    for (name, mut pack) in files(&store).await {
        if name.as_ref().starts_with("packs/") {
            let end = pack.len() - 16;
            let table = u32::from_le_bytes(*pack[end..].first_chunk().unwrap()) as usize;
            pack[24..end - table].iter_mut().step_by(40).for_each(|byte| *byte ^= 1);
            store.put(&name, pack.into()).await.unwrap();
        }
    }
    let repository = crate::support::reopen(&store).await.unwrap();
    let made = repository.backup(&days.namespace, options(2, 1)).await.unwrap();
    let no_base =
        made.warnings.iter().find(|warning| matches!(warning, BackupWarning::NoBase { .. })).unwrap();
    let text = no_base.to_string();
    assert!(text.contains("segments were stored whole") && text.contains("verify that dump"), "{text}");
    let stats = crate::support::reopen(&store).await.unwrap().stats(&StatsOptions::default()).await;
    assert_eq!(stats.unwrap_err().class(), ErrorClass::Damaged);
    assert_eq!(made.manifest.inventory.as_ref().unwrap().digest, digest_of(&days.namespace).await);
}

/// A segment of one partition is the same in dumps of two orders. The base of its patch may hold partitions that stand the other way round in
/// one of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_patch_is_read_by_a_dump_of_another_order_than_its_base() {
    let mut shared = 0;
    for seed in 0..8 {
        let store: Arc<InMemory> = Arc::default();
        let repository = repository(&store, [64, 256, 2_048]).await;
        let spec = Spec { partitions: 20, entries: 1..=6, value_bytes: 0..=30, ..Spec::default() };
        let mut content = Content::seeded(seed, &spec);
        repository.backup(&namespace(&content), options(1, 1)).await.unwrap();
        let entries: Vec<_> =
            content.iter().map(|(root_key, key, _)| (root_key.to_vec(), key.to_vec())).collect();
        for (root_key, key) in entries.iter().step_by(7) {
            content.put(root_key, key, b"other");
        }
        let changed = repository.backup(&namespace(&content), options(1, 1)).await.unwrap();
        let ring = Ring::new();
        content.iter().for_each(|(root_key, key, value)| ring.put(root_key, key, value));
        let turned = repository.backup(&ring, options(1, 1)).await.unwrap();
        assert_eq!(
            turned.manifest.inventory.as_ref().unwrap().digest,
            changed.manifest.inventory.as_ref().unwrap().digest
        );
        let dump = Dump { id: turned.dump, manifest: turned.manifest };
        repository
            .verify(&dump, &VerifyOptions::default())
            .await
            .unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
        shared += u32::from(turned.new_objects < changed.manifest.segments);
    }
    assert!(shared > 0, "no dump shared segments with one of another order");
}
