//! The files of a repository on disk.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::program::{Place, names_of};

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
fn a_repository_may_lie_in_a_directory_of_any_name() {
    let place = Place::with_fixture();
    let absolute = place.path("an://other");
    fs::create_dir(place.path("an:")).unwrap();
    for name in [
        "./a://b".as_ref(),
        absolute.as_os_str(),
        OsStr::from_bytes(b"bytes-\xff"),
        OsStr::new("s p?a#ce%20"),
    ] {
        for arguments in [&["backup", "rocksdb:db/validator_0"][..], &["verify"], &["list"]] {
            let run = place.command(arguments).arg(name).output().unwrap();
            assert!(run.status.success(), "{arguments:?} {name:?}: {run:?}");
        }
        assert!(place.path("").join(name).join("config.json").is_file(), "{name:?}");
    }
    place.exits(2, &["list", "a://b"]).says("its scheme is unknown");
}

/// Makes a pipe, which nobody writes to.
fn pipe(path: &Path) {
    let status = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(status.success());
}

/// All commands that read a repository, and one that writes to it.
const COMMANDS: [&[&str]; 6] = [
    &["list", "repo"],
    &["inspect", "repo"],
    &["verify", "repo"],
    &["restore", "repo", "memory:"],
    &["backup", "rocksdb:db/validator_0", "repo"],
    &["finish", "repo", "--job", "j", "--discard"],
];

#[test]
fn what_else_lies_in_a_repository_is_ignored() {
    let place = Place::with_dump();
    for folder in ["packs", "manifests", "jobs/j"] {
        let folder = place.path("repo").join(folder);
        fs::create_dir_all(&folder).unwrap();
        for name in [&b"\xff\xfe"[..], b"control\x1b\n", b"x\xff#1"] {
            fs::write(folder.join(OsStr::from_bytes(name)), "junk").unwrap();
        }
        let old = folder.join("x#1");
        fs::create_dir(&old).unwrap();
        fs::File::open(&old).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        pipe(&folder.join("ab".repeat(32)));
        pipe(&folder.join(format!("{}.json", "ab".repeat(32))));
        fs::create_dir(folder.join("cd".repeat(32))).unwrap();
        fs::create_dir(folder.join(format!("{}.json", "cd".repeat(32)))).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.join("ef".repeat(32))).unwrap();
    }
    for arguments in COMMANDS {
        place.done(arguments);
    }
    assert_eq!(place.done(&["list", "repo"])["dumps"].as_array().unwrap().len(), 2);
}

#[test]
fn a_config_that_is_no_regular_file_is_named_and_nothing_waits_for_it() {
    let make: [fn(&Path); 3] = [
        pipe,
        |path| fs::create_dir(path).unwrap(),
        |path| std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
    ];
    for make in make {
        let place = Place::with_dump();
        fs::remove_file(place.path("repo/config.json")).unwrap();
        make(&place.path("repo/config.json"));
        for arguments in COMMANDS {
            place.exits(1, arguments).says("config.json").says("a regular file is expected");
        }
    }
    // A record of a job is named as well.
    let place = Place::with_dump();
    fs::create_dir_all(place.path("repo/jobs/j")).unwrap();
    pipe(&place.path("repo/jobs/j/job"));
    place.exits(1, &["finish", "repo", "--job", "j"]).says("jobs/j/job").says("a regular file is expected");
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

#[test]
fn places_that_lie_in_each_other_are_refused_by_every_command() {
    let place = Place::with_dump();
    place.done(&["export", "repo", "file.bcs"]);
    fs::copy(place.path("file.bcs"), place.path("repo/file.bcs")).unwrap();
    std::os::unix::fs::symlink(place.path("db/validator_0"), place.path("link")).unwrap();
    place.done(&["native-backup", "rocksdb:db/validator_0", "engine"]);
    let cases: [&[&str]; 11] = [
        &["backup", "rocksdb:db/validator_0", "db/validator_0/repo"],
        &["backup", "rocksdb:db/validator_0", "link/repo", "--dry-run"],
        &["backup", "rocksdb:link", "db/validator_0/deep/repo"],
        &["backup", "rocksdb:db/validator_0", "."],
        &["backup", "rocksdb-backup:engine", "engine/repo"],
        &["restore", "repo", "rocksdb:repo/copy"],
        &["restore", "repo", "rocksdb:repo", "--dry-run"],
        &["import", "repo/file.bcs", "repo"],
        &["export", "repo", "repo/new.bcs"],
        &["native-restore", "engine", "rocksdb:engine/copy"],
        &["verify", "repo", "--against", "rocksdb:repo/db"],
    ];
    for case in cases {
        place.exits(4, case).says("is, or lies in,");
    }
    let expected = ["config.json", "configs", "file.bcs", "manifests", "packs", "staged"];
    assert_eq!(names_of(&place.path("repo")), expected.map(|name| place.path("repo").join(name)));
    assert!(!place.path("db/validator_0/repo").exists() && !place.path("db/validator_0/deep").exists());
    for case in [&["finish", "repo", "--job", "j"][..], &["backup", "rocksdb:db/validator_0", "repo"]] {
        let inside = place.path("repo/packs");
        let output = place.command(case).env("TMPDIR", inside).output().unwrap();
        crate::program::Run::new(case, output).says("TMPDIR");
    }
}
