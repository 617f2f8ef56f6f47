//! Whose a restored database is.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use crate::program::{Place, names_of};

fn owners_of(directory: &Path) -> Vec<(u32, u32)> {
    let mut owners = vec![owner(directory)];
    for path in names_of(directory) {
        if path.is_dir() { owners.extend(owners_of(&path)) } else { owners.push(owner(&path)) }
    }
    owners.dedup();
    owners
}

fn owner(path: &Path) -> (u32, u32) {
    let found = path.symlink_metadata().unwrap();
    (found.uid(), found.gid())
}

#[test]
fn what_root_restores_is_the_owners_of_the_directory_above() {
    let place = Place::with_dump();
    std::fs::create_dir(place.path("copies")).unwrap();
    let own = owner(&place.path("copies"));
    // Others can give nothing away, and then all stays theirs.
    let expected =
        if chown(place.path("copies"), Some(12_345), Some(54_321)).is_ok() { (12_345, 54_321) } else { own };
    let text = place.exits(0, &["restore", "repo", "rocksdb:copies/new/validator_0", "--dry-run"]);
    assert!(!place.path("copies/new").exists(), "{text}");
    let made = place.done(&["restore", "repo", "rocksdb:copies/new/validator_0"]);
    assert_eq!(owners_of(&place.path("copies/new")), [expected]);
    if expected != own {
        assert_eq!(made["owner"], "12345:54321");
        assert!(text.stdout.contains("12345:54321, like "), "{text}");
    }
    place.done(&["verify", "repo", "--against", "rocksdb:copies/new/validator_0"]);
}

#[test]
fn the_owner_can_be_named() {
    let place = Place::with_dump();
    let own = owner(&place.path("repo"));
    let named = if own.0 == 0 { (77, 88) } else { own };
    let option = format!("{}:{}", named.0, named.1);
    let made = place.done(&["restore", "repo", "rocksdb:copy/validator_0", "--chown", &option]);
    assert_eq!(made["owner"], option.as_str());
    assert_eq!(owners_of(&place.path("copy/validator_0")), [named]);
    place.exits(2, &["restore", "repo", "rocksdb:copy/x", "--chown", "no such user"]).says("/etc/passwd");
    place.exits(2, &["restore", "repo", "memory:", "--chown", &option]).says("--chown is for targets");
}
