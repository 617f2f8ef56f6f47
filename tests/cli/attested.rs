//! Attestations: what verify leaves, who shows it, and what restore requires.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::program::{Place, Run};

const SOURCE: &str = "rocksdb:db/validator_0";
const SIGN: [&str; 2] = ["--sign-key", "operator.key"];
const TRUST: [&str; 4] = ["--trust", "node.key.pub", "--trust", "operator.key.pub"];

/// A place with a dump that key `node.key` signed, and keys `operator.key` and `other.key`. Returns also the id of the dump.
fn with_dump() -> (Place, String) {
    let place = Place::with_fixture();
    for name in ["node.key", "operator.key", "other.key"] {
        place.done(&["key", "generate", "--sign", name]);
    }
    let made = place.done(&["backup", SOURCE, "repo", "--sign-key", "node.key"]);
    let id = made["dump"].as_str().unwrap().to_owned();
    (place, id)
}

fn with<'a>(arguments: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [arguments, more].concat()
}

/// Lists the one dump; returns what is attested: `verified` and `boot_proven`.
fn listed(place: &Place, more: &[&str]) -> (Value, Value) {
    let list = place.done(&with(&["list", "repo"], more));
    let dump = &list["dumps"][0];
    (dump["verified"].clone(), dump["boot_proven"].clone())
}

fn reports(place: &Place) -> Vec<String> {
    let Ok(found) = fs::read_dir(place.path("repo/reports")) else { return Vec::new() };
    let mut names: Vec<_> = found.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn restore<'a>(require: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    with(&["restore", "repo", "rocksdb:out/v", "--for-key", "none", "--require", require], more)
}

#[test]
fn what_verify_attests_is_shown_by_list_inspect_metrics_and_report_and_checked_by_minisign() {
    let (place, id) = with_dump();
    assert_eq!(listed(&place, &TRUST), (Value::Null, Value::Null));
    let verified = place.done(&with(&["verify", "repo"], &[&SIGN[..], &TRUST].concat()));
    let [attestation] = verified["attestations"].as_array().unwrap().as_slice() else { panic!("{verified}") };
    let name = format!("{}.json", attestation.as_str().unwrap());
    assert_eq!(reports(&place), [name.clone(), format!("{name}.minisig")]);
    let file: Value =
        serde_json::from_slice(&fs::read(place.path(&format!("repo/reports/{name}"))).unwrap()).unwrap();
    assert_eq!((&file["proven"], &file["dumps"][&id]), (&"content".into(), &verified["digest"]));

    let mut command = Command::new("minisign");
    command.args(["-V", "-H", "-p", "operator.key.pub", "-m", &format!("repo/reports/{name}")]);
    let output =
        command.current_dir(place.path("")).output().expect("minisign is installed by `cargo xtask setup`");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("Trusted comment: kvbackup attestation="), "{said}");

    let (shown, boots) = listed(&place, &TRUST);
    assert_eq!((&shown["proven"], &shown["signature"]), (&"content".into(), &"good".into()));
    assert!(shown["tool"].as_str().unwrap().starts_with("kvbackup ") && boots.is_null());
    let time = shown["time"].as_str().unwrap();
    let text = place.exits(0, &with(&["list", "repo"], &TRUST)).stdout;
    assert!(text.contains("verified") && text.contains("boot-proven"), "{text}");
    let (unchecked, _) = listed(&place, &[]);
    assert_eq!(
        (&unchecked["signature"], &unchecked["signed_by"]),
        (&"unchecked".into(), &shown["signed_by"])
    );

    let inspected = place.done(&with(&["inspect", "repo"], &TRUST));
    assert_eq!((&inspected["verified"], &inspected["boot_proven"]), (&shown, &Value::Null));
    let metrics = place.exits(0, &with(&["metrics", "repo"], &TRUST)).stdout;
    for family in
        ["kvbackup_last_proven_timestamp_seconds{", "kvbackup_newest_dump_proven_timestamp_seconds{"]
    {
        let line = metrics.lines().find(|line| line.starts_with(family)).expect(&metrics);
        assert!(line.contains("proven=\"content\""), "{line}");
    }
    assert!(metrics.contains("kvbackup_attestations_ignored{"), "{metrics}");
    place.done(&with(&["report", "repo", "--out", "page.html"], &TRUST));
    let page = fs::read_to_string(place.path("page.html")).unwrap();
    let minute = &time[..16].replace('T', " ");
    assert!(
        page.contains("Boot-proven: not recorded") && page.contains("(<bdi class=\"name\">content</bdi>)"),
        "{page}"
    );
    assert!(page.contains(minute), "{minute}");
}

#[test]
fn a_restore_gets_what_it_requires_or_says_what_is_missing() {
    let (place, id) = with_dump();
    place.exits(2, &restore("verified", &[])).says("rests on the word of trusted keys");
    place.exits(2, &restore("good", &TRUST)).says("boot-proven");
    place
        .exits(4, &restore("signed,verified", &TRUST))
        .says(&id[..12])
        .says("nothing is attested")
        .says("kvbackup verify repo --dump");
    // Neither a look at the structure, nor the word of a key that is not trusted, nor nobody's is enough.
    place.done(&with(&["verify", "repo", "--level", "1"], &SIGN));
    place.done(&["verify", "repo", "--sign-key", "other.key"]);
    place.done(&["verify", "repo", "--attest"]);
    place
        .exits(4, &restore("verified", &TRUST))
        .says("the most that is attested is structure")
        .says("2 attestations do not count");
    assert!(!place.path("out").exists());
    place.done(&with(&["verify", "repo"], &SIGN));
    place
        .exits(4, &restore("verified,boot-proven", &TRUST))
        .says("that a validator boots on it")
        .says("`bootproof repo");
    let restored = place.done(&restore("signed,verified", &TRUST));
    assert_eq!(restored["required"], serde_json::json!(["signed", "verified"]));
}

#[test]
fn what_a_proof_is_about_and_how_far_it_goes_is_attested() {
    let (place, first) = with_dump();
    let second = place.done(&["backup", SOURCE, "repo", "--annotate", "a=1"])["dump"].clone();
    let proven = |arguments: &[&str]| {
        let before = reports(&place);
        place.done(&with(arguments, &SIGN));
        let new =
            reports(&place).into_iter().filter(|name| !before.contains(name) && name.ends_with(".json"));
        let mut found = Vec::new();
        for name in new {
            let json = fs::read(place.path(&format!("repo/reports/{name}"))).unwrap();
            let file: Value = serde_json::from_slice(&json).unwrap();
            found.push((file["proven"].clone(), file["dumps"].as_object().unwrap().len()));
        }
        found
    };
    assert_eq!(proven(&["verify", "repo", "--level", "1"]), [("structure".into(), 1)]);
    assert_eq!(proven(&["verify", "repo", "--subset", "1/2"]), [("structure".into(), 1)]);
    assert_eq!(proven(&["verify", "repo", "--dump", &first, "--level", "4"]), [("restored".into(), 1)]);
    assert_eq!(proven(&["verify", "repo", "--all"]), [("content".into(), 2)]);
    assert_eq!(proven(&["verify", "repo", "--all", "--level", "1"]), [("structure".into(), 2)]);
    // What is bad is not attested.
    fs::remove_file(place.path(&format!("repo/manifests/{first}.json.minisig"))).unwrap();
    let before = reports(&place).len();
    place.exits(4, &with(&["verify", "repo", "--dump", &first], &[&SIGN[..], &TRUST].concat()));
    assert_eq!(reports(&place).len(), before);
    let pruned = place.done(&["prune", "repo"]);
    assert!(
        second.is_string() && pruned["attestations_removed"] == 0,
        "without keys nothing is needless: {pruned}"
    );
}

#[test]
fn nothing_is_attested_unless_somebody_asked_for_it() {
    let (place, _) = with_dump();
    let verified = place.done(&["verify", "repo"]);
    assert_eq!(verified["attestations"], serde_json::json!([]));
    assert!(reports(&place).is_empty());
    place.done(&["verify", "repo", "--attest"]);
    assert_eq!(reports(&place).len(), 1);
    let (shown, _) = listed(&place, &[]);
    assert_eq!((&shown["signature"], &shown["signed_by"]), (&"none".into(), &Value::Null));
    // Before anything is read: what nobody signs would not count.
    place.exits(4, &with(&["verify", "repo", "--attest"], &TRUST)).says("there is no key to sign with");
    place
        .exits(4, &["verify", "repo", "--sign-key", "other.key", "--trust", "node.key.pub"])
        .says("is not trusted");
    assert_eq!(reports(&place).len(), 1);
}

#[test]
fn what_could_not_be_attested_was_verified_all_the_same() {
    let (place, _) = with_dump();
    fs::write(place.path("repo/reports"), "in the way").unwrap();
    let run: Run = place.exits(1, &with(&["verify", "repo"], &SIGN));
    run.says("could not be attested");
    assert!(run.stdout.contains("the digest is right"), "{}", run.stdout);
}
