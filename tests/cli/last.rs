//! `backup --last`: a validator moves with its key, and nothing starts from where it was.

use std::fs;

use rocksdb::{DB, Options};
use serde_json::Value;

use crate::program::{Place, names_of, origin};

const SOURCE: &str = "rocksdb:db/validator_0";
const NEW: &str = "rocksdb:new/validator_0";

fn last(place: &Place) -> Value {
    place.done(&["backup", SOURCE, "repo", "--origin", &origin(), "--last"])
}

fn restore<'a>(target: &'a str, key: &'a str) -> [&'a str; 5] {
    ["restore", "repo", target, "--for-key", key]
}

fn of_dump<'a>(line: [&'a str; 5], dump: &'a str) -> Vec<&'a str> {
    [&line[..], &["--dump", dump]].concat()
}

/// Opens the database as a validator does.
fn open(place: &Place, name: &str) -> Result<DB, rocksdb::Error> {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    let path = place.path(name);
    let families = DB::list_cf(&options, &path).unwrap_or_else(|_| vec!["default".to_owned()]);
    DB::open_cf(&options, path, families)
}

#[test]
fn a_validator_moves_with_its_key_once() {
    let place = Place::with_fixture();
    let own = origin();
    let before = place.done(&["digest", SOURCE])["digest"].clone();
    let made = last(&place);
    assert_eq!((&made["last"], &made["digest"]), (&true.into(), &before));
    // A dump that is made each night is still made.
    assert_eq!(place.done(&["backup", SOURCE, "repo", "--origin", &own])["digest"], before);
    let dump = made["dump"].as_str().unwrap();
    let restored = place.done(&of_dump(restore(NEW, &own), dump));
    assert_eq!((&restored["scenario"], &restored["digest"]), (&"last_own_key".into(), &before));
    open(&place, "new/validator_0").unwrap();
    for target in [NEW, "rocksdb:other/validator_0"] {
        place.exits(4, &of_dump(restore(target, &own), dump));
    }
    let again = of_dump(restore("rocksdb:other/validator_0", &own), dump);
    place.exits(4, &again).says("could sign twice").says(NEW);
    assert!(!place.path("other").exists());
    place.done(&restore("rocksdb:observer/validator_0", "none"));
    place.done(&[&restore("rocksdb:other/validator_0", &own)[..], &["--accept-stale-own-key"]].concat());
}

#[test]
fn a_retired_database_is_read_by_us_and_opened_by_nobody() {
    let place = Place::with_fixture();
    let before = place.done(&["digest", SOURCE])["digest"].clone();
    let files = names_of(&place.path("db/validator_0"));
    let made = last(&place);
    for _ in 0..2 {
        let error = open(&place, "db/validator_0").unwrap_err().to_string();
        assert!(error.contains("CURRENT"), "{error}");
    }
    let after = names_of(&place.path("db/validator_0"));
    assert!(files.iter().all(|file| after.contains(file)), "{files:?} {after:?}");
    assert_eq!(place.done(&["digest", SOURCE])["digest"], before);
    place.done(&["verify", "repo", "--against", SOURCE]);
    place.exits(4, &["fence", "raise", SOURCE, "--without-survey"]).says("it was retired for its last dump");
    place.exits(4, &["native-backup", SOURCE, "native"]).says("it was retired for its last dump");
    let again = last(&place);
    assert_eq!((&again["dump"], &again["new_packs"]), (&made["dump"], &0.into()));
    assert!(again["warnings"][0].as_str().unwrap().contains("nothing was read"), "{again}");
    let elsewhere = ["backup", SOURCE, "another", "--origin", &origin(), "--last"];
    place.exits(4, &elsewhere).says("was retired for dump");
}

#[test]
fn a_database_that_runs_is_not_retired() {
    let place = Place::with_fixture();
    let running = open(&place, "db/validator_0").unwrap();
    let backup = ["backup", SOURCE, "repo", "--origin", &origin(), "--last"];
    place.exits(4, &backup).says("it is in use").says("another program holds its lock");
    assert!(!place.path("repo").exists());
    drop(running);
    place.done(&backup);
}

#[test]
fn a_last_dump_is_made_by_one_process_of_a_database_that_can_be_retired() {
    let place = Place::with_fixture();
    place.exits(2, &["backup", SOURCE, "repo", "--last"]).says("--origin");
    place.done(&["native-backup", SOURCE, "native"]);
    let backup = ["backup", "rocksdb-backup:native", "repo", "--origin", &origin(), "--last"];
    place.exits(2, &backup).says("from which nothing starts");
    let dry = place.done(&["backup", SOURCE, "repo", "--origin", &origin(), "--last", "--dry-run"]);
    assert_eq!(dry["last"], true);
    open(&place, "db/validator_0").unwrap();
}

#[test]
fn a_database_whose_current_file_is_altered_after_it_was_retired_is_damaged() {
    let place = Place::with_fixture();
    let made = last(&place);
    let kept = format!("db/validator_0/CURRENT.retired-{}", made["dump"].as_str().unwrap());
    fs::remove_file(place.path(&kept)).unwrap();
    place.exits(1, &["digest", SOURCE]).says("CURRENT");
}
