//! The upstream file: export, import, and back again.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::program::{Place, Run};

#[test]
fn an_exported_dump_is_imported_with_the_same_digest_and_exported_to_the_same_bytes() {
    let place = Place::with_dump();
    let exported = place.done(&["export", "repo", "memory_backup.bcs"]);
    assert_eq!(exported["file_bytes"], fs::metadata(place.path("memory_backup.bcs")).unwrap().len());
    let imported = place.done(&["import", "memory_backup.bcs", "repo2", "--layout", "linera-0.15"]);
    assert_eq!(imported["digest"], exported["digest"]);
    assert_eq!(imported["contents"], exported["contents"]);
    assert_eq!(
        (&imported["dropped_partitions"], &imported["namespace"]),
        (&0.into(), &"memory_backup".into())
    );
    place.done(&["export", "repo2", "again.bcs"]);
    assert!(fs::read(place.path("memory_backup.bcs")).unwrap() == fs::read(place.path("again.bcs")).unwrap());
    // From the file to a database that the validator's program opens.
    let restored = place.done(&["restore", "repo2", "rocksdb:copy/validator_0"]);
    assert_eq!(restored["digest"], exported["digest"]);
    assert_eq!(place.done(&["digest", "rocksdb:copy/validator_0"])["digest"], exported["digest"]);
}

#[test]
fn a_damaged_upstream_file_makes_no_dump() {
    let place = Place::with_dump();
    place.done(&["export", "repo", "good.bcs"]);
    let good = fs::read(place.path("good.bcs")).unwrap();
    let longer = [&good[..], b"x"].concat();
    for (number, bad) in
        [&good[..good.len() - 1], &longer, b"", b"\xff\xff\xff\xff\x0f"].into_iter().enumerate()
    {
        fs::write(place.path("bad.bcs"), bad).unwrap();
        let run = place.exits(3, &["import", "bad.bcs", "repo2", "--layout", "linera-0.15"]);
        let dumps = place.path("repo2/manifests").read_dir().map_or(0, Iterator::count);
        assert_eq!(dumps, 0, "case {number}: {run}");
    }
}

#[test]
fn an_import_of_nothing_is_implausible() {
    let place = Place::empty();
    fs::write(place.path("empty.bcs"), [0]).unwrap();
    place.exits(4, &["import", "empty.bcs", "repo"]).says("it is empty");
    place.done(&["import", "empty.bcs", "repo", "--allow-implausible"]);
    place.exits(0, &["verify", "repo"]);
}

#[test]
fn an_import_of_a_pipe_says_so_and_does_not_wait_for_a_writer() {
    let place = Place::empty();
    assert!(Command::new("mkfifo").arg(place.path("pipe")).status().unwrap().success());
    let mut child = place.command(&["import", "pipe", "repo"]).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
        }
        thread::sleep(Duration::from_millis(10));
    }
    let run = Run::new(&["import", "pipe", "repo"], child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(1), "{run}");
    run.says("pipe is not a regular file");
    assert!(!place.path("repo").exists());
    place.exits(1, &["import", ".", "repo"]).says("is not a regular file");
}
