//! A repository that lost files.

use std::fs;

use crate::program::Place;

#[test]
fn a_lost_config_is_told_and_put_back() {
    let place = Place::with_dump();
    let config = place.path("repo/config.json");
    let sound = fs::read(&config).unwrap();
    fs::remove_file(&config).unwrap();
    for command in [&["list", "repo"][..], &["verify", "repo"], &["backup", "rocksdb:db/validator_0", "repo"]]
    {
        let found = place.exits(3, command);
        found.says("config.json of repository repo is missing").says("kvbackup repair REPO");
    }
    let dry = place.done(&["repair", "repo", "--dry-run"]);
    assert!(dry["config_from"].as_str().unwrap().starts_with("configs/"), "{dry}");
    assert!(!config.exists());
    let text = place.exits(0, &["repair", "repo"]);
    assert!(text.stdout.contains("config.json, from configs/"), "{text}");
    assert_eq!(fs::read(&config).unwrap(), sound);
    place.done(&["verify", "repo"]);
    let text = place.exits(0, &["repair", "repo"]);
    assert!(text.stdout.contains("nothing is missing"), "{text}");
}

#[test]
fn packs_and_manifests_come_from_a_copy_and_what_is_lost_is_named() {
    let place = Place::with_dump();
    place.done(&["copy", "repo", "copy"]);
    let (pack, manifest) = (place.packs().remove(0), place.manifests().remove(0));
    let mut bytes = fs::read(&pack).unwrap();
    bytes[50] ^= 1;
    fs::write(&pack, &bytes).unwrap();
    fs::remove_file(&manifest).unwrap();
    let found = place.exits(3, &["repair", "repo", "--json"]);
    assert_eq!(found.json()["lost"].as_array().unwrap().len(), 1, "{found}");
    found.says("--from COPY");
    let repaired = place.done(&["repair", "repo", "--from", "copy"]);
    assert_eq!(repaired["packs"].as_array().unwrap().len(), 1);
    assert_eq!(repaired["manifests"].as_array().unwrap().len(), 1);
    place.done(&["verify", "repo"]);

    place.done(&["backup", "rocksdb:db/validator_0", "other"]);
    place.exits(4, &["repair", "repo", "--from", "other"]).says("copy of another repository");
    place.exits(4, &["repair", "repo", "--from", "repo"]).says("choose places that are apart");
    fs::create_dir(place.path("empty")).unwrap();
    place.exits(4, &["repair", "empty"]).says("this is no repository");
}
