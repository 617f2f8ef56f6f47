//! Encrypted repositories: what each command needs, how keys are kept, and that age opens what is stored.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use crate::program::{Place, Run};

const SOURCE: &str = "rocksdb:db/validator_0";
const KEY: &[&str] = &["--repository-key", "repository.key"];
const IDENTITY: &[&str] = &["--identity", "operations.age"];

/// Makes an identity in a file; returns its recipient.
fn person(place: &Place, file: &str) -> String {
    place.done(&["key", "generate", "--age", file])["recipient"].as_str().unwrap().to_owned()
}

/// A place with an encrypted repository `repo` of two recipients, its key, and their identities.
fn with_repository() -> Place {
    let place = Place::with_fixture();
    let people = ["operations.age", "offline.age"].map(|file| person(&place, file));
    let init = ["init", "repo", "--recipient", &people[0], "--recipient", &people[1]];
    place.exits(0, &[&init[..], KEY].concat());
    place
}

/// With a dump, too; returns its id.
fn with_dump() -> (Place, String) {
    let place = with_repository();
    let made = place.done(&[&["backup", SOURCE, "repo", "--annotate", "remark=secret"], KEY].concat());
    let id = made["dump"].as_str().unwrap().to_owned();
    (place, id)
}

fn set_mode(place: &Place, file: &str, mode: u32) {
    fs::set_permissions(place.path(file), Permissions::from_mode(mode)).unwrap();
}

/// Who can run a command: who has nothing, the repository key, an identity. And what is said to who cannot.
type Case = (&'static [&'static str], [bool; 3], &'static str);

const READS: &str = "needs the identity of a recipient";
const CASES: &[Case] = &[
    (&["list", "repo"], [true; 3], ""),
    (&["inspect", "repo"], [true; 3], ""),
    (&["verify", "repo"], [true; 3], ""),
    (&["verify", "repo", "--level", "1"], [true; 3], ""),
    (&["verify", "repo", "--all"], [true; 3], ""),
    (&["stats", "repo"], [true; 3], ""),
    (&["metrics", "repo"], [true; 3], ""),
    (&["forget", "repo", "--keep-last", "1"], [true; 3], ""),
    (&["prune", "repo"], [true; 3], ""),
    (&["repair", "repo"], [true; 3], ""),
    (&["copy", "repo", "copied", "--all"], [true; 3], ""),
    (&["backup", SOURCE, "repo"], [false, true, false], "needs the repository key"),
    (&["restore", "repo", "rocksdb:copy/validator_0"], [false, false, true], READS),
    (&["restore", "repo", "memory:", "--dry-run"], [false, false, true], READS),
    (&["export", "repo", "out.bcs"], [false, false, true], READS),
    (&["verify", "repo", "--level", "4"], [false, false, true], READS),
    (&["verify", "repo", "--against", SOURCE], [false, false, true], READS),
    (&["ls", "repo"], [false, false, true], READS),
];

#[test]
fn each_command_needs_the_key_that_it_says() {
    let (place, _) = with_dump();
    let mut wrong = Vec::new();
    for (command, can, says) in CASES {
        for (secrets, can) in [&[][..], KEY, IDENTITY].into_iter().zip(can) {
            for made in ["copied", "copy", "out.bcs"].map(|name| place.path(name)) {
                drop(fs::remove_dir_all(&made));
                drop(fs::remove_file(&made));
            }
            let run = place.run(&[*command, secrets].concat());
            let is_right = match can {
                true => run.code == Some(0),
                false => run.code == Some(4) && run.stderr.contains(says),
            };
            if !is_right {
                wrong.push(run.to_string());
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn without_an_identity_a_list_says_when_and_how_much_and_with_one_also_what() {
    let (place, id) = with_dump();
    let sealed = place.done(&["list", "repo"])["dumps"][0].clone();
    let opened = place.done(&[&["list", "repo"], IDENTITY].concat())["dumps"][0].clone();
    for dump in [&sealed, &opened] {
        assert_eq!(dump["dump"], id.as_str());
        assert_eq!(dump["namespace"], "validator_0");
        assert!(dump["plain_bytes"].as_u64().unwrap() > 0);
    }
    assert_eq!(opened["annotations"]["remark"], "secret");
    assert!(opened["entries"].as_u64().unwrap() > 0 && opened["digest"].is_string());
    for field in ["annotations", "entries", "partitions", "digest", "contents"] {
        assert!(sealed.get(field).is_none_or(Value::is_null), "{field} of {sealed}");
    }
    let verified = place.exits(0, &["verify", "repo"]);
    assert!(verified.stdout.contains("not checked"), "{verified}");
}

#[test]
fn an_identity_restores_and_wrong_ones_are_refused_before_anything_is_written() {
    let (place, _) = with_dump();
    let digest = |place: &Place, source: &str| place.done(&["digest", source])["digest"].clone();
    for identity in ["operations.age", "offline.age"] {
        place.exits(0, &["restore", "repo", "rocksdb:copy/validator_0", "--identity", identity]);
        assert_eq!(digest(&place, SOURCE), digest(&place, "rocksdb:copy/validator_0"));
        fs::remove_dir_all(place.path("copy")).unwrap();
    }
    person(&place, "stranger.age");
    let restore = ["restore", "repo", "rocksdb:copy/validator_0", "--identity", "stranger.age"];
    place.exits(4, &restore).says("the identities that were given are not those of its recipients");
    assert!(!place.path("copy").exists());
    // Several may be named, also by the environment, with colons between them.
    place.exits(0, &[&restore[..], &["--identity", "offline.age", "--dry-run"]].concat());
    let output = place
        .command(&["verify", "repo", "--level", "4"])
        .env("KVBACKUP_IDENTITY", "stranger.age:offline.age")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let backup = ["backup", SOURCE, "repo"];
    let output = place.command(&backup).env("KVBACKUP_REPOSITORY_KEY", "repository.key").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", Run::new(&backup, output));
}

#[test]
fn keys_that_others_may_read_are_refused_and_what_is_no_key_is_named() {
    let (place, _) = with_dump();
    let cases = [("repository.key", "--repository-key"), ("operations.age", "--identity")];
    for (file, option) in cases {
        assert_eq!(fs::metadata(place.path(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
        for mode in [0o640, 0o604, 0o644, 0o660] {
            set_mode(&place, file, mode);
            place.exits(4, &["list", "repo", option, file]).says(&format!("chmod 600 {file}"));
        }
        set_mode(&place, file, 0o400);
        place.exits(0, &["list", "repo", option, file]);
        place.exits(1, &["list", "repo", option, "nowhere"]).says("reading the key in nowhere");
    }
    // One in the place of the other.
    place.exits(1, &["list", "repo", "--identity", "repository.key"]).says("this is no identity file of age");
    place.exits(1, &["list", "repo", "--repository-key", "operations.age"]).says("no repository key file");
}

#[test]
fn who_gives_a_key_gets_no_repository_that_is_not_encrypted() {
    let place = with_repository();
    let plain = Place::with_dump();
    crate::program::copy(&plain.path("repo"), &place.path("plain"));
    for secrets in [KEY, IDENTITY] {
        place.exits(4, &[&["backup", SOURCE, "new"], secrets].concat()).says("nothing was written");
        assert!(!place.path("new").exists());
        place.exits(4, &[&["verify", "plain"], secrets].concat()).says("it is not encrypted");
        place.exits(4, &[&["backup", SOURCE, "plain"], secrets].concat()).says("it is not encrypted");
    }
    let recipient = person(&place, "third.age");
    let init = ["init", "other", "--recipient", &recipient];
    let other = ["--repository-key", "other.key"];
    place.exits(2, &[&init[..], &other].concat()).says("one recipient alone");
    place.exits(2, &[&init[..], &["--one-recipient-only"]].concat()).says("--repository-key FILE");
    assert!(!place.path("other").exists() && !place.path("other.key").exists());
    place.exits(0, &[&init[..], &["--one-recipient-only"], &other].concat());
    place.exits(4, &[&["backup", SOURCE, "repo"][..], &other].concat()).says("the repository key is that of");
    // A second one in the same place leaves no key behind that opens nothing.
    let again = ["init", "repo", "--recipient", &recipient, "--one-recipient-only"];
    place.exits(4, &[&again[..], &["--repository-key", "again.key"]].concat()).says("nothing was written");
    assert!(!place.path("again.key").exists());
    place.exits(4, &[&again[..], KEY].concat()).says("exists already");
}

#[test]
fn dumps_of_a_repository_that_is_not_encrypted_are_copied_into_one_that_is() {
    let place = with_repository();
    let plain = Place::with_dump();
    crate::program::copy(&plain.path("repo"), &place.path("plain"));
    let copy = ["copy", "plain", "repo", "--all"];
    place.exits(4, &copy).says("needs the repository key");
    place.exits(0, &[&copy[..], KEY].concat());
    let digest = |line: &[&str]| place.done(line)["dumps"][0]["digest"].clone();
    let copied = digest(&[&["list", "repo"], IDENTITY].concat());
    assert!(copied.is_string() && copied == digest(&["list", "plain"]));
    // And from one that is encrypted into another one: one key writes, and one identity reads both.
    let recipient =
        place.done(&[&["key", "list"], KEY].concat())["recipients"][0].as_str().unwrap().to_owned();
    let other = ["--repository-key", "other.key"];
    let init = ["init", "other", "--recipient", &recipient, "--one-recipient-only"];
    place.exits(0, &[&init[..], &other].concat());
    let copy = ["copy", "repo", "other", "--all"];
    place.exits(4, &[&copy[..], &other].concat()).says(READS);
    place.exits(0, &[&copy[..], &other, IDENTITY].concat());
    assert_eq!(digest(&[&["list", "other"], IDENTITY].concat()), copied);
}

/// Returns the lines of the key files that nobody else should see.
fn secrets(place: &Place) -> Vec<String> {
    let read = |file: &str| fs::read_to_string(place.path(file)).unwrap();
    let key = read("repository.key");
    let key = key.lines().find_map(|line| line.strip_prefix("key ")).unwrap().to_owned();
    let mut secrets = vec![key];
    for file in ["operations.age", "offline.age"] {
        let text = read(file);
        secrets.push(text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap().to_owned());
    }
    secrets
}

#[test]
fn nothing_that_is_printed_or_stored_has_a_key_in_it() {
    let (place, _) = with_dump();
    let secrets = secrets(&place);
    let all = [KEY, IDENTITY, &["-v"]].concat();
    let commands: &[&[&str]] = &[
        &["backup", SOURCE, "repo"],
        &["verify", "repo"],
        &["list", "repo", "--json"],
        &["key", "list"],
        &["restore", "repo", "rocksdb:copy/validator_0"],
        &["restore", "repo", "rocksdb:copy/validator_0"],
        &["key", "recover", "repo", "--to", "recovered.key"],
        &["backup", "rocksdb:nowhere/x", "repo"],
    ];
    for command in commands {
        let run = place.run(&[*command, &all].concat());
        for secret in &secrets {
            assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{}", command.join(" "));
        }
    }
    let mut files = vec![place.path("repo")];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        for secret in &secrets {
            let is_there = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!is_there, "{} has a key in it", path.display());
        }
    }
}

fn age(place: &Place, program: &str, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(place.path(""));
    let output = command.output().expect("age is not installed; `cargo xtask setup` installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn age_opens_the_stored_key_and_an_identity_of_age_keygen_restores() {
    let place = Place::with_fixture();
    age(&place, "age-keygen", &["-o", "operations.age"]);
    set_mode(&place, "operations.age", 0o600);
    let recipient = String::from_utf8(age(&place, "age-keygen", &["-y", "operations.age"])).unwrap();
    let init = ["init", "repo", "--recipient", recipient.trim_end(), "--one-recipient-only"];
    place.exits(0, &[&init[..], KEY].concat());
    let opened = age(&place, "age", &["-d", "-i", "operations.age", "repo/keys/repository.age"]);
    assert_eq!(opened, fs::read(place.path("repository.key")).unwrap());
    // What age gives is a key that works.
    fs::remove_file(place.path("repository.key")).unwrap();
    fs::write(place.path("opened.key"), opened).unwrap();
    set_mode(&place, "opened.key", 0o600);
    place.exits(0, &["backup", SOURCE, "repo", "--repository-key", "opened.key"]);
    place.exits(0, &[&["restore", "repo", "rocksdb:copy/validator_0"], IDENTITY].concat());
}

#[test]
fn recipients_are_added_removed_and_replaced_and_a_lost_key_comes_back() {
    let (place, before) = with_dump();
    let new = person(&place, "new.age");
    let listed = |place: &Place| {
        let key = place.done(&[&["key", "list"], KEY].concat());
        let texts = key["recipients"].as_array().unwrap().iter();
        texts.map(|text| text.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = listed(&place);
    let change = |command: &[&str]| place.exits(0, &[command, KEY].concat());
    let with_new = ["list", "repo", "--identity", "new.age"];
    place.exits(4, &with_new).says("not those of its recipients");
    change(&["key", "add", "repo", "--recipient", &new]);
    assert_eq!(listed(&place), [first.clone(), vec![new.clone()]].concat());
    place.exits(0, &with_new);
    // What was written before is not for the new one.
    let dump = ["verify", "repo", "--level", "4", "--identity", "new.age", "--dump"];
    place.exits(4, &[&dump[..], &[&before]].concat());
    change(&["key", "remove", "repo", "--recipient", &first[0]]);
    place.exits(4, &[&["list", "repo"], IDENTITY].concat()).says("not those of its recipients");
    place
        .exits(2, &[&["key", "remove", "repo", "--recipient", &first[0]], KEY].concat())
        .says("is no recipient");
    change(&["key", "rotate", "repo", "--recipient", &new]);
    assert_eq!(listed(&place), [new]);
    assert_eq!(fs::metadata(place.path("repository.key")).unwrap().permissions().mode() & 0o777, 0o600);
    place.exits(2, &[&["key", "remove", "repo", "--recipient", &listed(&place)[0]], KEY].concat());
    // The file is lost; the identity gives it back, in a file of its owner.
    fs::remove_file(place.path("repository.key")).unwrap();
    place.exits(4, &["backup", SOURCE, "repo"]).says("needs the repository key");
    let recover = ["key", "recover", "repo", "--to", "repository.key"];
    place.exits(2, &recover).says("--identity FILE");
    place.exits(4, &[&recover[..], &["--identity", "offline.age"]].concat());
    place.exits(0, &[&recover[..], &["--identity", "new.age"]].concat());
    assert_eq!(fs::metadata(place.path("repository.key")).unwrap().permissions().mode() & 0o777, 0o600);
    place.exits(4, &[&recover[..], &["--identity", "new.age"]].concat()).says("exists already");
    place.exits(0, &[&["backup", SOURCE, "repo"], KEY].concat());
}

#[test]
fn a_share_of_a_job_is_refused_since_its_records_are_not_encrypted() {
    let place = with_repository();
    let share = ["backup", SOURCE, "repo", "--share", "1/1", "--job", "a"];
    let run = place.run(&[&share[..], KEY].concat());
    assert!(matches!(run.code, Some(2 | 4)), "{run}");
    assert!(!place.path("repo/jobs").exists());
}

#[test]
fn an_identity_on_the_command_line_is_refused_and_not_repeated() {
    let place = with_repository();
    let secret = &secrets(&place)[1];
    let run = place.exits(2, &["list", "repo", "--identity", secret]);
    run.says("everybody on this machine can read command lines");
    assert!(!run.stderr.contains(&secret[..30]), "a secret was printed");
    let run = place
        .exits(2, &["init", "other", "--recipient", secret, "--one-recipient-only", "--repository-key", "k"]);
    run.says("it is an identity, which is secret");
    assert!(!run.stderr.contains(&secret[..30]), "a secret was printed");
}

#[test]
fn a_recipient_that_somebody_adds_to_the_stored_key_is_noticed_when_it_is_recovered() {
    let place = Place::with_fixture();
    let recipients: Vec<String> = ["a.age", "b.age"].iter().map(|file| person(&place, file)).collect();
    for name in ["operator.key", "thief.key"] {
        place.done(&["key", "generate", "--sign", name]);
    }
    let recipients = ["--recipient", &recipients[0], "--recipient", &recipients[1]];
    let init = [&["init", "repo", "--sign-key", "operator.key"][..], &recipients, KEY].concat();
    place.done(&init);
    let recover = |file: &'static str| {
        ["key", "recover", "repo", "--to", file, "--identity", "a.age", "--trust", "operator.key.pub"]
    };
    let signed = place.done(&recover("first.key"));
    assert_eq!(signed["signature"], "good");
    let new = person(&place, "new.age");
    place.exits(0, &[&["key", "add", "repo", "--recipient", &new, "--sign-key", "thief.key"], KEY].concat());
    place.exits(4, &recover("second.key")).says("somebody may have added a recipient");
    assert!(!place.path("second.key").exists());
    place.exits(
        0,
        &[&["key", "remove", "repo", "--recipient", &new, "--sign-key", "operator.key"], KEY].concat(),
    );
    place.exits(0, &recover("second.key"));
    let trust = ["--trust", "operator.key.pub"];
    let change = [&["key", "add", "repo", "--recipient", &new][..], KEY, &trust].concat();
    place.exits(4, &change).says("there is no key to sign with");
}
