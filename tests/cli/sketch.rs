//! The sketch of a node that cannot read what it stored.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::program::{Place, names_of};

const BACKUP: [&str; 5] = ["backup", "rocksdb:db/validator_0", "repo", "--repository-key", "node.key"];

/// A place with an encrypted repository.
fn with_repository() -> Place {
    let place = Place::with_fixture();
    let recipient = |file: &str| place.done(&["key", "generate", "--age", file])["recipient"].clone();
    let people = [recipient("operations.age"), recipient("offline.age")];
    let [one, other] = people.each_ref().map(|recipient| recipient.as_str().unwrap());
    place.exits(
        0,
        &["init", "repo", "--recipient", one, "--recipient", other, "--repository-key", "node.key"],
    );
    place
}

fn only_file(place: &Place) -> PathBuf {
    let [file] = &names_of(&place.path("sketches"))[..] else { panic!("there should be one file") };
    file.clone()
}

#[test]
fn a_node_keeps_a_sketch_and_says_so_and_a_damaged_one_is_a_warning() {
    let place = with_repository();
    let sketch = [&BACKUP[..], &["--sketch", "sketches"]].concat();
    let first = place.exits(0, &sketch);
    assert!(first.stdout.contains("sketches/") && !first.stdout.contains("warning"), "{first}");
    let file = only_file(&place);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(place.path("sketches")).unwrap().permissions().mode() & 0o777, 0o700);
    let second = place.exits(0, &sketch);
    assert!(!second.stdout.contains("warning"), "{second}");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[1..]).unwrap();
    let third = place.exits(0, &sketch);
    assert!(third.stdout.contains("cannot be used") && third.stdout.contains("stored whole"), "{third}");
    // The variable does the same, and a dry run leaves it alone.
    let before = fs::read(&file).unwrap();
    place.exits(0, &[&sketch[..], &["--dry-run"]].concat());
    assert_eq!(fs::read(&file).unwrap(), before);
    let run = place.command(&BACKUP).env("KVBACKUP_SKETCH", "sketches").output().unwrap();
    assert!(run.status.success());
    assert_ne!(fs::read(only_file(&place)).unwrap(), before);
    place.exits(0, &["verify", "repo", "--identity", "operations.age"]);
}

#[test]
fn shares_have_no_sketch() {
    let place = Place::with_fixture();
    let share = ["--share", "1/2", "--job", "j", "--sketch", "sketches"];
    place.exits(2, &[&["backup", "rocksdb:db/validator_0", "repo"][..], &share].concat());
    assert!(!place.path("sketches").exists());
}
