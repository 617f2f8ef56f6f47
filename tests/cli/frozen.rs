//! A repository that the first program of version 0.1.0 wrote: every version reads it, and stores the same objects again.

use std::fs;

use serde_json::Value;

use crate::program::{Place, copy, fixture, names_of};

const DIGEST: &str = "0540dc3d700eac272753d245abe7eb00697da6114d1478bbfb81e23bb6263871";

fn manifest(place: &Place, repository: &str) -> Value {
    let paths = names_of(&place.path(&format!("{repository}/manifests")));
    assert_eq!(paths.len(), 1, "{paths:?}");
    serde_json::from_slice(&fs::read(&paths[0]).unwrap()).unwrap()
}

#[test]
fn a_dump_of_the_first_program_is_verified_and_restored() {
    let place = Place::with_fixture();
    copy(&fixture().join("../repository-v1"), &place.path("old"));
    assert_eq!(place.done(&["verify", "old"])["digest"], DIGEST);
    assert_eq!(place.done(&["restore", "old", "rocksdb:db/restored"])["digest"], DIGEST);
    assert_eq!(place.done(&["digest", "rocksdb:db/restored"])["digest"], DIGEST);
}

#[test]
fn the_same_database_gives_the_same_root_pages_and_segments_as_they_were_stored() {
    let place = Place::with_fixture();
    copy(&fixture().join("../repository-v1"), &place.path("old"));
    for folder in ["packs", "manifests"] {
        fs::create_dir_all(place.path("new").join(folder)).unwrap();
    }
    fs::copy(place.path("old/config.json"), place.path("new/config.json")).unwrap();
    place.done(&["backup", "rocksdb:db/validator_0", "new"]);
    let (old, new) = (manifest(&place, "old"), manifest(&place, "new"));
    for field in ["root", "digest", "entries", "partitions", "segments", "pages", "plain_bytes", "contents"] {
        assert_eq!(old[field], new[field], "{field}");
    }
    let packs = |repository: &str| {
        let paths = names_of(&place.path(&format!("{repository}/packs")));
        let mut packs: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
        packs.sort_unstable_by_key(Vec::len);
        packs
    };
    let (old, new) = (packs("old"), packs("new"));
    assert_eq!(old.len(), new.len());
    for (old, new) in old.iter().zip(&new) {
        // A salt of 21 bytes stands before the other objects, and takes 51 bytes of the table.
        assert_eq!((old.len() + 72, &old[..8]), (new.len(), &new[..8]));
        let bodies = old.len() / 2;
        assert_eq!(old[8..bodies], new[29..bodies + 21]);
    }
}
