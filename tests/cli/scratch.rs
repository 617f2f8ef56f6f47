//! Scratch files: gone when the program has ended.

use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::large;
use crate::program::{Place, Run};

fn scratch_files(directory: &Path) -> usize {
    directory.read_dir().unwrap().count()
}

#[test]
fn no_scratch_directory_outlives_the_program() {
    let place = Place::empty();
    large::create(&place.path("db/large"), 9);
    let scratch = place.path("scratch");
    std::fs::create_dir(&scratch).unwrap();
    for _ in 0..6 {
        let mut command = place.command(&["digest", "rocksdb:db/large", "-q"]);
        let output = command.env("TMPDIR", &scratch).output().unwrap();
        assert!(output.status.success());
        assert_eq!(scratch_files(&scratch), 0);
    }
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next_one_and_what_another_has_is_not() {
    let place = Place::empty();
    large::create(&place.path("db/large"), 12);
    let scratch = place.path("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let start = || {
        let mut command = place.command(&["digest", "rocksdb:db/large", "-q"]);
        command.env("TMPDIR", &scratch).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut killed = start();
    while scratch_files(&scratch) == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(scratch_files(&scratch), 1);
    // Two at the same time leave each other's alone.
    for mut child in [start(), start()] {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(scratch_files(&scratch), 0);
}

#[test]
fn no_scratch_directory_outlives_a_signal() {
    let place = Place::empty();
    large::create(&place.path("db/large"), 10);
    let scratch = place.path("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let arguments = ["digest", "rocksdb:db/large", "-q"];
    let mut command = place.command(&arguments);
    command.env("TMPDIR", &scratch).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    while scratch_files(&scratch) == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    let run = Run::new(&arguments, child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(130), "{run}");
    assert_eq!(scratch_files(&scratch), 0);
}
