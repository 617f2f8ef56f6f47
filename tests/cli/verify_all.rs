//! Verifying all dumps at once.

use std::fs;

use crate::program::{Place, copy, fixture};

/// A repository with a dump of the whole fixture, and one of the empty namespace of another name.
fn two_dumps() -> Place {
    let place = Place::with_dump();
    copy(&fixture().join("namespace/validator_0"), &place.path("db/other"));
    place.done(&["backup", "rocksdb:db/other", "repo", "--annotate", "number=2"]);
    place
}

#[test]
fn all_dumps_are_verified_and_what_they_share_is_read_once() {
    let place = two_dumps();
    let found = place.done(&["verify", "repo", "--all"]);
    let dumps = found["dumps"].as_array().unwrap();
    assert_eq!(dumps.len(), 2);
    assert!(dumps.iter().all(|dump| dump["good"] == true && dump["digest_recomputed"] == true), "{found}");
    let one = dumps[0]["dump"].as_str().unwrap();
    let alone = place.done(&["verify", "repo", "--dump", one]);
    assert_eq!(found["segments_read"], alone["segments_read"]);
    let parts = ["1/2", "2/2"].map(|part| place.done(&["verify", "repo", "--all", "--subset", part]));
    let packs: u64 = parts.iter().map(|part| part["packs_read"].as_u64().unwrap()).sum();
    assert_eq!(packs, place.packs().len() as u64);
    let text = place.exits(0, &["verify", "repo", "--all", "--level", "1"]);
    assert_eq!(text.stdout.matches("good: all segments are there").count(), 2, "{text}");
    for wrong in [&["--dump", "0000"][..], &["--level", "4"], &["--against", "rocksdb:db/other"]] {
        place.exits(2, &[&["verify", "repo", "--all"], wrong].concat());
    }
}

#[test]
fn the_exit_code_is_the_worst_and_what_is_good_is_said_too() {
    let place = two_dumps();
    let manifest = place.path("repo/manifests").join(format!("{:064}.json", 1));
    fs::write(&manifest, "{}").unwrap();
    let found = place.exits(3, &["verify", "repo", "--all"]);
    found.says("1 of 3 dumps and 0 packs are not as they should be");
    assert_eq!(found.stdout.matches("the digest is right").count(), 2, "{found}");
    fs::remove_file(&manifest).unwrap();
    let pack = &place.packs()[0];
    let mut bytes = fs::read(pack).unwrap();
    bytes[100] ^= 1;
    fs::write(pack, bytes).unwrap();
    let found = place.exits(3, &["verify", "repo", "--all", "--json"]);
    assert_eq!(found.json()["packs_bad"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found.error()["exit_code"], 3);
}
