//! Partitions that linera opens exclusively, and those that it shares.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use backup_format::{
    Consistency, DatabaseBackup, EntryBatch, OrderCheck, RestoreTarget, Snapshot, SourceInfo,
};
use backup_layout::Layout;
use backup_testkit::{Content, Spec, Units, read_phases, seed, suite::block_on};
use futures::TryStreamExt;
use linera_views::batch::Batch;
use linera_views::store::WritableKeyValueStore;
use linera_views_adapter::{ViewsDatabase, ViewsNamespace};

#[cfg(feature = "scylla")]
use crate::engines::Scylla;
use crate::engines::{Databases, Memory, RocksDb, fill, namespace};

/// Bytes after the first one in root keys of each kind: chain state, block, blob, event, network description, exporter state,
/// blocks by height, events by height.
const KINDS: [(u8, usize); 8] = [(0, 32), (1, 32), (2, 33), (3, 32), (5, 0), (6, 4), (7, 32), (8, 32)];

/// Partitions of all of linera's kinds, some of which fill several batches.
fn of_all_kinds(per_kind: u8, spec: &Spec) -> Content {
    let mut content = Content::default();
    for (tag, bytes) in KINDS {
        for number in 0..if bytes == 0 { 1 } else { per_kind } {
            let mut root_key = vec![tag];
            root_key.extend((0..bytes).map(|index| number.wrapping_mul(37).wrapping_add(index as u8)));
            let seed = seed() ^ u64::from(tag) << 8 ^ u64::from(number);
            for (_, key, value) in Content::seeded(seed, &Spec { partitions: 1, ..spec.clone() }).iter() {
                content.put(&root_key, key, value);
            }
        }
    }
    content
}

async fn open(database: &dyn DatabaseBackup) -> Box<dyn Snapshot> {
    database.snapshot().await.unwrap()
}

async fn read(snapshot: &dyn Snapshot, ranges_max: usize) -> Vec<Vec<EntryBatch>> {
    read_phases(snapshot, NonZeroUsize::new(ranges_max).unwrap()).await.unwrap()
}

/// Checks the order of the entries, and that exclusive partitions are the first phase.
fn check(snapshot: &dyn Snapshot, phases: &[Vec<EntryBatch>], expected: &Content) {
    assert_eq!(phases.len(), 2);
    let mut found = Content::default();
    for (number, batches) in phases.iter().enumerate() {
        let mut order = OrderCheck::new(snapshot.order());
        for batch in batches {
            found.extend(batch);
            for (root_key, entry) in batch.iter() {
                order.advance((root_key, entry.key), (root_key, entry.key), false).unwrap();
                let is_exclusive = matches!(root_key[0], 0 | 6);
                assert_eq!(is_exclusive, number == 0, "phase {number} has {root_key:x?}");
            }
        }
    }
    assert_eq!(expected.difference(&found), None);
    let entries = phases.iter().flatten().map(EntryBatch::entries).sum::<u64>();
    assert_eq!(entries, expected.entries());
}

#[test]
fn partitions_of_all_kinds_read_back_and_restore() {
    let large = Spec { entries: 900..=1_100, value_bytes: 0..=2_000, key_bytes: 1..=20, ..Spec::default() };
    let small = Spec { entries: 1..=3, ..Spec::default() };
    block_on(async {
        for content in [of_all_kinds(3, &large), of_all_kinds(200, &small)] {
            round_trip(&Memory::new(), &RocksDb::new(), &content).await;
            round_trip(&RocksDb::new(), &Memory::new(), &content).await;
        }
    });
}

#[cfg(feature = "scylla")]
#[test]
fn partitions_of_all_kinds_read_back_and_restore_on_a_server() {
    let spec = Spec { entries: 1..=200, value_bytes: 0..=2_000, key_bytes: 1..=20, ..Spec::default() };
    let content = of_all_kinds(5, &spec);
    block_on(async {
        round_trip(&RocksDb::new(), &Scylla::new(), &content).await;
        round_trip(&Scylla::new(), &Memory::new(), &content).await;
    });
}

async fn round_trip<S: Databases, T: Databases>(sources: &S, targets: &T, content: &Content) {
    let source = sources.open().await;
    fill(&source, content).await;
    let snapshot = open(&namespace(&source)).await;
    for count in [1, 2, 5, 100] {
        check(&*snapshot, &read(&*snapshot, count).await, content);
    }
    let target = namespace(&targets.open().await);
    let units = Units::cut(content, snapshot.order(), 64 << 10, 4);
    let sink = target.begin(&units.restore).await.unwrap();
    for unit in &units.units {
        let mut writer = sink.writer(&unit.unit).await.unwrap().unwrap();
        for segment in &unit.segments {
            writer.write(segment.clone()).await.unwrap();
        }
        writer.finish().await.unwrap();
    }
    sink.finish().await.unwrap().publish().await.unwrap();
    let snapshot = open(&target).await;
    check(&*snapshot, &read(&*snapshot, 1).await, content);
}

#[test]
fn a_reading_is_causal_only_if_exclusive_partitions_are_known() {
    let spec = Spec { entries: 1..=1, ..Spec::default() };
    let content = of_all_kinds(200, &spec);
    block_on(async {
        for engine in ["memory", "rocksdb"] {
            let found = match engine {
                "memory" => consistencies(&Memory::new(), &content).await,
                _ => consistencies(&RocksDb::new(), &content).await,
            };
            assert_eq!(found, [Consistency::Causal, Consistency::Causal, Consistency::Fuzzy], "{engine}");
        }
    });
}

/// A scan of linera's store reads several pages, each at a moment of its own.
#[cfg(feature = "scylla")]
#[test]
fn a_reading_is_fuzzy_on_a_server() {
    let content = of_all_kinds(2, &Spec { entries: 1..=1, ..Spec::default() });
    block_on(async {
        assert_eq!(consistencies(&Scylla::new(), &content).await, [Consistency::Fuzzy; 3]);
    });
}

/// Of a reading in one range a phase, of one in several, and of one without a layout of linera's.
async fn consistencies<S: Databases>(databases: &S, content: &Content) -> [Consistency; 3] {
    let database = databases.open().await;
    fill(&database, content).await;
    let mut found = [Consistency::PointInTime; 3];
    for (count, found) in [1, 8].into_iter().zip(&mut found) {
        let snapshot = open(&namespace(&database)).await;
        read(&*snapshot, count).await;
        *found = snapshot.consistency();
    }
    found[2] = open(&ViewsNamespace::new("test", Layout::Plain, database)).await.consistency();
    found
}

#[test]
fn manifests_name_the_engine_beneath_the_wrappers() {
    block_on(async {
        check_source(&Memory::new(), "memory").await;
        check_source(&RocksDb::new(), "rocksdb").await;
    });
}

#[cfg(feature = "scylla")]
#[test]
fn manifests_name_the_engine_beneath_the_wrappers_on_a_server() {
    block_on(check_source(&Scylla::new(), "scylla"));
}

async fn check_source<S: Databases>(databases: &S, engine: &str) {
    let snapshot = open(&namespace(&databases.open().await)).await;
    let SourceInfo { engine: found, layout, namespace, .. } = snapshot.source();
    assert_eq!((found.as_str(), layout.as_str(), namespace.as_str()), (engine, "linera-0.15", "test"));
}

/// Entries of the chain state beside its two registers: several batches.
const FILLERS: u32 = 4_000;
const OTHERS: u8 = 6;
const ROUNDS: usize = 12;
/// Time between blocks: without it there are more of them to read than a reader keeps up with.
const PAUSE: Duration = Duration::from_millis(1);

/// A chain that somebody works on.
#[derive(Clone)]
struct Chain<D: ViewsDatabase> {
    database: D,
    height: Arc<AtomicU64>,
}

impl<D: ViewsDatabase> Chain<D> {
    fn root_key() -> Vec<u8> {
        vec![0; 33]
    }

    fn block_root_key(height: u64) -> Vec<u8> {
        let mut root_key = vec![1; 33];
        root_key[1..9].copy_from_slice(&height.to_be_bytes());
        root_key
    }

    async fn begin(database: D) -> Self {
        let mut content = Content::default();
        for number in 0..FILLERS {
            content.put(&Self::root_key(), &[&[2][..], &number.to_be_bytes()].concat(), &[7; 150]);
        }
        // Other chain states and blobs, each of a batch of its own, make time pass before and after this one.
        for number in 1..=OTHERS {
            content.put(&[&[0][..], &[number; 32]].concat(), &[1], &[7; 300_000]);
            content.put(&[&[2][..], &[number; 33]].concat(), &[0x2a], &[7; 300_000]);
        }
        fill(&database, &content).await;
        let chain = Self { database, height: Arc::default() };
        chain.add_block().await;
        chain
    }

    /// Writes a block, and then the chain state that refers to it: first and last of its entries.
    async fn add_block(&self) {
        let height = self.height.load(SeqCst) + 1;
        let block = self.database.open_shared(&Self::block_root_key(height)).unwrap();
        let mut batch = Batch::new();
        batch.put_key_value_bytes(vec![0xdd], vec![1]);
        block.write_batch(batch).await.unwrap();
        let state = self.database.open_exclusive(&Self::root_key()).unwrap();
        let mut batch = Batch::new();
        batch.put_key_value_bytes(vec![1], height.to_be_bytes().to_vec());
        batch.put_key_value_bytes(vec![3], height.to_be_bytes().to_vec());
        state.write_batch(batch).await.unwrap();
        self.height.store(height, SeqCst);
    }

    async fn work(self) {
        loop {
            self.add_block().await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until blocks were added.
    async fn wait(&self, blocks: u64) {
        let start = self.height.load(SeqCst);
        while self.height.load(SeqCst) < start + blocks {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Dumps so slowly that blocks are added between any two batches; returns the height of the chain.
    async fn dump(&self) -> u64 {
        let snapshot = open(&namespace(&self.database)).await;
        let plan = snapshot.plan(NonZeroUsize::MIN).await.unwrap();
        let (mut content, mut batches) = (Content::default(), 0);
        for range in plan.phases.iter().flatten() {
            let mut stream = snapshot.entries(range).await.unwrap();
            while let Some(batch) = stream.try_next().await.unwrap() {
                content.extend(&batch);
                batches += 1;
                self.wait(2).await;
            }
        }
        assert!(batches > 2 * OTHERS, "everything was read at once");
        assert_eq!(snapshot.consistency(), Consistency::Causal);
        let register = |key: u8| content.get(&Self::root_key(), &[key]).unwrap();
        assert_eq!(register(1), register(3), "the chain state is of two moments");
        let height = u64::from_be_bytes(register(1).try_into().unwrap());
        for height in 1..=height {
            let block = content.get(&Self::block_root_key(height), &[0xdd]);
            assert!(block.is_some(), "the dump lacks block {height}, to which its chain state refers");
        }
        height
    }
}

#[test]
fn what_a_dumped_chain_state_refers_to_is_in_the_dump() {
    block_on(async {
        dump_while_working(Memory::new()).await;
        dump_while_working(RocksDb::new()).await;
    });
}

async fn dump_while_working<T: Databases>(databases: T) {
    let chain = Chain::begin(databases.open().await).await;
    let working = tokio::spawn(chain.clone().work());
    let mut last = 0;
    for _ in 0..ROUNDS {
        let height = chain.dump().await;
        assert!(height > last, "the writer stood still");
        last = height;
    }
    working.abort();
    assert!(working.await.unwrap_err().is_cancelled());
}
