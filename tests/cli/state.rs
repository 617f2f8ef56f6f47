//! What is remembered of repositories, so that it is noticed when newer dumps are taken away.

use std::fs;

use crate::program::Place;

const SOURCE: &str = "rocksdb:db/validator_0";
const STATE: [&str; 2] = ["--state", "state.json"];

fn with_state<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [arguments, &STATE].concat()
}

/// Makes two dumps, and takes the second one away. Returns the place, with the id of that one.
fn without_last_dump() -> (Place, String) {
    let place = Place::with_fixture();
    place.done(&with_state(&["backup", SOURCE, "repo"]));
    let last = place.done(&with_state(&["backup", SOURCE, "repo"]))["dump"].as_str().unwrap().to_owned();
    fs::remove_file(place.path(&format!("repo/manifests/{last}.json"))).unwrap();
    (place, last)
}

#[test]
fn a_dump_that_was_taken_away_at_the_end_is_noticed_by_all_that_read_and_write() {
    let (place, last) = without_last_dump();
    let commands = [
        &["list", "repo"][..],
        &["verify", "repo"],
        &["verify", "repo", "--all"],
        &["restore", "repo", "rocksdb:out", "--for-key", "none"],
        &["backup", SOURCE, "repo"],
    ];
    for command in commands {
        place.exits(0, &[command, &["--help"]].concat());
        let run = place.exits(3, &with_state(command));
        run.says("has sequence 1").says(&last[..12]).says("with sequence 2 was there");
    }
    assert!(!place.path("out").exists());
    assert_eq!(place.manifests().len(), 1);
    // Nobody remembers it without the file, nor at another place of the same name.
    place.done(&["verify", "repo"]);
    place.done(&["verify", "repo", "--state", "other.json"]);
}

#[test]
fn a_reader_remembers_what_it_saw_wherever_it_stands() {
    let place = Place::with_dump();
    place.done(&with_state(&["list", "repo"]));
    let absolute = place.path("repo").display().to_string();
    place.done(&with_state(&["verify", &absolute]));
    let state: serde_json::Value =
        serde_json::from_slice(&fs::read(place.path("state.json")).unwrap()).unwrap();
    let repositories = state["repositories"].as_object().unwrap();
    assert_eq!(repositories.len(), 1, "one repository, however it is named: {state}");
    let manifest = place.manifests().remove(0);
    fs::rename(&manifest, place.path("away")).unwrap();
    place.exits(3, &with_state(&["list", "repo"])).says("has sequence 0");
    fs::rename(place.path("away"), manifest).unwrap();
    place.done(&with_state(&["list", "repo"]));
}

#[test]
fn another_repository_in_the_place_of_one_is_refused_and_none_is_left_behind() {
    let place = Place::with_fixture();
    place.done(&with_state(&["backup", SOURCE, "repo"]));
    fs::rename(place.path("repo"), place.path("gone")).unwrap();
    place.exits(3, &with_state(&["backup", SOURCE, "repo"])).says("another one was put in its place");
    assert!(!place.path("repo").exists());
    place.done(&["init", "repo"]);
    place.exits(3, &with_state(&["list", "repo"])).says("another one was put in its place");
}

#[test]
fn a_file_that_is_none_is_not_written_over() {
    let place = Place::with_dump();
    for content in ["", "{}", "[1]", r#"{"format": "kvbackup-state", "version": 2, "repositories": {}}"#] {
        fs::write(place.path("state.json"), content).unwrap();
        place.exits(1, &with_state(&["list", "repo"])).says("Remove it to forget what was seen");
        assert_eq!(fs::read_to_string(place.path("state.json")).unwrap(), content);
    }
    place.exits(1, &["list", "repo", "--state", "missing/state.json"]).says("locking the state file");
}

#[test]
fn a_dry_run_remembers_nothing() {
    let place = Place::with_fixture();
    place.done(&with_state(&["backup", SOURCE, "repo", "--dry-run"]));
    assert!(!place.path("state.json").exists());
}
