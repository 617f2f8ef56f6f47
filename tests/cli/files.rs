//! The files of a repository on disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::program::Place;

/// Calls `check` with every file and directory below a path, and its permissions.
fn walk(path: &Path, check: &mut dyn FnMut(&Path, bool, u32)) {
    let meta = fs::symlink_metadata(path).unwrap();
    check(path, meta.is_dir(), meta.permissions().mode() & 0o777);
    if meta.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| walk(&entry.unwrap().path(), check));
    }
}

#[test]
fn a_repository_can_be_read_by_its_owner_alone() {
    let place = Place::with_dump();
    walk(&place.path("repo"), &mut |path, is_directory, mode| {
        let expected = if is_directory { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{path:?} has mode {mode:o}");
    });
}

#[test]
fn a_directory_with_something_else_is_no_place_for_a_repository_and_stays_as_it_is() {
    let place = Place::with_fixture();
    fs::create_dir(place.path("home")).unwrap();
    fs::write(place.path("home/letter.txt"), "dear").unwrap();
    place.exits(1, &["backup", "rocksdb:db/validator_0", "home"]).says("no config.json");
    assert_eq!(fs::read_dir(place.path("home")).unwrap().count(), 1);
}

#[test]
fn no_secret_key_gets_into_a_dump() {
    let place = Place::with_fixture();
    let secret = fs::read_to_string(crate::program::fixture().join("own.key")).unwrap();
    let secret = secret.trim();
    let run = place.exits(2, &["backup", "rocksdb:db/validator_0", "repo", "--origin", secret]);
    run.says("may be a secret key");
    assert!(!place.path("repo").exists());
}
