//! Reading beside writers of several habits: always one moment of all column families.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use backup_layout::Layout;
use rocksdb::{DB, Options, WriteBatch};
use tempfile::tempdir;

use crate::support::*;

const FAMILIES: [&str; 4] = ["a", "b", "c", "default"];
const READINGS: usize = 12;
/// Rounds that a writer may write during one reading.
const ROUNDS_PER_READING: u64 = 60;

/// What a writer does beside writing.
#[derive(Clone, Copy)]
struct Habit {
    name: &'static str,
    options: fn(&mut Options),
    /// Flushes one family, another one each time, after so many rounds.
    flush_after: Option<u64>,
}

const HABITS: [Habit; 5] = [
    Habit { name: "manual flushes", options: |_| {}, flush_after: Some(1) },
    Habit {
        name: "recycled logs",
        options: |options| options.set_recycle_log_file_num(4),
        flush_after: Some(3),
    },
    Habit {
        name: "recycled logs and small buffers",
        options: |options| {
            options.set_recycle_log_file_num(2);
            options.set_write_buffer_size(64 << 10);
        },
        flush_after: None,
    },
    Habit {
        name: "much compaction",
        options: |options| options.set_level_zero_file_num_compaction_trigger(2),
        flush_after: Some(1),
    },
    Habit { name: "atomic flushes", options: |options| options.set_atomic_flush(true), flush_after: Some(2) },
];

struct Writer {
    stop: Arc<AtomicBool>,
    /// The last round that is complete, and the last one that is allowed.
    done: Arc<AtomicU64>,
    allowed: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Writes rounds, each into all families at once.
    fn start(path: &Path, habit: Habit) -> Self {
        let mut options = linera_options();
        (habit.options)(&mut options);
        let database = DB::open_cf(&options, path, FAMILIES).unwrap();
        write(&database, 0);
        let [done, allowed] = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, reached, limit) = (stop.clone(), done.clone(), allowed.clone());
        let thread = std::thread::spawn(move || {
            for round in 1.. {
                while round > limit.load(Ordering::SeqCst) && !stopped.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_micros(100));
                }
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                write(&database, round);
                reached.store(round, Ordering::SeqCst);
                if habit.flush_after.is_some_and(|rounds| round % rounds == 0) {
                    let family = FAMILIES[round as usize % FAMILIES.len()];
                    database.flush_cf(database.cf_handle(family).unwrap()).unwrap();
                }
            }
        });
        Self { stop, done, allowed, thread: Some(thread) }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking());
    }
}

fn write(database: &DB, round: u64) {
    let mut batch = WriteBatch::default();
    for family in FAMILIES {
        let family = database.cf_handle(family).unwrap();
        batch.put_cf(family, b"round", round.to_be_bytes());
        batch.put_cf(family, format!("key {}", round % 50), vec![round as u8; 1_000]);
    }
    database.write(batch).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_reading_is_of_one_moment_of_all_families_whatever_the_habits_of_the_writer() {
    for habit in HABITS {
        let base = tempdir().unwrap();
        let path = base.path().join("db");
        let writer = Writer::start(&path, habit);
        for _ in 0..READINGS {
            let least = writer.done.load(Ordering::SeqCst);
            writer.allowed.fetch_add(ROUNDS_PER_READING, Ordering::SeqCst);
            let found = try_read(&with(&path, Layout::Plain)).await;
            let found = found.unwrap_or_else(|error| panic!("{}: {}", habit.name, chain(&error)));
            let rounds: Vec<_> = found
                .iter()
                .filter(|(_, key, _)| key == b"round")
                .map(|(_, _, value)| u64::from_be_bytes(value[..].try_into().unwrap()))
                .collect();
            assert_eq!(rounds.len(), FAMILIES.len(), "{}", habit.name);
            assert!(rounds.iter().all(|round| *round == rounds[0]), "{}: {rounds:?}", habit.name);
            assert!(rounds[0] >= least, "{}: round {} after {least}", habit.name, rounds[0]);
        }
    }
}
