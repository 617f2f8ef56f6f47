//! Forgetting dumps, and taking that back.

use serde_json::Value;

use crate::program::Place;

/// A repository with three dumps of the fixture.
fn three_dumps() -> (Place, Vec<String>) {
    let place = Place::with_fixture();
    let backup = |number: usize| {
        let annotation = format!("number={number}");
        let made = place.done(&["backup", "rocksdb:db/validator_0", "repo", "--annotate", &annotation]);
        made["dump"].as_str().unwrap().to_owned()
    };
    let ids = (0..3).map(backup).collect();
    (place, ids)
}

fn ids(listed: &Value) -> Vec<&str> {
    listed.as_array().unwrap().iter().map(|dump| dump["dump"].as_str().unwrap()).collect()
}

#[test]
fn rules_say_which_dumps_stay_and_a_dry_run_says_it_before() {
    let (place, all) = three_dumps();
    let dry = place.exits(0, &["forget", "repo", "--keep-last", "2", "--dry-run"]);
    assert!(dry.stdout.contains("stays: newest, last") && dry.stdout.contains("goes"), "{dry}");
    assert!(dry.stdout.contains("would go     1 dump; 2 stay"), "{dry}");
    assert_eq!(ids(&place.done(&["list", "repo"])["dumps"]).len(), 3);

    let report = place.done(&["forget", "repo", "--keep-last", "2"]);
    assert_eq!((&report["forgotten"], &report["kept"]), (&1.into(), &2.into()));
    let group = &report["groups"][0];
    assert_eq!(group["namespace"], "validator_0");
    let dumps = group["dumps"].as_array().unwrap();
    assert_eq!(dumps[0]["reasons"], serde_json::json!(["newest", "last"]));
    assert_eq!((&dumps[2]["dump"], &dumps[2]["goes"]), (&all[0].as_str().into(), &true.into()));
    assert_eq!(ids(&place.done(&["list", "repo"])["dumps"]), all[1..]);
    place.done(&["verify", "repo", "--level", "2"]);
}

#[test]
fn what_was_forgotten_can_be_had_back() {
    let (place, all) = three_dumps();
    place.done(&["forget", "repo", "--dump", &all[1][..8]]);
    place.exits(1, &["restore", "repo", "rocksdb:copy/validator_0", "--dump", &all[1]]);
    assert_eq!(ids(&place.done(&["unforget", "repo"])["forgotten"]), [&all[1]]);
    assert_eq!(place.done(&["unforget", "repo", "--dump", &all[1][..8]])["dump"], all[1].as_str());
    assert_eq!(ids(&place.done(&["list", "repo"])["dumps"]), all);
    place.done(&["restore", "repo", "rocksdb:copy/validator_0", "--dump", &all[1]]);
    let nothing = place.exits(0, &["unforget", "repo"]);
    assert_eq!(nothing.stdout, "no forgotten dumps\n");
}

#[test]
fn what_would_endanger_something_is_refused_and_changes_nothing() {
    let (place, all) = three_dumps();
    place.exits(2, &["forget", "repo"]).says("--keep-daily 7, or --dump ID");
    place.exits(2, &["forget", "repo", "--keep-within", "7"]).says("expected h, d, w or y");
    place.exits(2, &["forget", "repo", "--dump", "latest"]).says("hex digits");
    place.exits(4, &["forget", "repo", "--dump", &all[2]]).says("is the newest of namespace validator_0");
    place.exits(4, &["forget", "repo", "--keep-last", "1"]).says("2 of 3 dumps would go");
    place.exits(1, &["unforget", "repo", "--dump", "0000"]).says("there is no forgotten dump 0000");
    let manifest = place.path(&format!("repo/manifests/{}.json", all[0]));
    std::fs::write(&manifest, "{}").unwrap();
    place.exits(4, &["forget", "repo", "--keep-last", "2"]).says("cannot be read");
    assert_eq!(place.manifests().len(), 3);
    assert!(!place.path("repo/forgotten").exists());
}
