//! Names of namespaces, and words that a shell or this program would take otherwise.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use crate::program::{Place, Run, copy};

fn namespaces(place: &Place) -> Vec<String> {
    let listed = place.done(&["list", "repo"]);
    let dumps = listed["dumps"].as_array().unwrap().iter();
    dumps.map(|dump| dump["namespace"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_database_has_one_name_however_it_is_reached() {
    let place = Place::with_fixture();
    symlink("validator_0", place.path("db/link")).unwrap();
    std::fs::create_dir(place.path("db/empty")).unwrap();
    for (directory, source) in
        [("", "rocksdb:db/link"), ("db/validator_0", "rocksdb:."), ("db/empty", "rocksdb:../validator_0/")]
    {
        let repository = place.path("repo");
        let arguments = ["backup", source, repository.to_str().unwrap()];
        let output = place.command(&arguments).current_dir(place.path(directory)).output().unwrap();
        let run = Run::new(&arguments, output);
        assert_eq!(run.code, Some(0), "{run}");
    }
    assert!(namespaces(&place).iter().all(|name| name == "validator_0"));
    place.done(&["verify", "repo"]);
}

#[test]
fn a_namespace_can_be_given_a_name() {
    let place = Place::with_fixture();
    copy(&place.path("db/validator_0"), &place.path("snapshots/2026-01-31"));
    place.done(&["backup", "rocksdb:db/validator_0", "repo"]);
    let source = "rocksdb:snapshots/2026-01-31";
    let made = place.done(&["backup", source, "repo", "--namespace", "validator_0"]);
    assert_eq!((&made["namespace"], &made["since"]["entries"]), (&"validator_0".into(), &0.into()));
    assert_eq!(namespaces(&place), ["validator_0"; 2]);
    place.done(&["restore", "repo", "memory:"]);
}

#[test]
fn a_path_with_a_question_mark_can_be_written() {
    let place = Place::with_fixture();
    copy(&place.path("db/validator_0"), &place.path("db/what?"));
    place.exits(2, &["digest", "rocksdb:db/what?"]).says("?layout=auto");
    let found = place.done(&["digest", "rocksdb:db/what??layout=auto"]);
    assert_eq!(found["namespace"], "what?");
}

#[test]
fn the_next_command_can_be_pasted_into_a_shell() {
    let place = Place::with_fixture();
    let made = place.exits(0, &["backup", "rocksdb:db/validator_0", "my repo's"]);
    let next = made.stdout.lines().find_map(|line| line.strip_prefix("next")).unwrap().trim();
    assert_eq!(next, r"kvbackup verify 'my repo'\''s'");
    let native = place.exits(0, &["native-backup", "rocksdb:db/validator_0", "my engine"]);
    assert!(native.stdout.contains("kvbackup backup 'rocksdb-backup:my engine#1' REPO"), "{native}");
}

#[test]
fn an_argument_that_is_no_text_is_named() {
    let place = Place::with_dump();
    for json in [false, true] {
        let mut command = place.command(&["verify", "repo", "--dump"]);
        command.arg(OsStr::from_bytes(b"ab\xffcd"));
        if json {
            command.arg("--json");
        }
        let run = Run::new(&["verify"], command.output().unwrap());
        assert_eq!(run.code, Some(2), "{run}");
        run.says("ab\\").says("is not UTF-8");
    }
}

#[test]
fn a_database_that_is_not_lineras_is_dumped_only_if_that_is_meant() {
    let place = Place::empty();
    std::fs::create_dir(place.path("db")).unwrap();
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    let database = rocksdb::DB::open(&options, place.path("db/other")).unwrap();
    for number in 0..100 {
        database.put(format!("key {number}"), b"value").unwrap();
    }
    drop(database);
    let found = place.exits(4, &["backup", "rocksdb:db/other", "repo"]);
    found.says("no row looks like linera's").says("--allow-implausible");
    assert!(!place.path("repo").exists(), "{found}");
    place.done(&["digest", "rocksdb:db/other"]);
    place.done(&["backup", "rocksdb:db/other", "repo", "--allow-implausible"]);
    place.done(&["backup", "rocksdb:db/other?layout=plain", "rows"]);
}
