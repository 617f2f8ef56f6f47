//! Dumps beside writers who work as linera's do.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use backup_format::{Consistency, DatabaseBackup, EntryBatch, ErrorClass};
use backup_layout::Layout;
use backup_layout::cql::partition_key;
use backup_scylla::{CqlNamespace, CqlOptions};
use backup_testkit::Content;
use futures::TryStreamExt;
use futures::future::join_all;
use scylla::response::PagingState;
use scylla::serialize::value::SerializeValue;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;

use crate::support::{KEYSPACE, Server};

const CHAINS: u8 = 4;
const ROUNDS: usize = 12;
/// Rows of a page of the scan that is known to fail. The dumps get pages of about this length too.
const PAGE_ROWS: i32 = 16;
/// Blocks before the last one that a chain still refers to.
const BLOCKS_BACK: u64 = 3;

/// The state of a chain after some blocks: its rows all tell the same height, and the height tells
/// how many there are.
fn rows_at(height: u64) -> u64 {
    60 + height % 40
}

// Root keys and keys are those of linera 0.16.

fn chain(number: u8) -> Vec<u8> {
    [&[2][..], &[number; 32]].concat()
}

fn block(chain: u8, height: u64) -> Vec<u8> {
    [&[3, chain][..], &height.to_be_bytes(), &[7; 23]].concat()
}

/// The worker of a chain: writes a block, and after it the state that refers to it.
struct Owner {
    server: Arc<Server>,
    chain: u8,
    put: PreparedStatement,
    put_at: PreparedStatement,
    delete_prefix_at: PreparedStatement,
    floor: i64,
}

impl Owner {
    async fn new(server: &Arc<Server>, table: &str, chain: u8) -> Self {
        let prepare = async |text: String| server.session.prepare(text).await.unwrap();
        let into = format!("INSERT INTO {KEYSPACE}.{table} (root_key, k, v) VALUES (?, ?, ?)");
        let prefix = "USING TIMESTAMP ? WHERE root_key = ? AND k >= ? AND k < ?";
        Self {
            server: server.clone(),
            chain,
            put: prepare(into.clone()).await,
            put_at: prepare(format!("{into} USING TIMESTAMP ?")).await,
            delete_prefix_at: prepare(format!("DELETE FROM {KEYSPACE}.{table} {prefix}")).await,
            floor: 0,
        }
    }

    async fn write_block(&self, height: u64) {
        let partition = partition_key(&block(self.chain, height));
        let batch = Batch::new_with_statements(BatchType::Unlogged, vec![self.put.clone().into(); 2]);
        let rows = [(&partition, &[2u8][..], &[1u8; 40][..]), (&partition, &[3u8][..], &[2u8; 90][..])];
        self.server.session.batch(&batch, rows.as_slice()).await.unwrap();
    }

    /// One batch: all rows go, then come the new ones, and a sentinel with their timestamp.
    async fn write_state(&mut self, height: u64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64;
        let deleted = now.max(self.floor + 1);
        let written = deleted + 1;
        self.floor = written;
        let partition = partition_key(&chain(self.chain));
        let mut batch = Batch::new(BatchType::Unlogged);
        batch.append_statement(self.delete_prefix_at.clone());
        let value = [&height.to_be_bytes()[..], &[self.chain; 200]].concat();
        let mut keys: Vec<Vec<u8>> =
            (0..rows_at(height)).map(|row| [&[1][..], &row.to_be_bytes()].concat()).collect();
        keys.push(Vec::new());
        let puts = keys.iter().map(|key| {
            let value = if key.is_empty() { &[][..] } else { &value };
            (&partition, key, value, written)
        });
        puts.clone().for_each(|_| batch.append_statement(self.put_at.clone()));
        let deletion = (deleted, &partition, &[1u8][..], &[2u8][..]);
        let puts: Vec<_> = puts.collect();
        let values = WithDeletion { deletion, puts: &puts };
        self.server.session.batch(&batch, values.lists()).await.unwrap();
    }
}

type Deletion<'a> = (i64, &'a Vec<u8>, &'a [u8], &'a [u8]);
type Insertion<'a> = (&'a Vec<u8>, &'a Vec<u8>, &'a [u8], i64);

/// The values of a batch whose first statement has others than the rest.
struct WithDeletion<'a> {
    deletion: Deletion<'a>,
    puts: &'a [Insertion<'a>],
}

impl WithDeletion<'_> {
    fn lists(&self) -> Vec<Vec<Box<dyn SerializeValue + Send + Sync + '_>>> {
        type Value<'a> = Box<dyn SerializeValue + Send + Sync + 'a>;
        let (at, partition, from, to) = self.deletion;
        let first: Vec<Value<'_>> = vec![Box::new(at), Box::new(partition), Box::new(from), Box::new(to)];
        let rest = self.puts.iter().map(|(partition, key, value, at)| {
            let values: Vec<Value<'_>> =
                vec![Box::new(*partition), Box::new(*key), Box::new(*value), Box::new(*at)];
            values
        });
        [first].into_iter().chain(rest).collect()
    }
}

/// Writers at work, until this is dropped.
struct Writers {
    tasks: Vec<tokio::task::JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    heights: Arc<AtomicU64>,
}

impl Writers {
    /// Owners rest for this long between two blocks.
    async fn start(server: &Arc<Server>, table: &str, rest: Duration) -> Self {
        let (stop, heights) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = Vec::new();
        for number in 0..CHAINS {
            let mut owner = Owner::new(server, table, number).await;
            owner.write_block(0).await;
            owner.write_state(0).await;
            let (stop, heights) = (stop.clone(), heights.clone());
            tasks.push(tokio::spawn(async move {
                for height in 1.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    owner.write_block(height).await;
                    owner.write_state(height).await;
                    heights.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(rest).await;
                }
            }));
        }
        Self { tasks, stop, heights }
    }

    fn blocks(&self) -> u64 {
        self.heights.load(Ordering::Relaxed)
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

/// Returns what is wrong with a content: chain states of several moments, and references to
/// nothing.
fn faults(content: &Content) -> Vec<String> {
    let mut faults = Vec::new();
    for number in 0..CHAINS {
        let root_key = chain(number);
        let mut heights = BTreeMap::<u64, u64>::new();
        for (root, _, value) in content.iter() {
            if root == root_key {
                *heights.entry(u64::from_be_bytes(value[..8].try_into().unwrap())).or_default() += 1;
            }
        }
        let Some((height, rows)) = heights.pop_last() else {
            faults.push(format!("chain {number} is missing"));
            continue;
        };
        if !heights.is_empty() || rows != rows_at(height) {
            faults.push(format!("chain {number} has {rows} rows of height {height}, and {heights:?}"));
        }
        for height in height.saturating_sub(BLOCKS_BACK)..=height {
            let keys = [[2], [3]];
            if keys.iter().any(|key| content.get(&block(number, height), key).is_none()) {
                faults.push(format!("chain {number} refers to block {height}, which is missing"));
            }
        }
    }
    faults
}

/// Reads all ranges of a phase at the same time, and one phase after the other, as a backup does.
async fn dump(namespace: &CqlNamespace, ranges_max: usize) -> (Content, Consistency) {
    let snapshot = namespace.snapshot().await.unwrap();
    assert_eq!(snapshot.source().layout, Layout::Linera016.name());
    let plan = snapshot.plan(ranges_max.try_into().unwrap()).await.unwrap();
    let mut content = Content::default();
    for phase in &plan.phases {
        let read = phase.iter().map(async |range| {
            let batches: Vec<EntryBatch> = snapshot.entries(range).await?.try_collect().await?;
            Ok::<_, backup_format::EngineError>(batches)
        });
        for batches in join_all(read).await {
            batches.unwrap().iter().for_each(|batch| content.extend(batch));
        }
    }
    (content, snapshot.consistency())
}

/// Reads the table in one pass, page by page, as one might think would do.
async fn naive_scan(server: &Server, table: &str) -> Content {
    let mut select =
        server.session.prepare(format!("SELECT root_key, k, v FROM {KEYSPACE}.{table}")).await.unwrap();
    select.set_page_size(PAGE_ROWS);
    let mut content = Content::default();
    let mut state = PagingState::start();
    loop {
        let (result, next) = server.session.execute_single_page(&select, (), state).await.unwrap();
        let rows = result.into_rows_result().unwrap();
        for row in rows.rows::<(&[u8], &[u8], &[u8])>().unwrap() {
            let (partition_key, key, value) = row.unwrap();
            if !key.is_empty() {
                content.put(&partition_key[1..], key, value);
            }
        }
        match next.into_paging_control_flow().continue_value() {
            Some(next) => state = next,
            None => return content,
        }
    }
}

fn options() -> CqlOptions {
    CqlOptions::default()
        .with_page_bytes(4 << 10)
        .with_page_rows_max(PAGE_ROWS as u32)
        .with_slice_bytes(64 << 10)
        .with_partition_tries(50)
}

/// What proves that a partition is whole.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Proof {
    /// A page of its own, asked for when it had changed over several.
    OwnPage,
    /// The sentinel alone: then the owners must leave time for a reading now and then.
    Sentinel,
    /// The first page, long enough for all rows.
    FirstPage,
}

/// How long owners rest, and what the proof is.
const MANNERS: [(Duration, Proof); 3] = [
    (Duration::ZERO, Proof::OwnPage),
    (Duration::from_millis(40), Proof::Sentinel),
    (Duration::ZERO, Proof::FirstPage),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_beside_busy_writers_holds_whole_chains_and_all_that_they_refer_to() {
    let server = Arc::new(Server::connect().await);
    for (rest, proof) in MANNERS {
        let table = server.create_table().await;
        let writers = Writers::start(&server, &table, rest).await;
        let options = match proof {
            Proof::OwnPage => options(),
            Proof::Sentinel => options().with_partition_page_bytes(0),
            Proof::FirstPage => options().with_page_bytes(1 << 20).with_page_rows_max(5_000),
        };
        for round in 0..ROUNDS {
            let before = writers.blocks();
            let namespace = server.borrowed(&table, options.clone());
            let (content, consistency) = dump(&namespace, 1 + round % 3).await;
            assert_eq!(faults(&content), [""; 0], "round {round}, {proof:?}");
            assert_eq!(consistency, Consistency::Causal);
            assert!(writers.blocks() > before, "nothing was written during a dump");
        }
        writers.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_check_sees_the_faults_of_a_naive_scan() {
    let server = Arc::new(Server::connect().await);
    for (rest, _) in MANNERS {
        let table = server.create_table().await;
        let writers = Writers::start(&server, &table, rest).await;
        // Where owners rest most scans are right, so that there must be more of them.
        let (mut faulty, mut scans) = (0, 0);
        while scans < ROUNDS || (faulty == 0 && scans < 50 * ROUNDS) {
            scans += 1;
            faulty += usize::from(!faults(&naive_scan(&server, &table).await).is_empty());
        }
        writers.end().await;
        eprintln!("{faulty} of {scans} naive scans were faulty");
        assert!(faulty > 0, "no naive scan was torn: the check proves nothing");
        assert_eq!(faults(&naive_scan(&server, &table).await), [""; 0], "with nobody writing it is right");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_never_rests_is_a_transient_error() {
    let server = Arc::new(Server::connect().await);
    let table = server.create_table().await;
    let writers = Writers::start(&server, &table, Duration::ZERO).await;
    let namespace = server.borrowed(&table, options().with_partition_tries(1));
    let mut failed = None;
    for _ in 0..50 * ROUNDS {
        let snapshot = namespace.snapshot().await.unwrap();
        let plan = snapshot.plan(NonZeroUsize::MIN).await.unwrap();
        let read: Result<Vec<EntryBatch>, _> =
            snapshot.entries(&plan.phases[0][0]).await.unwrap().try_collect().await;
        // Some readings may come between two writes.
        if let Err(error) = read {
            failed = Some(error);
            break;
        }
    }
    writers.end().await;
    let error = failed.expect("no reading was disturbed: the test proves nothing");
    assert_eq!(error.class(), ErrorClass::Transient);
    assert!(error.to_string().contains("was changed during each of 1 readings"), "{error}");
}
