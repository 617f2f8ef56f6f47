//! An encrypted repository on S3, for a post-quantum recipient of age. The node may only add, and reads nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use kvbackup_object_stores::Variables;

use crate::place::{CHANGING, Place, programs, s3};

const REPO: &str = "s3://backups/sealed";

/// Runs a program of age, which must succeed.
fn age(place: &Place, program: &str, arguments: &[&str]) -> String {
    let path = programs().age().join(program);
    let output = Command::new(&path).args(arguments).current_dir(place.path("")).output();
    let output = output
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask stores install`", path.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The variables, with the plugin in the path.
fn with_plugin(variables: &Variables) -> Variables {
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", programs().age().display());
    variables.iter().cloned().chain([("PATH", path)]).collect()
}

fn holds(directory: &Path, wanted: &[u8]) -> bool {
    fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => holds(&path, wanted),
            false => fs::read(&path).unwrap().windows(wanted.len()).any(|found| found == wanted),
        }
    })
}

#[test]
fn a_node_that_may_only_add_backs_up_for_a_post_quantum_recipient_who_restores() {
    let place = Place::new();
    let server = s3(&place);
    server.allow_node("backups").unwrap();
    let (node, owner) = (server.node_variables(), server.variables());
    age(&place, "age-keygen", &["-pq", "-o", "native.age"]);
    let recipient = age(&place, "age-keygen", &["-y", "native.age"]);
    age(&place, "age-plugin-pq", &["-identity", "-o", "plugin.age", "native.age"]);
    for name in ["native.age", "plugin.age"] {
        fs::set_permissions(place.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let key = ["--repository-key", "repository.key"];
    let init = ["init", REPO, "--recipient", recipient.trim_end(), "--one-recipient-only"];
    let init = [&init[..], &key].concat();
    // Without the plugin there is nobody to wrap for, and nothing is left behind.
    let refused = place.exits(4, &owner, &init);
    assert!(refused.stderr.contains("age-plugin-pq"), "{refused}");
    assert!(!place.path("repository.key").exists());
    place.done(&with_plugin(&owner), &init);
    for day in 0..2 {
        place.change(day);
        place.done(&with_plugin(&node), &[&["backup", CHANGING, REPO][..], &key].concat());
    }
    // A value of the database is in no file of the server, and the node cannot restore.
    let database =
        rocksdb::DB::open_for_read_only(&rocksdb::Options::default(), place.path("changing"), false);
    let value = database.unwrap().get(7_u32.wrapping_mul(2_654_435_761).to_be_bytes()).unwrap().unwrap();
    assert!(holds(&place.path("changing"), &value[..16]) && !holds(&place.path("server"), &value[..16]));
    let restore = ["restore", REPO, "rocksdb:out/v?layout=plain", "--for-key", "none"];
    place.exits(4, &with_plugin(&node), &[&restore[..], &key].concat());
    let native =
        place.exits(1, &with_plugin(&owner), &[&restore[..], &["--identity", "native.age"]].concat());
    assert!(native.stderr.contains("age-plugin-pq -identity"), "{native}");
    let identity = ["--identity", "plugin.age"];
    place.done(&with_plugin(&owner), &[&restore[..], &identity].concat());
    place.done(&with_plugin(&owner), &[&["verify", REPO, "--against", CHANGING][..], &identity].concat());
    place.done(&owner, &["verify", REPO]);
}
