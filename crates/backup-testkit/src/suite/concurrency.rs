//! Reading a namespace while somebody writes to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use backup_format::{Consistency, EntryBatch, Snapshot};
use futures::TryStreamExt;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::support::{check_snapshot, larger_mixture, ok, open, ranges, soon};
use crate::capabilities::{Atomicity, RootKeys};
use crate::content::Content;
use crate::engine::{Engine, Live, Put, Writer};
use crate::seed::seed;

/// What the two registers sum to.
const SUM: u64 = 1_000_000;
/// Snapshots that are taken while the writer is at work.
const ROUNDS: usize = 8;

/// Two entries that the writer changes together, one near the start and one near the end of the namespace.
#[derive(Clone)]
struct Registers {
    first: (Vec<u8>, Vec<u8>),
    last: (Vec<u8>, Vec<u8>),
}

impl Registers {
    fn of(engine: &dyn Engine) -> Self {
        let capabilities = engine.capabilities();
        let root_key = |root_key: &[u8]| match capabilities.root_keys {
            RootKeys::OnlyEmpty => Vec::new(),
            _ => root_key.to_vec(),
        };
        let last = match capabilities.atomicity {
            Atomicity::Namespace if capabilities.partitions_max > 1 => root_key(b"\xff\xff"),
            _ => root_key(b"\x01"),
        };
        Self { first: (root_key(b"\x01"), b"\x01".to_vec()), last: (last, b"\xff\xff".to_vec()) }
    }

    /// Moves an amount from one register to the other.
    fn puts(&self, amount: u64) -> Vec<Put> {
        let put = |(root_key, key): &(Vec<u8>, Vec<u8>), value: u64| Put {
            root_key: root_key.clone(),
            key: key.clone(),
            value: value.to_be_bytes().to_vec(),
        };
        vec![put(&self.first, amount), put(&self.last, SUM - amount)]
    }

    fn values(&self, content: &Content) -> (u64, u64) {
        let value = |(root_key, key): &(Vec<u8>, Vec<u8>)| {
            let value = content.get(root_key, key).and_then(|value| value.try_into().ok());
            value.map(u64::from_be_bytes).expect("a register is lost")
        };
        (value(&self.first), value(&self.last))
    }

    fn check(&self, content: &Content) {
        let (first, last) = self.values(content);
        assert_eq!(first + last, SUM, "the snapshot holds {first} of one moment and {last} of another");
    }
}

/// Makes a namespace with registers among other content. Says so when the engine has no writer, or does not promise
/// snapshots of one moment.
async fn live(engine: &dyn Engine) -> Option<(Live, Registers, Content)> {
    let registers = Registers::of(engine);
    let mut content = larger_mixture(engine);
    for Put { root_key, key, value } in registers.puts(0) {
        content.put(&root_key, &key, &value);
    }
    let Some(live) = engine.live(&content).await else {
        eprintln!("left out, {} has no writer", engine.name());
        return None;
    };
    let consistency = open(&*live.database).await.consistency();
    if consistency != Consistency::PointInTime {
        eprintln!("left out, {} reads {consistency}", engine.name());
        return None;
    }
    Some((live, registers, content))
}

pub(super) async fn a_snapshot_does_not_see_what_is_written_later(engine: &dyn Engine) {
    let Some((live, registers, content)) = live(engine).await else { return };
    let snapshot = open(&*live.database).await;
    let changed: Vec<Put> = content.iter().map(overwritten).collect();
    write(&live, changed).await;
    write(&live, registers.puts(SUM)).await;
    check_snapshot("a snapshot older than a write", &*snapshot, &content).await;
    check_snapshot("the same snapshot again", &*snapshot, &content).await;
}

fn overwritten((root_key, key, value): (&[u8], &[u8], &[u8])) -> Put {
    let value = value.iter().rev().map(|byte| byte ^ 1).chain([0]).collect();
    Put { root_key: root_key.to_vec(), key: key.to_vec(), value }
}

pub(super) async fn a_snapshot_sees_what_was_written_before(engine: &dyn Engine) {
    let Some((live, registers, mut content)) = live(engine).await else { return };
    for amount in [1, 2, 3] {
        let mut puts = registers.puts(amount);
        puts.push(Put { root_key: registers.first.0.clone(), key: vec![0x80, amount as u8], value: vec![7] });
        for Put { root_key, key, value } in &puts {
            content.put(root_key, key, value);
        }
        write(&live, puts).await;
        let snapshot = open(&*live.database).await;
        check_snapshot("a snapshot newer than a write", &*snapshot, &content).await;
    }
}

pub(super) async fn a_snapshot_keeps_an_invariant_that_writers_keep(engine: &dyn Engine) {
    let Some((live, registers, _)) = live(engine).await else { return };
    let writes = Arc::new(AtomicU64::new(0));
    let writing =
        tokio::spawn(write_for_ever(Arc::clone(&live.writer), registers.clone(), Arc::clone(&writes)));
    for round in 0..ROUNDS {
        let snapshot = open(&*live.database).await;
        let read = read_between_writes(&*snapshot, 1 + round % 4, &writes);
        registers.check(&soon("reading between writes", read).await);
    }
    writing.abort();
    let ended = writing.await.expect_err("the writer ends only when it is aborted");
    assert!(ended.is_cancelled(), "the writer failed: {ended}");
}

async fn write_for_ever(writer: Arc<dyn Writer>, registers: Registers, writes: Arc<AtomicU64>) {
    let mut random = SmallRng::seed_from_u64(seed());
    loop {
        writer.write(&registers.puts(random.random_range(0..=SUM))).await;
        writes.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
}

/// Writes on another thread, so that an engine that blocks it is found out.
async fn write(live: &Live, puts: Vec<Put>) {
    let writer = Arc::clone(&live.writer);
    let task = tokio::spawn(async move { writer.write(&puts).await });
    soon("writing while a snapshot is open", task).await.expect("the writer does not fail");
}

/// Reads a snapshot so slowly that something is written between any two batches.
async fn read_between_writes(snapshot: &dyn Snapshot, number: usize, writes: &AtomicU64) -> Content {
    let mut content = Content::default();
    for range in ranges(snapshot, number).await {
        let mut stream = ok(snapshot.entries(&range).await, "opening a range");
        while let Some(batch) = ok(stream.try_next().await, "reading a range") {
            content.extend(&batch);
            let seen = writes.load(Ordering::Relaxed);
            while writes.load(Ordering::Relaxed) < seen + 2 {
                tokio::task::yield_now().await;
            }
        }
    }
    content
}

pub(super) async fn writers_go_on_while_a_stream_is_open(engine: &dyn Engine) {
    let Some((live, registers, content)) = live(engine).await else { return };
    let snapshot = open(&*live.database).await;
    let [range] = &ranges(&*snapshot, 1).await[..] else { panic!("expected one range") };
    let mut stream = ok(snapshot.entries(range).await, "opening a range");
    let first = ok(stream.try_next().await, "reading a range").expect("a range of several megabytes");
    assert!(first.entries() < content.entries(), "all of several megabytes came in one batch");
    // The stream rests in the middle: a writer that waits for it never ends.
    for amount in 0..100 {
        write(&live, registers.puts(amount)).await;
    }
    let rest: Vec<EntryBatch> = ok(stream.try_collect().await, "reading the rest");
    let mut found = Content::default();
    [first].iter().chain(&rest).for_each(|batch| found.extend(batch));
    assert_eq!(registers.values(&found), (0, SUM), "the open stream saw what was written later");
    assert_eq!(found.entries(), content.entries());
}
