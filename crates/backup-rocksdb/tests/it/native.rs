//! RocksDB's own BackupEngine.

use std::fs;
use std::sync::Arc;

use backup_format::{DatabaseBackup, EngineError, ErrorClass};
use backup_layout::Layout;
use backup_rocksdb::{
    RocksDbError, RocksDbNamespace, RocksDbOptions, native_list, native_restore, native_verify,
};
use rocksdb::DB;
use tempfile::tempdir;

use crate::support::*;

fn engine<T>(result: Result<T, RocksDbError>) -> Result<T, EngineError> {
    result.map_err(EngineError::from)
}

#[tokio::test]
async fn a_native_backup_by_handle_has_what_was_only_in_memory() {
    let base = tempdir().unwrap();
    let backups = base.path().join("backups");
    let database = Arc::new(DB::open(&linera_options(), base.path().join("db")).unwrap());
    let first = chains(5, 5, 50);
    put(&database, Layout::Linera015, &first);
    let namespace = RocksDbNamespace::from_handle(database.clone(), "db", RocksDbOptions::default());
    let one = namespace.native_backup(&backups).await.unwrap();
    let second = chains(9, 5, 50);
    put(&database, Layout::Linera015, &second);
    let two = namespace.native_backup(&backups).await.unwrap();
    assert_eq!(native_list(&backups).await.unwrap(), [one, two]);
    assert_eq!(native_verify(&backups, None).await.unwrap(), two);

    for (id, expected) in [(Some(one.id), &first), (None, &second)] {
        let options = RocksDbOptions::default();
        let dump = RocksDbNamespace::from_native_backup(&backups, id, "db", options).await.unwrap();
        assert_eq!(&read(&dump).await, expected);
        assert_eq!(dump.snapshot().await.unwrap().source().layout, "linera-0.15");
        let target = base.path().join(format!("restored-{id:?}"));
        fs::create_dir(&target).unwrap();
        native_restore(&backups, id, &target).await.unwrap();
        let mut options = RocksDbOptions::default();
        options.allow_missing_log = true;
        assert_eq!(&read(&RocksDbNamespace::at(&target, options)).await, expected);
        assert!(DB::open(&linera_options(), &target).unwrap().latest_sequence_number() > 0);
    }
    assert_eq!(names(base.path()), ["backups", "db", "restored-None", "restored-Some(1)"]);
}

#[tokio::test]
async fn a_native_backup_by_path_needs_the_database_for_itself() {
    let base = tempdir().unwrap();
    let (path, backups) = (fixture(base.path()), base.path().join("backups"));
    let held = DB::open(&linera_options(), &path).unwrap();
    let namespace = at(&path);
    assert_error(
        engine(namespace.native_backup(&backups).await),
        ErrorClass::Refused,
        &["validator_0", "held open", "`backup`"],
    );
    drop(held);
    namespace.native_backup(&backups).await.unwrap();
    let dump =
        RocksDbNamespace::from_native_backup(&backups, None, "db", RocksDbOptions::default()).await.unwrap();
    assert_eq!(listing(&read(&dump).await), expected_listing());
    let missing = base.path().join("none");
    assert_error(engine(at(&missing).native_backup(&backups).await), ErrorClass::Failed, &["none"]);
    assert!(!missing.exists());
}

#[tokio::test]
async fn a_native_restore_never_empties_its_target() {
    let base = tempdir().unwrap();
    let (path, backups) = (fixture(base.path()), base.path().join("backups"));
    at(&path).native_backup(&backups).await.unwrap();
    let before = look(&path);
    assert_error(
        engine(native_restore(&backups, None, &path).await),
        ErrorClass::Refused,
        &["validator_0", "not empty"],
    );
    assert_eq!(look(&path), before);
}

#[tokio::test]
async fn native_backups_that_are_not_there_are_said_to_be_missing() {
    let base = tempdir().unwrap();
    let (path, backups) = (fixture(base.path()), base.path().join("backups"));
    assert_error(engine(native_list(&backups).await), ErrorClass::Failed, &["no native backup", "backups"]);
    assert!(!backups.exists());
    at(&path).native_backup(&backups).await.unwrap();
    let target = base.path().join("target");
    let words = ["no native backup 7", "backups"];
    assert_error(engine(native_restore(&backups, Some(7), &target).await), ErrorClass::Failed, &words);
    assert_error(engine(native_verify(&backups, Some(7)).await), ErrorClass::Failed, &words);
    assert!(!target.exists());
}

#[tokio::test]
async fn a_truncated_file_of_a_native_backup_is_noticed_by_restoring() {
    let base = tempdir().unwrap();
    let (path, backups) = (fixture(base.path()), base.path().join("backups"));
    at(&path).native_backup(&backups).await.unwrap();
    let shared = backups.join("shared_checksum");
    let file = shared.join(&names(&shared)[0]);
    let kept = fs::read(&file).unwrap();
    fs::write(&file, &kept[..kept.len() - 1]).unwrap();
    let target = base.path().join("target");
    // The engine's own check does not see it, as the documentation says.
    native_verify(&backups, None).await.unwrap();
    assert_error(engine(native_restore(&backups, None, &target).await), ErrorClass::Damaged, &["backups"]);
    let options = RocksDbOptions::default();
    let dump = RocksDbNamespace::from_native_backup(&backups, None, "db", options).await;
    assert_error(engine(dump), ErrorClass::Damaged, &["backups"]);
    fs::remove_file(&file).unwrap();
    assert_error(engine(native_verify(&backups, None).await), ErrorClass::Failed, &["no native backup"]);
    assert_eq!(names(base.path()), ["backups", "validator_0"]);
}
