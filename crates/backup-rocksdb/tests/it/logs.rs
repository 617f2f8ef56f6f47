//! Logs that belong to another state of the database, or to another one: refused, never mixed.

use std::fs;
use std::path::{Path, PathBuf};

use backup_format::ErrorClass;
use backup_layout::Layout;
use backup_rocksdb::{RocksDbNamespace, RocksDbOptions};
use rocksdb::DB;
use rocksdb::checkpoint::Checkpoint;
use tempfile::tempdir;

use crate::support::*;

fn with_wal_dir(path: &Path, wal_dir: &Path) -> RocksDbNamespace {
    let mut options = RocksDbOptions::default();
    options.wal_dir = Some(wal_dir.to_owned());
    RocksDbNamespace::at(path, options)
}

fn logs(path: &Path) -> Vec<PathBuf> {
    let mut logs = names(path);
    logs.retain(|name| name.ends_with(".log"));
    logs.iter().map(|name| path.join(name)).collect()
}

/// A database with its log elsewhere, and a checkpoint of it from before its last flush.
struct Place {
    base: tempfile::TempDir,
    live: DB,
    /// What the checkpoint holds, and what the database does.
    before: Vec<Entry>,
    after: Vec<Entry>,
}

impl Place {
    /// With `flushed` the log is flushed before the checkpoint is made, as RocksDB does unless another size of logs is set.
    fn new(flushed: bool) -> Self {
        let base = tempdir().unwrap();
        let mut options = linera_options();
        options.set_wal_dir(base.path().join("wal"));
        let live = DB::open(&options, base.path().join("live")).unwrap();
        put(&live, Layout::Linera015, &chains(2, 50, 10));
        live.flush().unwrap();
        let (before, after) = (chains(4, 50, 10), chains(5, 50, 10));
        put(&live, Layout::Linera015, &before);
        let copy = base.path().join("copy");
        if flushed {
            Checkpoint::new(&live).unwrap().create_checkpoint(copy).unwrap();
        } else {
            for from in ["live", "wal"] {
                copy_directory(&base.path().join(from), &copy);
            }
        }
        live.flush().unwrap();
        put(&live, Layout::Linera015, &after);
        Self { base, live, before, after }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }
}

#[tokio::test]
async fn a_checkpoint_is_read_with_its_own_log() {
    let place = Place::new(false);
    let [live, wal, copy] = ["live", "wal", "copy"].map(|name| place.path(name));
    assert!(!logs(&copy).is_empty());
    assert_eq!(read(&at(&copy)).await, place.before);
    assert_eq!(read(&with_wal_dir(&live, &wal)).await, place.after);
    assert_error(
        try_read(&with_wal_dir(&copy, &wal)).await,
        ErrorClass::Refused,
        &["copy", "wal", "in its own directory"],
    );
}

#[tokio::test]
async fn a_checkpoint_without_its_log_is_not_completed_by_that_of_the_database() {
    let place = Place::new(false);
    let [wal, copy] = ["wal", "copy"].map(|name| place.path(name));
    logs(&copy).into_iter().for_each(|log| fs::remove_file(log).unwrap());
    let elsewhere = ["copy", "OPTIONS-", "wal", "another database"];
    assert_error(try_read(&at(&copy)).await, ErrorClass::Refused, &elsewhere);
    let words = ["copy", "does not continue", "201 or below", "found 601"];
    assert_error(try_read(&with_wal_dir(&copy, &wal)).await, ErrorClass::Refused, &words);
    let native = with_wal_dir(&copy, &wal).native_backup(place.path("backups")).await;
    assert_error(native.map_err(Into::into), ErrorClass::Refused, &words);
    let mut options = RocksDbOptions::default();
    options.allow_missing_log = true;
    assert_eq!(read(&RocksDbNamespace::at(&copy, options)).await, chains(2, 50, 10));
}

#[tokio::test]
async fn a_log_that_continues_a_checkpoint_completes_it() {
    let place = Place::new(true);
    let [wal, copy] = ["wal", "copy"].map(|name| place.path(name));
    // What the log held was flushed.
    assert!(logs(&copy).iter().all(|log| fs::metadata(log).unwrap().len() == 0));
    assert_eq!(read(&with_wal_dir(&copy, &wal)).await, place.after);
    place.live.flush().unwrap();
    put(&place.live, Layout::Linera015, &chains(6, 50, 10));
    assert_error(
        try_read(&with_wal_dir(&copy, &wal)).await,
        ErrorClass::Refused,
        &["copy", "does not continue"],
    );
}

#[tokio::test]
async fn a_log_of_another_database_is_refused() {
    let base = tempdir().unwrap();
    let path = base.path().join("db");
    let database = DB::open(&linera_options(), &path).unwrap();
    for number in 1..4 {
        put(&database, Layout::Linera015, &chains(number, 50, 10));
        database.flush().unwrap();
    }
    drop(database);
    let entries = read(&at(&path)).await;
    let other = base.path().join("other");
    put(&DB::open(&linera_options(), &other).unwrap(), Layout::Linera015, &chains(9, 1, 10));
    let wal = base.path().join("wal");
    fs::create_dir(&wal).unwrap();
    fs::copy(&logs(&other)[0], wal.join("000099.log")).unwrap();
    let words = ["000099.log", "is not a log of database", "found 1;"];
    assert_error(try_read(&with_wal_dir(&path, &wal)).await, ErrorClass::Refused, &words);
    fs::copy(wal.join("000099.log"), path.join("000099.log")).unwrap();
    assert_error(try_read(&at(&path)).await, ErrorClass::Refused, &words);
    fs::remove_file(path.join("000099.log")).unwrap();
    assert_eq!(read(&at(&path)).await, entries);
}

#[tokio::test]
async fn one_log_that_is_missing_of_several_is_noticed() {
    let base = tempdir().unwrap();
    let path = base.path().join("db");
    let options = options_with_many_logs();
    let database = DB::open(&options, &path).unwrap();
    let entries = chains(9, 10, 3_000);
    for some in entries.chunks(10) {
        put(&database, Layout::Linera015, some);
    }
    let copy = base.path().join("copy");
    copy_directory(&path, &copy);
    assert_eq!(read(&at(&copy)).await, entries);
    let logs = logs(&copy);
    assert!(logs.len() > 3, "{logs:?}");
    for log in &logs[..logs.len() - 1] {
        let kept = fs::read(log).unwrap();
        fs::remove_file(log).unwrap();
        assert_error(try_read(&at(&copy)).await, ErrorClass::Refused, &["does not continue"]);
        fs::write(log, &kept[..kept.len() / 2]).unwrap();
        assert_error(try_read(&at(&copy)).await, ErrorClass::Refused, &["does not continue"]);
        fs::write(log, kept).unwrap();
    }
}

#[tokio::test]
async fn files_that_are_ingested_between_writes_leave_no_gap() {
    let base = tempdir().unwrap();
    let path = base.path().join("db");
    let options = linera_options();
    let database = DB::open(&options, &path).unwrap();
    database.put(b"a", b"1").unwrap();
    let table = base.path().join("in.sst");
    let mut writer = rocksdb::SstFileWriter::create(&options);
    writer.open(&table).unwrap();
    writer.put(b"a", b"2").unwrap();
    writer.finish().unwrap();
    database.ingest_external_file(vec![&table]).unwrap();
    database.put(b"b", b"3").unwrap();
    let found = read(&with(&path, Layout::Plain)).await;
    assert_eq!(found, [entry("", "a", "2"), entry("", "b", "3")]);
}

#[tokio::test]
async fn tables_in_another_directory_are_refused_by_name() {
    for (flushes, reopened) in [(1, false), (1, true), (2, false)] {
        let base = tempdir().unwrap();
        let (path, tables) = (base.path().join("db"), base.path().join("tables"));
        let mut options = linera_options();
        options.set_db_paths(&[rocksdb::DBPath::new(&tables, 1 << 40).unwrap()]);
        let database = DB::open(&options, &path).unwrap();
        for number in 1..=flushes {
            put(&database, Layout::Linera015, &chains(number, 50, 10));
            database.flush().unwrap();
        }
        drop(database);
        if reopened {
            drop(DB::open(&options, &path).unwrap());
        }
        let found = try_read(&at(&path)).await;
        assert_error(found, ErrorClass::Refused, &["db_paths", "not supported", "db"]);
    }
}

#[tokio::test]
async fn the_only_table_of_a_database_in_its_place_is_missing_and_not_elsewhere() {
    let base = tempdir().unwrap();
    let path = base.path().join("db");
    let database = DB::open(&linera_options(), &path).unwrap();
    put(&database, Layout::Linera015, &chains(1, 50, 10));
    database.flush().unwrap();
    drop(database);
    for entry in fs::read_dir(&path).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|extension| extension == "sst") {
            fs::remove_file(file).unwrap();
        }
    }
    assert_error(try_read(&at(&path)).await, ErrorClass::Damaged, &["sst"]);
}
