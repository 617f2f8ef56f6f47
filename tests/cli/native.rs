//! RocksDB's own BackupEngine.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::Path;

use crate::program::{Place, names_of};

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
fn a_symbolic_link_is_no_target() {
    let place = Place::with_dump();
    place.done(&["native-backup", "rocksdb:db/validator_0", "engine"]);
    fs::create_dir_all(place.path("disk/empty")).unwrap();
    fs::create_dir(place.path("copy")).unwrap();
    symlink(place.path("disk/empty"), place.path("copy/empty")).unwrap();
    symlink(place.path("disk/missing"), place.path("copy/dangling")).unwrap();
    for target in ["rocksdb:copy/empty", "rocksdb:copy/dangling", "rocksdb:copy/empty/"] {
        place.exits(4, &["restore", "repo", target, "--dry-run"]).says("symbolic link");
        place.exits(4, &["restore", "repo", target]).says("symbolic link");
        place.exits(4, &["native-restore", "engine", target]).says("symbolic link");
    }
    assert_eq!(place.path("copy").read_dir().unwrap().count(), 2);
    assert_eq!(place.path("disk").read_dir().unwrap().count(), 1);
    // Further up, links are common: to another disk.
    symlink(place.path("disk"), place.path("elsewhere")).unwrap();
    place.done(&["restore", "repo", "rocksdb:elsewhere/validator_0"]);
    place.done(&["native-restore", "engine", "rocksdb:elsewhere/second"]);
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

/// Lists a directory with the lengths of its files.
fn look(directory: &Path) -> Vec<(String, u64)> {
    let mut files: Vec<_> = directory
        .read_dir()
        .unwrap()
        .map(|file| file.unwrap())
        .map(|file| (file.file_name().into_string().unwrap(), file.metadata().unwrap().len()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_native_backup_without_the_log_is_refused_and_destroys_no_evidence() {
    let place = Place::with_fixture();
    let whole = place.done(&["digest", "rocksdb:db/validator_0"]);
    let source = place.path("db/validator_0");
    fs::create_dir(place.path("wal")).unwrap();
    let logs: Vec<_> = look(&source).into_iter().filter(|(name, _)| name.ends_with(".log")).collect();
    for (log, _) in &logs {
        fs::rename(source.join(log), place.path("wal").join(log)).unwrap();
    }
    let before = look(&source);
    place.exits(4, &["native-backup", "rocksdb:db/validator_0", "engine"]).says("lacks its write-ahead log");
    assert_eq!(look(&source), before);
    assert!(!logs.is_empty() && !place.path("engine").exists());

    place.done(&["native-backup", "rocksdb:db/validator_0", "engine", "--wal-dir", "wal"]);
    assert_eq!(place.done(&["digest", "rocksdb-backup:engine"])["digest"], whole["digest"]);

    let copy = Place::with_fixture();
    for (log, _) in &logs {
        fs::remove_file(copy.path("db/validator_0").join(log)).unwrap();
    }
    copy.done(&["native-backup", "rocksdb:db/validator_0", "engine", "--allow-missing-log"]);
}

#[test]
fn a_native_backup_goes_to_a_directory_of_its_own() {
    let place = Place::with_dump();
    let source = place.path("db/validator_0");
    let before = look(&source);
    symlink(&source, place.path("link")).unwrap();
    let cases = [
        ("db/validator_0", "is, or lies in,"),
        ("db/validator_0/a/b", "is, or lies in, the source"),
        ("db/x/../validator_0/a", "is, or lies in, the source"),
        ("link/a", "is, or lies in, the source"),
        ("repo", "config.json"),
    ];
    for (directory, said) in cases {
        place.exits(4, &["native-backup", "rocksdb:db/validator_0", directory]).says(said);
    }
    assert_eq!(look(&source), before);
    let expected = ["config.json", "configs", "manifests", "packs", "staged"];
    assert_eq!(names_of(&place.path("repo")), expected.map(|name| place.path("repo").join(name)));
}

#[test]
fn a_native_backup_of_the_database_of_another_user_is_refused() {
    let place = Place::with_fixture();
    let source = place.path("db/validator_0");
    // Only root can give a file away; to everybody else the root directory is one of another user.
    let root = fs::metadata(place.path("db")).unwrap().uid() == 0;
    if root {
        for (name, _) in look(&source) {
            chown(source.join(name), Some(12345), None).unwrap();
        }
    }
    let before = look(&source);
    let foreign = if root { "rocksdb:db/validator_0" } else { "rocksdb:/usr" };
    place.exits(4, &["native-backup", foreign, "engine"]).says("belongs to user");
    assert_eq!(look(&source), before);
}
