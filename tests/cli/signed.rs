//! Signatures: keys, who is refused, and what is noticed when something was taken away.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use serde_json::Value;

use crate::program::{Place, Run, names_of};

const SOURCE: &str = "rocksdb:db/validator_0";

/// A place with keys `node.key` and `other.key`.
fn with_keys() -> Place {
    let place = Place::with_fixture();
    for name in ["node.key", "other.key"] {
        place.done(&["key", "generate", "--sign", name]);
    }
    place
}

/// Makes a signed dump; returns its id.
fn back_up(place: &Place, remark: &str) -> String {
    let made = place.done(&["backup", SOURCE, "repo", "--sign-key", "node.key", "--annotate", remark]);
    made["dump"].as_str().unwrap().to_owned()
}

fn manifest(id: &str) -> String {
    format!("repo/manifests/{id}.json")
}

fn minisign(place: &Place, arguments: &[&str]) -> String {
    let mut command = Command::new("minisign");
    command.args(arguments).current_dir(place.path(""));
    let output = command.output().expect("minisign is not installed; `cargo xtask setup` installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn keys_are_made_once_and_only_their_owner_can_read_them() {
    let place = Place::empty();
    let made = place.done(&["key", "generate", "--sign", "node.key"]);
    let mode = |name: &str| fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("node.key"), mode("node.key.pub") & 0o600), (0o600, 0o600));
    let public = fs::read_to_string(place.path("node.key.pub")).unwrap();
    assert_eq!(public.lines().nth(1), made["public_key"].as_str());
    assert!(public.contains(made["key"].as_str().unwrap()));
    let secret = fs::read(place.path("node.key")).unwrap();
    place.exits(4, &["key", "generate", "--sign", "node.key"]).says("exists already");
    fs::rename(place.path("node.key.pub"), place.path("kept")).unwrap();
    place.exits(4, &["key", "generate", "--sign", "node.key"]).says("node.key exists already");
    assert!(!place.path("node.key.pub").exists() && fs::read(place.path("node.key")).unwrap() == secret);
    fs::rename(place.path("kept"), place.path("node.key.pub")).unwrap();
    fs::remove_file(place.path("node.key")).unwrap();
    place.exits(4, &["key", "generate", "--sign", "node.key"]).says("node.key.pub exists already");
    assert!(!place.path("node.key").exists());
    fs::remove_file(place.path("node.key.pub")).unwrap();
    let again = place.exits(0, &["key", "generate", "--sign", "node.key"]);
    let new = fs::read_to_string(place.path("node.key")).unwrap();
    assert_ne!(new.as_bytes(), secret);
    let line = new.lines().nth(1).unwrap();
    assert!(!again.stdout.contains(line) && !again.stderr.contains(line), "a secret was printed");
    place.exits(1, &["key", "generate", "--sign", "nowhere/node.key"]).says("writing nowhere/node.key");
}

#[test]
fn a_signed_dump_is_checked_by_minisign_and_one_that_minisign_signed_is_taken() {
    let place = with_keys();
    let id = back_up(&place, "a=1");
    let said = minisign(&place, &["-V", "-H", "-p", "node.key.pub", "-m", &manifest(&id)]);
    assert!(said.contains(&format!("Trusted comment: kvbackup dump={id} repository=")), "{said}");
    let unsigned = place.done(&["backup", SOURCE, "repo", "--annotate", "a=2"]);
    let unsigned = unsigned["dump"].as_str().unwrap();
    place
        .exits(4, &["verify", "repo", "--dump", unsigned, "--trust", "node.key.pub"])
        .says("it is not signed");
    let config: Value = serde_json::from_slice(&fs::read(place.path("repo/config.json")).unwrap()).unwrap();
    let repository = config["repository"].as_str().unwrap();
    let comment = format!("kvbackup dump={unsigned} repository={repository} sequence=2");
    minisign(&place, &["-S", "-s", "node.key", "-m", &manifest(unsigned), "-t", &comment]);
    let verified = place.done(&["verify", "repo", "--trust", "node.key.pub", "--level", "1"]);
    assert_eq!((&verified["dump"], &verified["signature"]), (&unsigned.into(), &"good".into()));
}

#[test]
fn each_reader_takes_what_is_signed_and_refuses_the_rest() {
    let place = with_keys();
    let (first, second) = (back_up(&place, "a=1"), back_up(&place, "a=2"));
    let key = place.done(&["list", "repo"])["dumps"][0]["signed_by"].as_str().unwrap().to_owned();
    let commands: [&[&str]; 12] = [
        &["list", "repo"],
        &["inspect", "repo"],
        &["verify", "repo", "--level", "1"],
        &["verify", "repo", "--all", "--level", "1"],
        &["restore", "repo", "rocksdb:copy/validator_0", "--dry-run"],
        &["export", "repo", "out.bcs"],
        &["stats", "repo"],
        &["prune", "repo", "--dry-run"],
        &["forget", "repo", "--keep-last", "1", "--dry-run"],
        &["copy", "repo", "copied", "--all", "--dry-run"],
        &["copy", "repo", "copied", "--dump", &second, "--dry-run"],
        &["repair", "repo", "--dry-run"],
    ];
    for command in commands {
        place.exits(0, &[command, &["--trust", "node.key.pub"]].concat());
        drop(fs::remove_file(place.path("out.bcs")));
        let run = place.exits(4, &[command, &["--trust", "other.key.pub"]].concat());
        assert!(format!("{run}").contains(&format!("signed by key {key}")), "{run}");
        // Of several keys one is enough, and the environment can name them.
        let both = "other.key.pub:node.key.pub";
        let output = place.command(command).env("KVBACKUP_TRUST", both).output().unwrap();
        assert_eq!(Run::new(command, output).code, Some(0), "{command:?}");
        drop(fs::remove_file(place.path("out.bcs")));
        // Without keys nothing is checked.
        place.exits(0, command);
        drop(fs::remove_file(place.path("out.bcs")));
    }
    // The newest one without its signature is not passed over for the one before it.
    fs::remove_file(place.path(&format!("{}.minisig", manifest(&second)))).unwrap();
    for command in commands {
        let run = place.exits(4, &[command, &["--trust", "node.key.pub"]].concat());
        assert!(format!("{run}").contains("it is not signed"), "{run}");
    }
    place.exits(0, &["verify", "repo", "--dump", &first, "--trust", "node.key.pub"]);
    let trust = ["--trust", "node.key.pub", "--sign-key", "node.key"];
    place.exits(0, &[&["forget", "repo", "--dump", &second][..], &trust].concat());
    place
        .exits(4, &["unforget", "repo", "--dump", &second, "--trust", "node.key.pub"])
        .says("it is not signed");
    assert_eq!(
        place.done(&["list", "repo", "--trust", "node.key.pub"])["dumps"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn what_is_no_key_or_readable_by_others_is_refused() {
    let place = with_keys();
    let run = |code, key: &str| place.exits(code, &["backup", SOURCE, "repo", "--sign-key", key]);
    let mode = |mode| fs::set_permissions(place.path("node.key"), fs::Permissions::from_mode(mode)).unwrap();
    for open in [0o640, 0o604, 0o620, 0o666, 0o601] {
        mode(open);
        run(4, "node.key").says("chmod 600 node.key");
    }
    mode(0o400);
    symlink("node.key", place.path("link.key")).unwrap();
    run(0, "link.key");
    run(1, "nowhere.key").says("reading the key in nowhere.key");
    run(4, "db").says("is no regular file");
    let big = vec![b'A'; 1 << 20];
    let public = fs::read(place.path("node.key.pub")).unwrap();
    for (name, bytes) in [("empty", &b""[..]), ("big", &big), ("public", &public)] {
        fs::write(place.path(name), bytes).unwrap();
        fs::set_permissions(place.path(name), fs::Permissions::from_mode(0o600)).unwrap();
        run(1, name).says("no secret key of minisign");
        if name != "public" {
            place.exits(2, &["list", "repo", "--trust", name]).says("holds no public key of minisign");
        }
    }
    let text = ["backup", SOURCE, "repo", "--sign-key", "node.key", "--trust", "other.key.pub"];
    place.exits(4, &text).says("is not trusted");
    place.exits(4, &["backup", SOURCE, "repo", "--trust", "other.key.pub"]).says("--sign-key FILE");
    place.exits(1, &["list", "repo", "--trust", "nowhere.pub"]).says("nowhere.pub");
    for empty in ["", ":"] {
        let output = place.command(&["list", "repo"]).env("KVBACKUP_TRUST", empty).output().unwrap();
        Run::new(&["list"], output).says("KVBACKUP_TRUST is set, and names no key");
    }
}

#[test]
fn what_was_taken_away_from_the_middle_or_the_end_is_noticed() {
    let place = with_keys();
    let ids: Vec<_> = (0..4).map(|number| back_up(&place, &format!("a={number}"))).collect();
    let trust = ["--trust", "node.key.pub"];
    let run = |code, command: &[&str]| place.exits(code, &[command, &trust].concat());
    let all = ["verify", "repo", "--all", "--level", "1"];
    run(0, &["list", "repo", "--expect-sequence", "4", "--max-age", "1h"]);
    run(0, &[&all[..], &["--expect-sequence", "4"]].concat());
    fs::remove_file(place.path(&manifest(&ids[1]))).unwrap();
    for command in [&["list", "repo"][..], &all] {
        let missing = run(3, command);
        assert!(missing.stdout.contains(&format!("MISSING: dump {:.12}", ids[1])), "{missing}");
        assert_eq!(place.exits(3, command).code, Some(3), "also without keys");
    }
    let report = place.exits(3, &["list", "repo", "--json"]).json();
    assert_eq!(report["missing"].as_array().unwrap().len(), 1);
    run(4, &["prune", "repo"]).says("a dump is missing");
    // One that is forgotten has a record, and one that is lost can be given one.
    run(0, &["forget", "repo", "--dump", &ids[2], "--sign-key", "node.key"]);
    run(3, &["list", "repo"]);
    run(4, &["forget", "repo", "--missing", &ids[1]]).says("--sign-key FILE");
    run(1, &["forget", "repo", "--missing", "0000", "--sign-key", "node.key"]).says("no missing dump 0000");
    run(0, &["forget", "repo", "--missing", &ids[1], "--sign-key", "node.key"]);
    for command in [&["list", "repo"][..], &all, &["prune", "repo"]] {
        run(0, command);
    }
    // Nobody names the last one.
    fs::remove_file(place.path(&manifest(&ids[3]))).unwrap();
    run(0, &["list", "repo"]);
    let expected = ["--expect-sequence", "4"];
    for command in [
        &["list", "repo"][..],
        &all,
        &["verify", "repo", "--level", "1"],
        &["restore", "repo", "rocksdb:copy/validator_0", "--dry-run"],
    ] {
        run(3, &[command, &expected].concat()).says("at least 4 is expected");
    }
    assert!(names_of(&place.path("copy")).is_empty());
    let name = place.path("repo/manifests").read_dir().unwrap().count();
    assert_eq!(name, 1 + 4, "the signatures are left");
    run(2, &["list", "repo", "--max-age", "soon"]);
}

#[test]
fn a_share_is_not_signed() {
    let place = with_keys();
    let share = ["backup", SOURCE, "repo", "--share", "1/1", "--job", "a", "--sign-key", "node.key"];
    place.exits(2, &share).says("give it to `kvbackup finish`");
}

#[test]
fn a_dump_that_was_made_without_a_key_is_signed_by_its_id() {
    let place = with_keys();
    let made = place.done(&["backup", SOURCE, "repo"]);
    let id = made["dump"].as_str().unwrap();
    place.exits(4, &["verify", "repo", "--dump", id, "--trust", "node.key.pub"]).says("it is not signed");
    place.exits(2, &["sign", "repo", "--dump", "latest", "--sign-key", "node.key"]).says("hex digits");
    place.exits(2, &["sign", "repo", "--dump", id]).says("--sign-key FILE");
    place.exits(2, &["sign", "repo", "--sign-key", "node.key"]).says("--dump");
    place.exits(0, &["sign", "repo", "--dump", &id[..8], "--sign-key", "node.key"]);
    place.done(&["verify", "repo", "--dump", id, "--trust", "node.key.pub"]);
    let said = minisign(&place, &["-V", "-H", "-p", "node.key.pub", "-m", &manifest(id)]);
    assert!(said.contains(&format!("Trusted comment: kvbackup dump={id} repository=")), "{said}");
    place.exits(4, &["sign", "repo", "--dump", id, "--sign-key", "other.key"]).says("--replace");
    let replaced = place.done(&["sign", "repo", "--dump", id, "--sign-key", "other.key", "--replace"]);
    assert!(replaced["dumps"][0]["is_new"] == true && replaced["dumps"][0]["signed_before"].is_string());
    place.exits(4, &["verify", "repo", "--dump", id, "--trust", "node.key.pub"]);
}
