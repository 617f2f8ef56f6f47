//! The way of the data on a database that linera wrote: one digest everywhere.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::program::{Place, fixture, origin};

#[test]
fn a_namespace_is_dumped_verified_restored_and_compared_with_one_digest_everywhere() {
    let place = Place::with_fixture();
    let source = "rocksdb:db/validator_0";
    let made = place.done(&["backup", source, "repo", "--origin", &origin()]);
    let restored = "rocksdb:copy/validator_0";
    let runs: [&[&str]; 9] = [
        &["digest", source],
        &["verify", "repo", "--level", "1"],
        &["verify", "repo", "--level", "2"],
        &["verify", "repo", "--level", "4"],
        &["restore", "repo", restored],
        &["restore", "repo", "memory:"],
        &["digest", restored],
        &["verify", "repo", "--against", restored],
        &["backup", restored, "repo2"],
    ];
    for arguments in runs {
        let found = place.done(arguments);
        assert_eq!(found["digest"], made["digest"], "{arguments:?}");
        assert_eq!(found["entries"], made["entries"], "{arguments:?}");
    }
}

#[test]
fn the_dump_holds_what_linera_says_that_it_wrote() {
    let place = Place::with_fixture();
    let made = place.done(&["backup", "rocksdb:db/validator_0", "repo", "--origin", &origin()]);
    let listed = fs::read_to_string(fixture().join("entries.txt")).unwrap();
    let entries: Vec<_> = listed.lines().map(|line| line.split(' ').collect::<Vec<_>>()).collect();
    let entries: Vec<_> = entries.iter().filter(|words| words.len() == 4 && words[2].len() == 64).collect();
    let mut partitions: Vec<_> = entries.iter().map(|words| words[0]).collect();
    partitions.dedup();
    assert_eq!(made["entries"], entries.len());
    assert_eq!(made["partitions"], partitions.len());
    assert_eq!(made["namespace"], "validator_0");
    assert_eq!(made["consistency"], "point_in_time");
    assert_eq!(made["source"]["engine"], "rocksdb");
    assert_eq!(made["source"]["layout"], "linera-0.15");
    assert_eq!(made["source"]["origin"], origin());
    let kind = |root_key: &str| match &root_key[..2] {
        "00" => "chain_state",
        "01" => "block",
        "02" => "blob",
        "03" => "event",
        "05" => "network_description",
        "07" => "block_by_height",
        "08" => "event_block_height",
        other => panic!("root keys with {other}"),
    };
    let mut expected = BTreeMap::new();
    for words in entries {
        *expected.entry(kind(words[0])).or_insert(0u64) += 1;
    }
    let contents = made["contents"].as_array().unwrap();
    let number = |content: &Value| content["entries"].as_u64().unwrap();
    let found = contents.iter().map(|content| (content["kind"].as_str().unwrap(), number(content)));
    assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
}

#[test]
fn a_second_dump_of_the_same_content_stores_a_manifest_and_no_object() {
    let place = Place::with_fixture();
    let first = place.done(&["backup", "rocksdb:db/validator_0", "repo"]);
    let again =
        place.done(&["backup", "rocksdb:db/validator_0", "repo", "--codec", "none", "--workers", "7"]);
    assert!(first["new_objects"].as_u64().unwrap() > 0);
    assert_eq!(again["new_objects"], 0);
    assert_eq!(again["root"], first["root"]);
    assert_ne!(again["dump"], first["dump"]);
    let listed = place.done(&["list", "repo"]);
    let ids: Vec<_> = listed["dumps"].as_array().unwrap().iter().map(|dump| &dump["dump"]).collect();
    assert_eq!(ids, [&first["dump"], &again["dump"]], "the newest last");
    let inspected = place.done(&["inspect", "repo", "--dump", &first["dump"].as_str().unwrap()[..8]]);
    assert_eq!(inspected["dump"], first["dump"]);
    assert_eq!(place.done(&["inspect", "repo"])["dump"], again["dump"]);
}

#[test]
fn a_dry_run_tells_what_would_be_and_leaves_nothing() {
    let place = Place::with_fixture();
    let planned = place.done(&["backup", "rocksdb:db/validator_0", "repo", "--dry-run"]);
    assert!(!place.path("repo").exists());
    let made = place.done(&["backup", "rocksdb:db/validator_0", "repo"]);
    assert_eq!(planned["digest"], made["digest"]);
    // Where segments end depends on the salt of a repository: counts are foretold for one that exists.
    fs::create_dir(place.path("empty")).unwrap();
    fs::copy(place.path("repo/config.json"), place.path("empty/config.json")).unwrap();
    let planned = place.done(&["backup", "rocksdb:db/validator_0", "empty", "--dry-run"]);
    assert_eq!(planned["new_objects"], made["new_objects"]);
    assert_eq!(fs::read_dir(place.path("empty")).unwrap().count(), 1);
    let planned = place.done(&["restore", "repo", "rocksdb:copy/validator_0", "--dry-run"]);
    assert_eq!(planned["dry_run"], true);
    assert_eq!(planned["digest"], made["digest"]);
    assert!(!place.path("copy").exists());
    place.exits(4, &["restore", "repo", "rocksdb:db/validator_0", "--dry-run"]).says("not empty");
}

#[test]
fn parts_of_a_dump_are_verified_on_different_days() {
    let place = Place::with_dump();
    let whole = place.done(&["verify", "repo"]);
    let mut segments = 0;
    for part in ["1/3", "2/3", "3/3"] {
        let report = place.done(&["verify", "repo", "--subset", part]);
        assert_eq!(report["digest_recomputed"], false);
        assert_eq!(report["subset"], part);
        segments += report["segments_read"].as_u64().unwrap();
    }
    assert_eq!(whole["digest_recomputed"], true);
    assert!(whole["subset"].is_null());
    assert_eq!(whole["segments_read"], segments);
}

#[test]
fn the_source_is_left_as_it_was() {
    let place = Place::with_fixture();
    place.done(&["backup", "rocksdb:db/validator_0", "repo"]);
    place.done(&["digest", "rocksdb:db/validator_0"]);
    for entry in fs::read_dir(fixture().join("namespace/validator_0")).unwrap() {
        let original = entry.unwrap().path();
        let copied = place.path("db/validator_0").join(original.file_name().unwrap());
        assert!(fs::read(&original).unwrap() == fs::read(&copied).unwrap(), "{copied:?} was changed");
    }
    let count = |path| fs::read_dir(path).unwrap().count();
    assert_eq!(count(place.path("db/validator_0")), count(fixture().join("namespace/validator_0")));
}
