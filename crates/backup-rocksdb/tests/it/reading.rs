//! Reading namespaces by path and by handle.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use backup_format::{Consistency, DatabaseBackup, ErrorClass, Order, Range, RestoreTarget};
use backup_layout::Layout;
use backup_rocksdb::{RocksDbNamespace, RocksDbOptions};
use futures::StreamExt;
use rocksdb::{BottommostLevelCompaction, CompactOptions, DB, DBWithThreadMode, MultiThreaded};
use tempfile::tempdir;

use crate::support::*;

#[tokio::test]
async fn a_database_of_linera_reads_as_linera_shows_it() {
    let base = tempdir().unwrap();
    let namespace = at(&fixture(base.path()));
    let entries = read(&namespace).await;
    assert_eq!(listing(&entries), expected_listing());
    let snapshot = namespace.snapshot().await.unwrap();
    let source = snapshot.source();
    assert_eq!((source.engine.as_str(), source.layout.as_str()), ("rocksdb", "linera-0.15"));
    assert_eq!(source.namespace, "validator_0");
}

#[tokio::test]
async fn reading_by_path_leaves_no_trace() {
    let base = tempdir().unwrap();
    let path = fixture(base.path());
    let before = look(&path);
    read(&at(&path)).await;
    assert_eq!(look(&path), before);
    assert_eq!(names(base.path()), ["validator_0"]);
}

#[tokio::test]
async fn a_database_that_is_held_open_is_read_with_what_is_in_its_log_only() {
    let base = tempdir().unwrap();
    let path = base.path().join("held");
    let held = DB::open(&linera_options(), &path).unwrap();
    let flushed = chains(3, 5, 40);
    put(&held, Layout::Linera015, &flushed);
    held.flush().unwrap();
    let all = chains(7, 9, 40);
    put(&held, Layout::Linera015, &all);
    let before = look(&path);
    assert_eq!(read(&at(&path)).await, all);
    assert_eq!(look(&path), before);
    put(&held, Layout::Linera015, &chains(8, 9, 40));
    assert_eq!(read(&at(&path)).await, chains(8, 9, 40));
}

#[tokio::test]
async fn a_snapshot_by_handle_is_of_one_moment() {
    let base = tempdir().unwrap();
    let database = Arc::new(DB::open(&linera_options(), base.path().join("open")).unwrap());
    let entries = chains(20, 50, 200);
    put(&database, Layout::Linera015, &entries);
    let namespace = RocksDbNamespace::from_handle(database.clone(), "open", RocksDbOptions::default());
    let snapshot = namespace.snapshot().await.unwrap();
    assert_eq!(snapshot.consistency(), Consistency::PointInTime);
    let stop = Arc::new(AtomicBool::new(false));
    let (began, begun) = std::sync::mpsc::channel();
    let writer = std::thread::spawn({
        let (database, stop) = (database.clone(), stop.clone());
        move || {
            for round in 0.. {
                put(&database, Layout::Linera015, &chains(20, 50, 201 + round % 3));
                database.flush().unwrap();
                began.send(()).unwrap();
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        }
    });
    begun.recv().unwrap();
    for count in [1, 4] {
        assert_eq!(read_all(&*snapshot, count).await.unwrap(), entries);
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    assert_ne!(read(&namespace).await, entries);
}

/// What the writer may write during one reading: some flushes.
const ROUNDS_PER_READING: u64 = 40;

#[tokio::test]
async fn each_snapshot_by_path_beside_a_writer_is_of_one_moment() {
    let base = tempdir().unwrap();
    let path = base.path().join("busy");
    let mut options = linera_options();
    options.set_write_buffer_size(64 << 10);
    options.set_max_write_buffer_number(6);
    options.set_log_level(rocksdb::LogLevel::Error);
    let database = Arc::new(DB::open(&options, &path).unwrap());
    let of_round = |round: u64| -> Vec<Entry> {
        let value = [round.to_be_bytes().as_slice(), &[7; 500]].concat();
        chains(10, 3, 0).into_iter().map(|(root, key, _)| (root, key, value.clone())).collect()
    };
    put(&database, Layout::Linera015, &of_round(0));
    let stop = Arc::new(AtomicBool::new(false));
    let rounds = Arc::new(AtomicU64::new(0));
    let allowed = Arc::new(AtomicU64::new(0));
    let writer = std::thread::spawn({
        let (database, stop, rounds, allowed) =
            (database.clone(), stop.clone(), rounds.clone(), allowed.clone());
        move || {
            for round in 1.. {
                // Each reading goes through the manifest, which grows with every flush: a writer that runs ahead of slow readings
                // makes them slower still.
                while round > allowed.load(Ordering::SeqCst) && !stop.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_micros(100));
                }
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                put(&database, Layout::Linera015, &of_round(round));
                rounds.store(round, Ordering::SeqCst);
            }
        }
    });
    for _ in 0..200 {
        let least = rounds.load(Ordering::SeqCst);
        allowed.fetch_add(ROUNDS_PER_READING, Ordering::SeqCst);
        let found = read(&at(&path)).await;
        let round = u64::from_be_bytes(found[0].2[..8].try_into().unwrap());
        assert!(round >= least, "round {round} is older than round {least}, which was complete before");
        assert_eq!(found, of_round(round));
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
}

#[tokio::test]
async fn handles_of_both_threading_modes_are_read() {
    let base = tempdir().unwrap();
    let entries = chains(3, 5, 10);
    let path = base.path().join("db");
    put(&DB::open(&linera_options(), &path).unwrap(), Layout::Linera015, &entries);
    let multi = Arc::new(DBWithThreadMode::<MultiThreaded>::open(&linera_options(), &path).unwrap());
    let namespace = RocksDbNamespace::from_handle(multi, "db", RocksDbOptions::default());
    assert_eq!(read(&namespace).await, entries);
}

#[tokio::test]
async fn ranges_follow_each_other_and_are_the_whole() {
    let base = tempdir().unwrap();
    for layout in Layout::ALL {
        let path = base.path().join(layout.name());
        let mut options = linera_options();
        options.set_target_file_size_base(64 << 10);
        options.set_write_buffer_size(128 << 10);
        let database = DB::open(&options, &path).unwrap();
        let mut entries = chains(60, 30, 500);
        if layout == Layout::Plain {
            for (root, key, _) in &mut entries {
                *key = [root.as_slice(), key].concat();
                root.clear();
            }
        }
        for some in entries.chunks(50) {
            put(&database, layout, some);
        }
        // How much a flush takes depends on how fast the disk is, and a file that overlaps none is moved as it is: all are rewritten.
        let mut compaction = CompactOptions::default();
        compaction.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        database.compact_range_opt(None::<&[u8]>, None::<&[u8]>, &compaction);
        drop(database);
        let snapshot = with(&path, layout).snapshot().await.unwrap();
        assert_eq!(snapshot.order(), layout.rocksdb_order());
        for count in 1..=8 {
            let found = ranges(&*snapshot, count).await;
            assert!(
                found.len() <= count && (count < 3 || found.len() > 1),
                "{layout}: {} of {count}",
                found.len()
            );
            assert_eq!(read_all(&*snapshot, count).await.unwrap(), entries, "{layout}, {count} ranges");
            let (mut longest, mut last_root) = (0, None);
            for range in &found {
                let part = read_range(&*snapshot, range).await.unwrap();
                assert!(
                    layout == Layout::Plain || last_root.as_ref() != Some(&part[0].0),
                    "{layout}: cut inside"
                );
                longest = longest.max(part.len());
                last_root = part.last().map(|entry| entry.0.clone());
            }
            assert!(
                longest < entries.len() * 2 / found.len(),
                "{layout}: {longest} entries in one of {count}"
            );
        }
    }
}

#[tokio::test]
async fn a_range_begins_in_every_file_and_not_only_in_those_with_its_prefix() {
    let base = tempdir().unwrap();
    let mut options = linera_options();
    options.set_disable_auto_compactions(true);
    let database = Arc::new(DB::open(&options, base.path().join("db")).unwrap());
    let entries = |indexes: &mut dyn Iterator<Item = u8>| -> Vec<Entry> {
        indexes.map(|index| ([&[0], &[index; 32][..]].concat(), bytes("k"), vec![7; 2_000])).collect()
    };
    // The filters of each file, and of the memtable, know a third of the root keys.
    for third in 0..3 {
        put(&database, Layout::Linera015, &entries(&mut (third..200).step_by(3)));
        if third < 2 {
            database.flush().unwrap();
        }
    }
    let namespace = RocksDbNamespace::from_handle(database, "db", RocksDbOptions::default());
    let snapshot = namespace.snapshot().await.unwrap();
    for count in 1..=8 {
        assert_eq!(read_all(&*snapshot, count).await.unwrap(), entries(&mut (0..200)), "{count} ranges");
    }
}

#[tokio::test]
async fn a_range_is_read_twice_at_the_same_time() {
    let base = tempdir().unwrap();
    let snapshot = at(&fixture(base.path())).snapshot().await.unwrap();
    let range = ranges(&*snapshot, 1).await.remove(0);
    let mut first = snapshot.entries(&range).await.unwrap();
    let second = read_range(&*snapshot, &range).await.unwrap();
    let mut count = 0;
    while let Some(batch) = first.next().await {
        count += batch.unwrap().entries();
    }
    assert_eq!(count, second.len() as u64);
}

#[tokio::test]
async fn a_stream_outlives_its_snapshot_and_its_namespace() {
    let base = tempdir().unwrap();
    let path = base.path().join("db");
    let entries = chains(40, 20, 2_000);
    put(&DB::open(&linera_options(), &path).unwrap(), Layout::Linera015, &entries);
    let namespace = at(&path);
    let snapshot = namespace.snapshot().await.unwrap();
    let range = ranges(&*snapshot, 1).await.remove(0);
    let mut stream = snapshot.entries(&range).await.unwrap();
    drop((snapshot, namespace));
    let mut count = 0;
    while let Some(batch) = stream.next().await {
        count += batch.unwrap().entries();
    }
    assert_eq!(count, entries.len() as u64);
}

#[tokio::test]
async fn dropping_streams_and_snapshot_lets_go_of_the_database() {
    let base = tempdir().unwrap();
    let database = Arc::new(DB::open(&linera_options(), base.path().join("db")).unwrap());
    put(&database, Layout::Linera015, &chains(40, 20, 20_000));
    let namespace = RocksDbNamespace::from_handle(database.clone(), "db", RocksDbOptions::default());
    let snapshot = namespace.snapshot().await.unwrap();
    let range = ranges(&*snapshot, 1).await.remove(0);
    let mut stream = snapshot.entries(&range).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop((stream, snapshot, namespace));
    assert_eq!(Arc::strong_count(&database), 1);
}

#[tokio::test]
async fn rows_under_a_range_tombstone_are_hidden() {
    let base = tempdir().unwrap();
    let path = base.path().join("db");
    let database = DB::open(&linera_options(), &path).unwrap();
    let mut entries = chains(4, 10, 10);
    put(&database, Layout::Linera015, &entries);
    database.flush().unwrap();
    let root = entries[10].0.clone();
    let from = [&[0], root.as_slice(), &[1, 0, 0, 3]].concat();
    let to = [&[0], root.as_slice(), &[1, 0, 0, 6]].concat();
    let mut batch = rocksdb::WriteBatch::default();
    batch.delete_range(from, to);
    database.write(batch).unwrap();
    entries.drain(13..16);
    assert_eq!(read(&at(&path)).await, entries);
    database.flush().unwrap();
    assert_eq!(read(&at(&path)).await, entries);
}

#[tokio::test]
async fn column_families_of_layout_plain_are_partitions() {
    let base = tempdir().unwrap();
    let path = base.path().join("db");
    let mut database = DB::open(&linera_options(), &path).unwrap();
    for family in ["b", "a", "empty"] {
        database.create_cf(family, &linera_options()).unwrap();
    }
    database.put_cf(database.cf_handle("a").unwrap(), b"", b"no key").unwrap();
    database.put_cf(database.cf_handle("b").unwrap(), b"key", b"").unwrap();
    let mut entries = vec![entry("a", "", "no key"), entry("b", "key", "")];
    assert_eq!(read(&at(&path)).await, entries);
    database.put(b"key", b"value").unwrap();
    entries.push(entry("default", "key", "value"));
    let namespace = at(&path);
    assert_eq!(read(&namespace).await, entries);
    let snapshot = namespace.snapshot().await.unwrap();
    assert_eq!(snapshot.source().layout, Layout::Plain.name());
    assert_eq!(snapshot.order(), Order::Plain);
    for count in 1..5 {
        assert_eq!(read_all(&*snapshot, count).await.unwrap(), entries);
    }
    assert_error(
        with(&path, Layout::Linera015).snapshot().await.map(drop),
        ErrorClass::Refused,
        &["column family", "linera-0.15"],
    );
}

#[tokio::test]
async fn an_empty_database_has_one_empty_range() {
    let base = tempdir().unwrap();
    let path = base.path().join("db");
    drop(DB::open(&linera_options(), &path).unwrap());
    assert_error(at(&path).snapshot().await.map(drop), ErrorClass::Refused, &["without rows"]);
    for layout in Layout::ALL {
        let snapshot = with(&path, layout).snapshot().await.unwrap();
        assert_eq!(ranges(&*snapshot, 4).await.len(), 1);
        assert_eq!(read_all(&*snapshot, 4).await.unwrap(), []);
        assert_eq!(snapshot.estimate().await.unwrap(), Some(0));
    }
}

#[tokio::test]
async fn an_estimate_is_of_the_right_size() {
    let base = tempdir().unwrap();
    let path = base.path().join("db");
    let database = DB::open(&linera_options(), &path).unwrap();
    put(&database, Layout::Linera015, &chains(50, 40, 1_000));
    database.flush().unwrap();
    let snapshot = at(&path).snapshot().await.unwrap();
    let estimate = snapshot.estimate().await.unwrap();
    assert!((2_000_000..2_400_000).contains(&estimate.unwrap()), "{estimate:?}");
}

#[tokio::test]
async fn a_root_key_that_begins_another_is_refused_by_name() {
    let base = tempdir().unwrap();
    let path = base.path().join("db");
    let database = DB::open(&linera_options(), &path).unwrap();
    let mut entries = chains(3, 5, 10);
    let longer = [entries[5].0.as_slice(), b"more"].concat();
    entries.push((longer.clone(), bytes("k"), bytes("v")));
    put(&database, Layout::Linera015, &entries);
    assert_error(
        try_read(&with(&path, Layout::Linera015)).await,
        ErrorClass::Refused,
        &["db", &hex::encode(&entries[5].0)],
    );
}

#[tokio::test]
async fn rows_outside_of_data_and_index_are_reported() {
    let base = tempdir().unwrap();
    for (name, key) in [("empty", &b""[..]), ("above", b"\x02x")] {
        let path = base.path().join(name);
        let database = DB::open(&linera_options(), &path).unwrap();
        put(&database, Layout::Linera015, &chains(3, 5, 10));
        database.put(key, b"stray").unwrap();
        assert_error(
            with(&path, Layout::Linera015).snapshot().await.map(drop),
            ErrorClass::Damaged,
            &[name, "linera-0.15"],
        );
    }
}

#[tokio::test]
async fn a_range_of_another_engine_is_an_error() {
    let base = tempdir().unwrap();
    let snapshot = at(&fixture(base.path())).snapshot().await.unwrap();
    // Rows of another family, and index rows, are no ranges of this layout.
    let other = [&b"\x01\x01a\x01\0\0"[..], b"\x01\x07default\x01\x01\0", b"\x01\x07default\0\0"];
    for token in [&[0xff; 9][..], b"\x01"].into_iter().chain(other) {
        let range = Range { token: token.to_vec() };
        assert_error(snapshot.entries(&range).await.map(drop), ErrorClass::Failed, &["range", "validator_0"]);
    }
    assert_eq!(ranges(&*snapshot, 1).await.len(), 1);
}

#[tokio::test]
async fn the_version_is_that_of_the_library() {
    let base = tempdir().unwrap();
    let path = base.path().join("db");
    put(&DB::open(&linera_options(), &path).unwrap(), Layout::Linera015, &chains(1, 1, 1));
    let name = names(&path).into_iter().rfind(|name| name.starts_with("OPTIONS-")).unwrap();
    let text = fs::read_to_string(path.join(name)).unwrap();
    let version = text.lines().find_map(|line| line.trim().strip_prefix("rocksdb_version=")).unwrap();
    assert_eq!(at(&path).snapshot().await.unwrap().source().engine_version, version);
}

/// More streams than the runtime has threads, of which its blocking pool gets none.
#[test]
fn no_thread_of_a_runtime_is_needed() {
    let base = tempdir().unwrap();
    let path = base.path().join("db");
    let entries = chains(40, 20, 2_000);
    put(&DB::open(&linera_options(), &path).unwrap(), Layout::Linera015, &entries);
    let runtime =
        tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build().unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let blocked = runtime.spawn_blocking(move || held.recv());
    let work = async {
        let snapshot = at(&path).snapshot().await.unwrap();
        let range = ranges(&*snapshot, 1).await.remove(0);
        let mut streams = Vec::new();
        for _ in 0..5 {
            streams.push(snapshot.entries(&range).await.unwrap());
        }
        for stream in &mut streams {
            stream.next().await.unwrap().unwrap();
        }
        drop(streams);
        let found = read_all(&*snapshot, 4).await.unwrap();
        drop(snapshot);
        assert_eq!(found, entries);
        let target = with(&base.path().join("copy"), Layout::Linera015);
        let sink = target.begin(&restore_of(1, Order::Plain, &entries)).await.unwrap();
        let mut writers = Vec::new();
        for (number, some) in entries.chunks(200).enumerate() {
            writers.push((sink.writer(&unit(number, some)).await.unwrap().unwrap(), some));
        }
        for (writer, some) in &mut writers {
            writer.write(segment(some)).await.unwrap();
        }
        for (writer, _) in writers {
            writer.finish().await.unwrap();
        }
        sink.finish().await.unwrap().publish().await.unwrap();
        assert_eq!(read(&target).await, entries);
    };
    // The runtime of tokio is there, and another executor is as good.
    runtime.block_on(work);
    assert_eq!(futures::executor::block_on(read(&at(&path))), entries);
    drop(release);
    runtime.block_on(blocked).unwrap().unwrap_err();
}

#[tokio::test]
async fn scratch_files_are_for_their_owner_alone_and_gone_with_the_snapshot() {
    let base = tempdir().unwrap();
    let path = fixture(base.path());
    let scratch = base.path().join("scratch");
    fs::create_dir(&scratch).unwrap();
    let mut options = RocksDbOptions::default();
    options.scratch_dir = Some(scratch.clone());
    let snapshot = RocksDbNamespace::at(&path, options).snapshot().await.unwrap();
    let own = scratch.join(&names(&scratch)[0]);
    assert_eq!(fs::metadata(&own).unwrap().permissions().mode() & 0o777, 0o700);
    drop(snapshot);
    assert_eq!(names(&scratch), [""; 0]);
}
