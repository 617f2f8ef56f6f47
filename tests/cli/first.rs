//! A first backup that fails.

use std::fs;

use crate::program::Place;

#[test]
fn a_repository_that_a_failed_backup_made_is_removed_if_nothing_was_stored() {
    let place = Place::with_fixture();
    fs::write(place.path("bad.bcs"), b"\x05no map").unwrap();
    fs::create_dir(place.path("there")).unwrap();
    for repository in ["new", "there"] {
        place.run(&["import", "bad.bcs", repository, "--layout", "linera-0.15"]);
        let remark = ["backup", "rocksdb:db/validator_0", repository, "--annotate", "a=x\ny"];
        place.exits(1, &remark);
    }
    assert!(!place.path("new").exists());
    assert_eq!(fs::read_dir(place.path("there")).unwrap().count(), 0);
    // What was there before stays.
    place.done(&["backup", "rocksdb:db/validator_0", "repo"]);
    place.manifests().iter().chain(&place.packs()).for_each(|path| fs::remove_file(path).unwrap());
    place.exits(1, &["backup", "rocksdb:db/validator_0", "repo", "--annotate", "a=x\ny"]);
    assert!(place.path("repo/config.json").is_file());
}

#[test]
fn list_says_what_an_unfinished_backup_has_left() {
    let place = Place::with_dump();
    place.manifests().iter().for_each(|path| fs::remove_file(path).unwrap());
    let packs = place.packs();
    let bytes: u64 = packs.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    let text = place.exits(0, &["list", "repo"]).stdout;
    assert!(text.starts_with("no dumps; ") && text.contains("run the backup again"), "{text}");
    let json = place.done(&["list", "repo"]);
    assert_eq!((&json["packs"], &json["pack_bytes"]), (&packs.len().into(), &bytes.into()));
    packs.iter().for_each(|path| fs::remove_file(path).unwrap());
    assert_eq!(place.exits(0, &["list", "repo"]).stdout, "no dumps\n");
}
