//! The program's memory.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::large;
use crate::program::Place;

#[test]
#[cfg(target_os = "linux")]
fn the_process_has_the_name_of_the_program() {
    let place = Place::empty();
    large::create(&place.path("db/large"), 9);
    let mut command = place.command(&["digest", "rocksdb:db/large", "-q"]);
    let mut child = command.env_remove("MALLOC_ARENA_MAX").stdout(Stdio::null()).spawn().unwrap();
    let read = |name: &str| fs::read(format!("/proc/{}/{name}", child.id())).unwrap_or_default();
    while !String::from_utf8_lossy(&read("environ")).contains("MALLOC_ARENA_MAX=1") {
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(String::from_utf8(read("comm")).unwrap(), "kvbackup\n");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Runs a command that takes a moment, and returns what its environment says of arenas meanwhile.
fn arenas(place: &Place, wanted: Option<&str>) -> Option<String> {
    let mut command = place.command(&["digest", "rocksdb:db/large", "-q"]);
    if let Some(wanted) = wanted {
        command.env("MALLOC_ARENA_MAX", wanted);
    } else {
        command.env_remove("MALLOC_ARENA_MAX");
    }
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut found = None;
    while found.is_none() && child.try_wait().unwrap().is_none() && Instant::now() < deadline {
        let environment = fs::read(format!("/proc/{}/environ", child.id())).unwrap_or_default();
        let variables = environment.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        found =
            variables.into_iter().find_map(|line| Some(line.strip_prefix("MALLOC_ARENA_MAX=")?.to_owned()));
        thread::sleep(Duration::from_millis(1));
    }
    assert!(child.wait().unwrap().success());
    found
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn the_program_has_one_arena_unless_it_is_told_how_many() {
    let place = Place::empty();
    large::create(&place.path("db/large"), 9);
    assert_eq!(arenas(&place, None).as_deref(), Some("1"));
    assert_eq!(arenas(&place, Some("3")).as_deref(), Some("3"));
}
