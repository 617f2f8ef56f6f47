//! `fence`: on the database of a real validator.

use std::fs;

use rocksdb::{DB, Options};
use serde_json::Value;

use crate::program::{Place, fixture};

const SOURCE: &str = "rocksdb:db/validator_0";

fn digest(place: &Place) -> Value {
    place.done(&["digest", SOURCE])["digest"].clone()
}

/// Takes the network out of the fixture: the hash after the name in the network description.
fn network(place: &Place) -> String {
    let copy = place.path("copy-for-network");
    crate::program::copy(&place.path("db/validator_0"), &copy);
    let database = DB::open(&Options::default(), &copy).unwrap();
    let row = database.get(b"\0\x05\x77\0\0\0\0").unwrap().unwrap();
    let name = usize::from(row[4]);
    hex::encode(&row[5 + name..5 + name + 32])
}

/// Writes a survey of the fixture's chains where they stand. `change` is applied to its text.
fn survey(place: &Place, change: impl Fn(String) -> String) {
    let info: Value = serde_json::from_slice(&fs::read(fixture().join("info.json")).unwrap()).unwrap();
    let mut text = format!(
        "{{\"survey\":1,\"network\":\"{}\",\"validator\":\"02ab\",\"committees\":{{\"0\":{{\"03cd\":100}}}},\
         \"started\":\"2026-01-31T04:00:00Z\",\"old_instance\":\"its disk is destroyed\",\"chains\":2}}\n",
        network(place)
    );
    for line in info["at_backup"].as_array().unwrap() {
        let words: Vec<_> = line.as_str().unwrap().split(' ').collect();
        let value = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)).unwrap();
        text.push_str(&format!(
            "{{\"chain\":\"{}\",\"next_height\":{},\"block_hash\":\"{}\",\"verdict\":\"clean\",\"answers\":[\"eA==\"]}}\n",
            words[1],
            value("next_height="),
            value("tip=")
        ));
    }
    fs::write(place.path("survey.jsonl"), change(text)).unwrap();
}

#[test]
fn a_real_database_is_fenced_once_and_a_dump_of_it_stays_fenced() {
    let place = Place::with_fixture();
    survey(&place, |text| text);
    let before = digest(&place);
    let raise = ["fence", "raise", SOURCE, "--survey", "survey.jsonl"];
    place.exits(4, &["fence", "status", SOURCE]).says("not fenced: 2 chains of 2");
    let inspected = place.exits(0, &["inspect", SOURCE]).stdout;
    assert!(inspected.contains("not fenced: 2 of 2 chains"), "{inspected}");
    let dry = place.done(&[&raise[..], &["--dry-run"]].concat());
    assert_eq!((&dry["written"], &dry["dry_run"]), (&2.into(), &true.into()));
    assert_eq!(digest(&place), before);
    let made = place.done(&raise);
    assert_eq!(
        (&made["fenced"], &made["written"], &made["conditional"]),
        (&2.into(), &2.into(), &false.into())
    );
    let fenced = digest(&place);
    assert_ne!(fenced, before);
    assert_eq!(place.done(&raise)["written"], 0);
    assert_eq!(digest(&place), fenced);
    place.done(&["fence", "status", SOURCE]);
    let inspected = place.done(&["inspect", SOURCE]);
    assert_eq!((&inspected["fence"]["fenced"], &inspected["fence"]["bare"]), (&2.into(), &0.into()));
    assert!(place.done(&["inspect", "rocksdb:db/validator_0?layout=plain"])["fence"].is_null());
    place.done(&["backup", SOURCE, "repo"]);
    place.done(&["restore", "repo", "rocksdb:copy/validator_0"]);
    assert_eq!(place.done(&["fence", "status", "rocksdb:copy/validator_0"])["fenced"], 2);
}

#[test]
fn a_fence_without_a_survey_is_called_conditional() {
    let place = Place::with_fixture();
    let text = place.exits(0, &["fence", "raise", SOURCE, "--without-survey", "--dry-run"]).stdout;
    assert!(text.contains("conditional: "), "{text}");
    let made = place.done(&["fence", "raise", SOURCE, "--without-survey"]);
    assert_eq!(made["conditional"], true);
    assert!(made["caution"].as_str().unwrap().starts_with("conditional"), "{made}");
    place.exits(2, &["fence", "raise", SOURCE]).says("--survey");
}

#[test]
fn a_chain_that_only_received_messages_is_left_when_that_is_asked_for() {
    let place = Place::with_fixture();
    {
        let database = DB::open(&Options::default(), place.path("db/validator_0")).unwrap();
        let root_key = [&[0][..], &[0x5a; 32]].concat();
        database.put([&[0], &root_key[..], &[1, 9, 0, 0, 0, 0, 0, 0, 0]].concat(), [0, 0, 0, 1, 7]).unwrap();
        database.put([&[1], &root_key[..]].concat(), []).unwrap();
    }
    let before = digest(&place);
    let raise = ["fence", "raise", SOURCE, "--without-survey"];
    place.exits(4, &raise).says("expected rows of a state, found none");
    assert_eq!(digest(&place), before);
    let made = place.done(&[&raise[..], &["--leave-without-state"]].concat());
    assert_eq!((&made["fenced"], &made["without_state"]), (&2.into(), &1.into()));
    assert!(made["caution"].as_str().unwrap().contains("1 chain without a state is not fenced"), "{made}");
    assert_eq!(place.done(&["fence", "status", SOURCE])["without_state"], 1);
    place
        .exits(2, &["fence", "raise", SOURCE, "--survey", "x", "--leave-without-state"])
        .says("cannot be used with");
}

#[test]
fn every_refusal_writes_nothing() {
    let place = Place::with_fixture();
    let before = digest(&place);
    let raise = ["fence", "raise", SOURCE, "--survey", "survey.jsonl"];
    type Change = fn(String) -> String;
    let cases: [(Change, &str); 5] = [
        (|text| text.replacen("\"network\":\"", "\"network\":\"00000000", 1), "64 hex digits"),
        (
            |text| text.replacen("\"next_height\":12", "\"next_height\":13", 1),
            "expected next height 13, found 12",
        ),
        (
            |text| text.replacen("\"next_height\":12", "\"next_height\":11", 1),
            "expected next height 11, found 12",
        ),
        (|text| text.lines().take(2).map(|line| format!("{line}\n")).collect(), "expected 2 chains"),
        (|text| text.replacen("\"survey\":1", "\"survey\":1,\"x\":1", 1), "unknown field"),
    ];
    for (change, says) in cases {
        survey(&place, change);
        place.exits(4, &raise).says(says);
        assert_eq!(digest(&place), before, "{says}");
        fs::remove_dir_all(place.path("copy-for-network")).unwrap();
    }
    for layout in ["plain", "linera-0.16"] {
        let source = format!("{SOURCE}?layout={layout}");
        place.exits(4, &["fence", "raise", &source, "--without-survey"]).says(layout);
    }
    let open = DB::open(&Options::default(), place.path("db/validator_0")).unwrap();
    place.exits(4, &["fence", "raise", SOURCE, "--without-survey"]).says("it is in use");
    drop(open);
    assert_eq!(digest(&place), before);
    place
        .exits(2, &["fence", "thaw", SOURCE, "--chain", "12", "--survey", "survey.jsonl"])
        .says("64 hex digits");
    place.exits(2, &["fence", "status", "rocksdb-backup:x"]).says("is not changed");
    place.exits(1, &["fence", "raise", SOURCE, "--survey", "none"]).says("opening the survey none");
}

#[test]
fn an_open_chain_is_frozen_and_thawed() {
    let place = Place::with_fixture();
    survey(&place, |text| text.replacen("clean", "open", 1));
    let made = place.done(&["fence", "raise", SOURCE, "--survey", "survey.jsonl"]);
    assert_eq!((&made["frozen"], &made["fenced"]), (&1.into(), &1.into()));
    fs::remove_dir_all(place.path("copy-for-network")).unwrap();
    let info: Value = serde_json::from_slice(&fs::read(fixture().join("info.json")).unwrap()).unwrap();
    let chain = info["chains"][0].as_str().unwrap();
    let thaw = ["fence", "thaw", SOURCE, "--chain", chain, "--survey", "survey.jsonl"];
    place.exits(4, &thaw).says("expected the verdict clean");
    survey(&place, |text| text);
    let thawed = place.done(&thaw);
    assert_eq!(thawed["next_height"], 12);
    assert_eq!(place.done(&["fence", "status", SOURCE])["fenced"], 2);
}

/// Makes a database of so many chains with one block each.
fn create_chains(place: &Place, chains: u32) {
    let path = place.path("db/many");
    fs::create_dir_all(&path).unwrap();
    let mut options = Options::default();
    options.create_if_missing(true);
    let database = DB::open(&options, path).unwrap();
    let mut batch = rocksdb::WriteBatch::default();
    let mut put = |root_key: &[u8], key: &[u8], value: &[u8]| {
        batch.put([&[0], root_key, key, &[0; 4]].concat(), [&[0, 0, 0, 1], value].concat());
        batch.put([&[1], root_key].concat(), []);
    };
    put(&[5], &[0x77], &[&[0][..], &[7; 32]].concat());
    for number in 0..chains {
        let root_key = [&[0; 29][..], &number.to_be_bytes()].concat();
        let tip = [&[1][..], &[1; 32], &1u64.to_le_bytes(), &[0; 12]].concat();
        put(&root_key, &[1, 2, 0, 0, 0], &tip);
        put(&root_key, &[1, 3, 0, 0, 0, 1, 1, 0, 0, 0], &1u64.to_le_bytes());
        put(&root_key, &[1, 9], &[9; 2_000]);
    }
    database.write(batch).unwrap();
}

#[test]
fn twenty_thousand_chains_are_fenced_in_two_batches() {
    let place = Place::empty();
    create_chains(&place, 20_000);
    let raise = ["fence", "raise", "rocksdb:db/many", "--without-survey"];
    let made = place.done(&raise);
    assert_eq!(
        (&made["chains"], &made["fenced"], &made["written"]),
        (&20_000.into(), &20_000.into(), &20_000.into())
    );
    println!("20,000 chains were fenced in {} s", made["seconds"]);
    assert_eq!(place.done(&raise)["written"], 0);
    assert_eq!(place.done(&["fence", "status", "rocksdb:db/many"])["fenced"], 20_000);
}
