//! Damaged and incomplete databases: an error, never fewer entries.

use std::fs;
use std::path::{Path, PathBuf};

use backup_format::ErrorClass;
use backup_layout::Layout;
use backup_rocksdb::{RocksDbNamespace, RocksDbOptions};
use rocksdb::DB;
use tempfile::tempdir;

use crate::support::*;

/// A closed database with entries in several SST files and in its log.
fn database(base: &Path) -> (PathBuf, Vec<Entry>) {
    let path = base.join("db");
    let mut options = linera_options();
    options.set_disable_auto_compactions(true);
    let database = DB::open(&options, &path).unwrap();
    let entries = chains(30, 10, 3_000);
    for some in entries.chunks(100) {
        put(&database, Layout::Linera015, some);
        if some[0] < entries[200] {
            database.flush().unwrap();
        }
    }
    drop(database);
    (path, entries)
}

fn files(path: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = names(path).iter().map(|name| path.join(name)).collect();
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

#[tokio::test]
async fn an_undamaged_database_is_whole() {
    let base = tempdir().unwrap();
    let (path, entries) = database(base.path());
    assert_eq!(read(&at(&path)).await, entries);
    assert_eq!((files(&path, "sst").len(), files(&path, "log").len()), (2, 1));
}

#[tokio::test]
async fn a_missing_table_is_named() {
    let base = tempdir().unwrap();
    let (path, _) = database(base.path());
    for file in files(&path, "sst") {
        let kept = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        assert_error(try_read(&at(&path)).await, ErrorClass::Damaged, &["db", name(&file), "missing"]);
        fs::write(&file, kept).unwrap();
    }
}

#[tokio::test]
async fn a_truncated_table_is_named() {
    let base = tempdir().unwrap();
    let (path, _) = database(base.path());
    for file in files(&path, "sst") {
        let kept = fs::read(&file).unwrap();
        for length in [0, 100, kept.len() - 1] {
            fs::write(&file, &kept[..length]).unwrap();
            let words = ["db", name(&file), &format!("{length} bytes")];
            assert_error(try_read(&at(&path)).await, ErrorClass::Damaged, &words);
        }
        fs::write(&file, kept).unwrap();
    }
}

#[tokio::test]
async fn a_flipped_byte_in_a_table_never_loses_entries() {
    let base = tempdir().unwrap();
    let (path, entries) = database(base.path());
    let file = files(&path, "sst").remove(0);
    let kept = fs::read(&file).unwrap();
    let mut noticed = 0;
    for place in (0..kept.len()).step_by(kept.len() / 40) {
        let mut bytes = kept.clone();
        bytes[place] ^= 0x10;
        fs::write(&file, bytes).unwrap();
        match try_read(&at(&path)).await {
            Ok(found) => assert_eq!(found, entries, "byte {place}"),
            Err(error) => {
                noticed += 1;
                assert_eq!(error.class(), ErrorClass::Damaged, "byte {place}: {}", chain(&error));
            }
        }
    }
    // Filter blocks, which are not read here, and room between blocks may be anything.
    assert!(noticed >= 35, "{noticed} of 40");
}

#[tokio::test]
async fn a_flipped_byte_in_the_log_never_loses_entries_in_between() {
    let base = tempdir().unwrap();
    let (path, entries) = database(base.path());
    let file = files(&path, "log").remove(0);
    let kept = fs::read(&file).unwrap();
    for place in (0..kept.len()).step_by(kept.len() / 10) {
        let mut bytes = kept.clone();
        bytes[place] ^= 0x10;
        fs::write(&file, bytes).unwrap();
        match try_read(&at(&path)).await {
            Ok(found) => assert!(entries.starts_with(&found), "byte {place}"),
            Err(error) => assert_eq!(error.class(), ErrorClass::Damaged, "byte {place}: {}", chain(&error)),
        }
    }
}

#[tokio::test]
async fn a_missing_log_is_noticed() {
    let base = tempdir().unwrap();
    let (path, entries) = database(base.path());
    fs::remove_file(files(&path, "log").remove(0)).unwrap();
    assert_error(try_read(&at(&path)).await, ErrorClass::Refused, &["db", ".log", "latest writes"]);
    let mut options = RocksDbOptions::default();
    options.allow_missing_log = true;
    let found = read(&RocksDbNamespace::at(&path, options)).await;
    assert!(found.len() < entries.len() && entries.starts_with(&found));
}

#[tokio::test]
async fn the_fixture_without_its_log_is_noticed() {
    let base = tempdir().unwrap();
    let path = fixture(base.path());
    fs::remove_file(path.join("000013.log")).unwrap();
    assert_error(try_read(&at(&path)).await, ErrorClass::Refused, &["validator_0", "write-ahead log"]);
}

#[tokio::test]
async fn logs_that_the_manifest_tracks_are_checked_one_by_one() {
    let base = tempdir().unwrap();
    let path = base.path().join("db");
    let mut options = options_with_many_logs();
    options.set_track_and_verify_wals_in_manifest(true);
    let database = DB::open(&options, &path).unwrap();
    let entries = chains(9, 10, 3_000);
    for some in entries.chunks(10) {
        put(&database, Layout::Linera015, some);
        database.flush_wal(true).unwrap();
    }
    let copy = base.path().join("copy");
    copy_directory(&path, &copy);
    assert_eq!(read(&at(&copy)).await, entries);
    let logs = files(&copy, "log");
    assert!(logs.len() > 2, "{logs:?}");
    for log in &logs[..logs.len() - 1] {
        let kept = fs::read(log).unwrap();
        fs::write(log, &kept[..kept.len() / 2]).unwrap();
        assert_error(try_read(&at(&copy)).await, ErrorClass::Refused, &[name(log)]);
        fs::remove_file(log).unwrap();
        assert_error(try_read(&at(&copy)).await, ErrorClass::Refused, &[name(log)]);
        fs::write(log, kept).unwrap();
    }
}

#[tokio::test]
async fn a_log_in_another_directory_is_asked_for() {
    let base = tempdir().unwrap();
    let (path, logs) = (base.path().join("db"), base.path().join("logs"));
    let mut options = linera_options();
    options.set_wal_dir(&logs);
    let entries = chains(3, 3, 3);
    put(&DB::open(&options, &path).unwrap(), Layout::Linera015, &entries);
    assert_error(try_read(&at(&path)).await, ErrorClass::Refused, &["db", "logs", "OPTIONS-"]);
    let mut options = RocksDbOptions::default();
    options.wal_dir = Some(logs);
    assert_eq!(read(&RocksDbNamespace::at(&path, options)).await, entries);
}

#[tokio::test]
async fn what_is_no_database_is_said_and_never_made() {
    let base = tempdir().unwrap();
    let path = base.path().join("none");
    assert_error(try_read(&at(&path)).await, ErrorClass::Failed, &["none", "no such directory"]);
    assert!(!path.exists());
    fs::create_dir(&path).unwrap();
    assert_error(try_read(&at(&path)).await, ErrorClass::Failed, &["none", "no file CURRENT"]);
    assert_eq!(names(&path), [""; 0]);
}

#[tokio::test]
async fn a_damaged_current_or_manifest_is_named() {
    let base = tempdir().unwrap();
    let (path, entries) = database(base.path());
    let current = fs::read_to_string(path.join("CURRENT")).unwrap();
    let manifest = path.join(current.trim_end());
    let kept = fs::read(&manifest).unwrap();
    for text in ["", "garbage\n", "MANIFEST-\n"] {
        fs::write(path.join("CURRENT"), text).unwrap();
        assert_error(try_read(&at(&path)).await, ErrorClass::Damaged, &["db", "CURRENT"]);
    }
    fs::write(path.join("CURRENT"), &current).unwrap();
    fs::remove_file(&manifest).unwrap();
    assert_error(try_read(&at(&path)).await, ErrorClass::Damaged, &["db", name(&manifest), "missing"]);
    for place in 0..kept.len() {
        let mut bytes = kept.clone();
        bytes[place] ^= 0x01;
        fs::write(&manifest, bytes).unwrap();
        if let Ok(found) = try_read(&at(&path)).await {
            assert_eq!(found, entries, "byte {place}");
        }
        if place > 60 {
            break;
        }
    }
}
