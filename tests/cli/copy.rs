//! Copying dumps to another repository.

use std::fs;

use crate::program::{Place, names_of};

#[test]
fn a_new_target_becomes_a_copy_and_the_next_run_copies_what_is_new() {
    let place = Place::with_dump();
    let dry = place.done(&["copy", "repo", "copy", "--dry-run"]);
    assert_eq!((&dry["whole"], &dry["dumps"][0]["outcome"]), (&true.into(), &"would be copied".into()));
    assert!(!place.path("copy").exists());

    let made = place.done(&["copy", "repo", "copy"]);
    assert_eq!(made["packs"], dry["packs"]);
    assert_eq!(made["dumps"][0]["from"], made["dumps"][0]["to"]);
    for name in ["config.json", "packs", "manifests"] {
        let (one, two) = (place.path(&format!("repo/{name}")), place.path(&format!("copy/{name}")));
        if one.is_dir() {
            let names = |path| {
                names_of(path).iter().map(|path| path.file_name().unwrap().to_owned()).collect::<Vec<_>>()
            };
            assert_eq!(names(&one), names(&two));
        } else {
            assert_eq!(fs::read(one).unwrap(), fs::read(two).unwrap());
        }
    }
    place.done(&["verify", "copy"]);
    place.done(&["backup", "rocksdb:db/validator_0", "repo", "--annotate", "number=2"]);
    let next = place.done(&["copy", "repo", "copy", "--all"]);
    assert_eq!(
        (&next["dumps"][0]["outcome"], &next["dumps"][1]["outcome"]),
        (&"there".into(), &"copied".into())
    );
    let text = place.exits(0, &["copy", "repo", "copy", "--all"]);
    assert!(text.stdout.contains("0 packs") && text.stdout.contains("packs as they are"), "{text}");
}

#[test]
fn a_repository_of_its_own_gets_dumps_of_the_same_digest() {
    let place = Place::with_dump();
    place.done(&["backup", "rocksdb:db/validator_0", "other"]);
    let made = place.done(&["copy", "repo", "other"]);
    assert_eq!(made["whole"], false);
    let listed = place.done(&["list", "other"]);
    let dumps = listed["dumps"].as_array().unwrap();
    assert_eq!(dumps.len(), 2);
    assert_eq!(dumps[0]["digest"], dumps[1]["digest"]);
    let copy = dumps.iter().find(|dump| dump["dump"] == made["dumps"][0]["to"]).unwrap();
    assert_eq!(copy["annotations"]["copied-from"], made["dumps"][0]["from"]);
    assert_eq!(copy["contents"], place.done(&["list", "repo"])["dumps"][0]["contents"]);
}

#[test]
fn what_makes_no_sense_is_refused_and_what_cannot_be_read_is_named() {
    let place = Place::with_dump();
    place.exits(2, &["copy", "repo", "repo"]).says("to itself");
    place.exits(4, &["copy", "repo", "./repo"]).says("choose places that are apart");
    place.exits(4, &["copy", "repo", "repo/inner"]);
    place.exits(1, &["copy", "repo", "copy", "--dump", "0000"]).says("there is no dump");
    assert!(!place.path("copy").exists());
    fs::write(place.path("repo/manifests").join(format!("{:064}.json", 1)), "{}").unwrap();
    let found = place.exits(3, &["copy", "repo", "copy", "--all"]);
    found.says("1 manifest of the source cannot be used");
    place.done(&["verify", "copy"]);
}
