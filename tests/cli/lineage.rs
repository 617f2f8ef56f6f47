//! The order of dumps, and how a dump differs from the one before it.

use std::fs;

use backup_format::ObjectId;
use rocksdb::{DB, Options};
use serde_json::Value;

use crate::program::{Place, copy, fixture, names_of};

const SOURCE: &str = "rocksdb:db/validator_0";

/// Adds a block to the namespace, as linera stores it.
fn add_block(place: &Place, number: u8) {
    let database = DB::open(&Options::default(), place.path("db/validator_0")).unwrap();
    let row = [&[0][..], &[1], &[number; 32], &[0x5b], &[0; 4]].concat();
    database.put(row, b"\0\0\0\x01another certificate").unwrap();
    database.put([&[1, 1][..], &[number; 32]].concat(), []).unwrap();
}

/// Gives the only dump another manifest, under the name that it ought to have.
fn forge(place: &Place, edit: impl FnOnce(&mut Value)) -> String {
    let path = place.manifests().remove(0);
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    edit(&mut manifest);
    let bytes = serde_json::to_vec_pretty(&manifest).unwrap();
    let id = ObjectId::of_file(&bytes).to_string();
    fs::remove_file(path).unwrap();
    fs::write(place.path(&format!("repo/manifests/{id}.json")), bytes).unwrap();
    id
}

#[test]
fn a_dump_of_a_clock_that_was_wrong_is_marked_and_what_follows_it_is_the_latest() {
    let place = Place::with_dump();
    let future = forge(&place, |manifest| manifest["finished"] = "2999-01-01T00:00:00Z".into());
    add_block(&place, 7);
    place.done(&["export", "repo", "validator_0.bcs"]);
    let import = ["import", "validator_0.bcs", "repo", "--layout", "linera-0.15"];
    for arguments in [&["backup", SOURCE, "repo"][..], &["backup", SOURCE, "repo", "--dry-run"], &import] {
        let run = place.exits(4, arguments);
        run.says("2999-01-01T00:00:00Z").says(&future[..12]).says("--allow-clock-behind");
    }
    assert_eq!(place.manifests().len(), 1);
    let made = place.done(&["backup", SOURCE, "repo", "--allow-clock-behind"]);
    assert_eq!((&made["sequence"], &made["previous"][0]), (&2.into(), &future.clone().into()));
    assert!(made["warnings"][0].as_str().unwrap().contains("one of the two clocks was wrong"), "{made}");
    assert_eq!(place.done(&["verify", "repo"])["dump"], made["dump"]);
    assert_eq!(place.done(&["restore", "repo", "memory:"])["dump"], made["dump"]);

    let listed = place.done(&["list", "repo"]);
    let marks = listed["dumps"].as_array().unwrap().iter().map(|dump| (&dump["sequence"], &dump["future"]));
    assert_eq!(marks.collect::<Vec<_>>(), [(&1.into(), &true.into()), (&2.into(), &false.into())]);
    let text = place.exits(0, &["list", "repo"]).stdout;
    assert!(text.contains(&format!("{}  FUTURE", &future[..12])), "{text}");
    // The clock of the last dump counts from now on.
    let next = place.done(&["backup", SOURCE, "repo"]);
    assert_eq!((&next["sequence"], next["warnings"].as_array().unwrap().len()), (&3.into(), 0));
}

#[test]
fn a_dump_says_how_it_differs_from_the_one_before() {
    let place = Place::with_fixture();
    let first = place.done(&["backup", SOURCE, "repo"]);
    assert_eq!((&first["since"], &first["sequence"]), (&Value::Null, &1.into()));
    add_block(&place, 8);
    let text = place.exits(0, &["backup", SOURCE, "repo", "--dry-run"]).stdout;
    let line = format!("since        {}: +1 entry, +1 partition, ", &first["dump"].as_str().unwrap()[..12]);
    assert!(text.contains(&line), "{text}");
    let second = place.done(&["backup", SOURCE, "repo"]);
    let since = &second["since"];
    assert_eq!(
        (&since["dump"], &since["entries"], &since["partitions"]),
        (&first["dump"], &1.into(), &1.into())
    );
    let count = |side: &str, field: &str| since[side][field].as_i64().unwrap();
    assert_eq!(count("new", "entries") - count("gone", "entries"), 1);
    assert_eq!(
        count("new", "plain_bytes") - count("gone", "plain_bytes"),
        since["plain_bytes"].as_i64().unwrap()
    );
}

#[test]
fn a_log_that_was_cut_short_is_refused_where_a_dump_of_the_whole_is_there() {
    let place = Place::with_dump();
    let log = names_of(&place.path("db/validator_0"))
        .into_iter()
        .find(|path| path.extension().is_some_and(|e| e == "log"));
    let log = log.unwrap();
    let length = fs::metadata(&log).unwrap().len();
    fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(length / 3).unwrap();
    for arguments in [&["backup", SOURCE, "repo"][..], &["backup", SOURCE, "repo", "--dry-run"]] {
        place.exits(4, arguments).says("% less").says("cut short").says("--max-shrink PERCENT");
    }
    assert_eq!(place.manifests().len(), 1);
    place.exits(2, &["backup", SOURCE, "repo", "--max-shrink", "101"]);
    let made = place.done(&["backup", SOURCE, "repo", "--max-shrink", "100"]);
    assert!(made["since"]["entries"].as_i64().unwrap() < 0, "{made}");
}

#[test]
fn a_repository_of_the_first_program_goes_on() {
    let place = Place::with_fixture();
    copy(&fixture().join("../repository-v1"), &place.path("repo"));
    let old = names_of(&place.path("repo/manifests")).remove(0);
    let old = old.file_stem().unwrap().to_str().unwrap();
    assert_eq!(place.done(&["list", "repo"])["dumps"][0]["sequence"], 0);
    let made = place.done(&["backup", SOURCE, "repo"]);
    assert_eq!((&made["sequence"], &made["previous"][0]), (&1.into(), &old.into()));
    assert_eq!(place.done(&["verify", "repo"])["dump"], made["dump"]);
}
