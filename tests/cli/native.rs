//! RocksDB's own BackupEngine.

use std::fs;

use crate::program::Place;

#[test]
fn a_native_backup_is_restored_and_dumped_with_the_digest_of_its_source() {
    let place = Place::with_fixture();
    let source = place.done(&["digest", "rocksdb:db/validator_0"]);
    let first = place.done(&["native-backup", "rocksdb:db/validator_0", "engine"]);
    let second = place.done(&["native-backup", "rocksdb:db/validator_0", "engine"]);
    assert_eq!((first["id"].as_u64(), second["id"].as_u64()), (Some(1), Some(2)));
    let restored = place.done(&["native-restore", "engine", "rocksdb:copy/validator_0"]);
    assert_eq!(restored["id"], 2);
    let made = place.done(&["backup", "rocksdb-backup:engine#1", "repo"]);
    let latest = place.done(&["digest", "rocksdb-backup:engine"]);
    let copy = place.done(&["digest", "rocksdb:copy/validator_0"]);
    for found in [&made, &latest, &copy] {
        assert_eq!(found["digest"], source["digest"]);
    }
    assert_eq!(made["source"]["layout"], "linera-0.15");
}

#[test]
fn a_native_restore_never_empties_a_target() {
    let place = Place::with_fixture();
    place.done(&["native-backup", "rocksdb:db/validator_0", "engine"]);
    place.exits(4, &["native-restore", "engine", "rocksdb:db/validator_0"]).says("not empty");
    fs::create_dir(place.path("mine")).unwrap();
    fs::write(place.path("mine/letter.txt"), "dear").unwrap();
    place.exits(4, &["native-restore", "engine", "rocksdb:mine"]).says("not empty");
    assert_eq!(fs::read_to_string(place.path("mine/letter.txt")).unwrap(), "dear");
}

#[test]
fn native_backups_are_of_rocksdb_and_must_be_there() {
    let place = Place::with_fixture();
    place.exits(1, &["native-restore", "nowhere", "rocksdb:copy/x"]).says("no native backup");
    place.exits(1, &["digest", "rocksdb-backup:nowhere"]).says("no native backup");
    place.exits(2, &["native-restore", "nowhere", "memory:"]).says("expected rocksdb:");
    place.exits(2, &["native-backup", "rocksdb-backup:x", "engine"]).says("expected rocksdb:");
    place.done(&["native-backup", "rocksdb:db/validator_0", "engine"]);
    place.exits(1, &["native-restore", "engine", "rocksdb:copy/x", "--id", "9"]).says("9");
    assert!(!place.path("copy").exists() && !place.path("nowhere").exists());
}
