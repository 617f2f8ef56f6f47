//! What takes the room of a repository.

use crate::program::Place;

#[test]
fn dumps_that_share_all_own_their_root_at_most_and_what_is_forgotten_is_unreferenced() {
    let place = Place::with_dump();
    let alone = place.done(&["stats", "repo"]);
    assert_eq!(alone["dumps"][0]["own"], alone["objects"]);
    assert_eq!(alone["unreferenced"]["number"], 0);
    let bytes: u64 = place.packs().iter().map(|pack| pack.metadata().unwrap().len()).sum();
    assert_eq!(alone["pack_bytes"], bytes);

    place.done(&["backup", "rocksdb:db/validator_0", "repo", "--annotate", "again=yes"]);
    let both = place.done(&["stats", "repo"]);
    assert_eq!(both["dumps"][1]["own"]["number"], 0);
    assert_eq!(both["dumps"][1]["reached"], alone["dumps"][0]["reached"]);
    let shown = place.exits(0, &["stats", "repo"]);
    assert!(shown.stdout.contains("unreferenced 0 B in 0 objects"), "{shown}");
    assert!(shown.stdout.starts_with("dump "), "{shown}");
}

#[test]
fn a_repository_without_dumps_has_nothing_to_show_and_a_damaged_manifest_is_named() {
    let place = Place::with_dump();
    let manifest = &place.manifests()[0];
    let good = std::fs::read(manifest).unwrap();
    std::fs::write(manifest, "{}").unwrap();
    place.exits(3, &["stats", "repo"]).says("`list` names");
    std::fs::write(manifest, good).unwrap();
    std::fs::remove_file(manifest).unwrap();
    let nothing = place.done(&["stats", "repo"]);
    assert_eq!(nothing["unreferenced"], nothing["objects"]);
}
