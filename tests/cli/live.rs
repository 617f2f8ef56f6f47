//! Databases as they are met: held open by a validator, or copied badly.

use std::fs;
use std::path::Path;

use rocksdb::{DB, Options};

use crate::program::Place;

#[test]
fn a_database_that_another_process_writes_to_is_dumped_with_what_is_only_in_its_log() {
    let place = Place::with_fixture();
    let before = place.done(&["digest", "rocksdb:db/validator_0"]);
    let database = DB::open(&Options::default(), place.path("db/validator_0")).unwrap();
    let root_key = [&[1][..], &[9; 32]].concat();
    let row = [&[0][..], &root_key, &[0x5b], &[0; 4]].concat();
    database.put([&[1][..], &root_key].concat(), []).unwrap();
    database.put(row, [&[0, 0, 0, 1][..], b"certificate"].concat()).unwrap();
    let made = place.done(&["backup", "rocksdb:db/validator_0", "repo"]);
    assert_eq!(made["entries"].as_u64(), before["entries"].as_u64().map(|entries| entries + 1));
    // The owner continues as if nothing had happened.
    database.put(b"\x01later", b"").unwrap();
    database.flush().unwrap();
    drop(database);
    place.done(&["verify", "repo"]);
}

#[test]
fn a_log_that_lies_elsewhere_is_read_there() {
    let place = Place::with_fixture();
    let whole = place.done(&["digest", "rocksdb:db/validator_0"]);
    fs::create_dir(place.path("wal")).unwrap();
    fs::rename(place.path("db/validator_0/000013.log"), place.path("wal/000013.log")).unwrap();
    let found = place.done(&["digest", "rocksdb:db/validator_0", "--wal-dir", "wal"]);
    assert_eq!(found["digest"], whole["digest"]);
}

#[test]
fn a_directory_that_was_copied_without_its_log_is_noticed() {
    let place = Place::with_fixture();
    let mut logs = 0;
    for entry in fs::read_dir(place.path("db/validator_0")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "log") {
            fs::remove_file(path).unwrap();
            logs += 1;
        }
    }
    assert!(logs > 0);
    place
        .exits(4, &["backup", "rocksdb:db/validator_0", "repo"])
        .says("write-ahead log")
        .says("--allow-missing-log");
    assert!(!place.path("repo").exists());
    let allowed = place.done(&["digest", "rocksdb:db/validator_0", "--allow-missing-log"]);
    let whole = Place::with_fixture().done(&["digest", "rocksdb:db/validator_0"]);
    assert_ne!(allowed["digest"], whole["digest"], "what was in the log is missing");
}

/// The extension of a file, and what is done to it.
type Break = (&'static str, fn(&Path));

#[test]
fn files_that_are_missing_or_damaged_end_a_backup_without_a_dump() {
    let break_file: [Break; 4] = [
        ("sst", |path| fs::remove_file(path).unwrap()),
        ("sst", |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("sst", |path| {
            let mut bytes = fs::read(path).unwrap();
            // In the middle of the first block of rows.
            bytes[100] ^= 0x10;
            fs::write(path, bytes).unwrap();
        }),
        ("log", |path| {
            let mut bytes = fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            fs::write(path, bytes).unwrap();
        }),
    ];
    for (number, (extension, break_it)) in break_file.into_iter().enumerate() {
        let place = Place::with_fixture();
        let files = fs::read_dir(place.path("db/validator_0")).unwrap().map(|entry| entry.unwrap().path());
        let file =
            files.into_iter().find(|path| path.extension().is_some_and(|found| found == extension)).unwrap();
        break_it(&file);
        let run = place.run(&["backup", "rocksdb:db/validator_0", "repo"]);
        assert!(matches!(run.code, Some(1 | 3)), "case {number}: {run}");
        let manifests = place.path("repo/manifests");
        assert!(!manifests.exists() || place.manifests().is_empty(), "case {number}: {run}");
    }
}
