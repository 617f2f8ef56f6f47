//! SIGINT and SIGTERM: exit code 130, and the same command resumes.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::large;
use crate::program::{Place, Run};

/// Waits until something is so, while the child runs.
fn wait_until(child: &mut Child, is_so: impl Fn() -> bool) {
    while !is_so() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be interrupted");
        thread::sleep(Duration::from_millis(2));
    }
}

fn send(child: &Child, signal: &str) {
    let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn start(place: &Place, arguments: &[&str]) -> Child {
    place.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn has_pack(directory: &Path) -> bool {
    let Ok(mut files) = fs::read_dir(directory) else { return false };
    files.any(|file| file.unwrap().file_name().len() == 64)
}

/// Returns true under `nohup`: then all programs that are started from here ignore SIGHUP, and so does this one.
fn ignores_hang_up() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("0");
    u64::from_str_radix(mask.trim(), 16).unwrap() & 1 == 1
}

#[test]
fn an_interrupted_backup_says_so_and_the_same_command_goes_on() {
    for (signal, name) in [("INT", "SIGINT"), ("TERM", "SIGTERM"), ("HUP", "SIGHUP")] {
        if name == "SIGHUP" && ignores_hang_up() {
            println!("left out, SIGHUP is ignored here");
            continue;
        }
        let place = Place::empty();
        large::create(&place.path("db/large"), 7);
        // One pack passes at once, and the others wait for seconds.
        let arguments = ["backup", "rocksdb:db/large", "repo", "--limit-upload", "1MiB", "--json"];
        let mut child = start(&place, &arguments);
        wait_until(&mut child, || has_pack(&place.path("repo/packs")));
        send(&child, signal);
        let run = Run::new(&arguments, child.wait_with_output().unwrap());
        assert_eq!(run.code, Some(130), "{run}");
        run.says(name).says("resumes where this stopped");
        assert_eq!((run.error()["exit_code"].as_i64(), run.stdout.as_str()), (Some(130), ""));
        assert!(place.manifests().is_empty(), "a manifest of an interrupted backup");

        let before = place.packs().len();
        let made = place.done(&["backup", "rocksdb:db/large", "repo"]);
        let objects = made["segments"].as_u64().unwrap() + made["pages"].as_u64().unwrap() + 1;
        assert!(before > 0 && made["new_objects"].as_u64().unwrap() < objects, "nothing was used again");
        place.done(&["verify", "repo"]);
    }
}

#[test]
fn an_interrupted_restore_says_so_and_the_same_command_goes_on() {
    let place = Place::empty();
    large::create(&place.path("db/large"), 8);
    let made = place.done(&["backup", "rocksdb:db/large", "repo"]);
    let arguments = ["restore", "repo", "rocksdb:copy/large"];
    let mut child = start(&place, &[&arguments[..], &["--limit-download", "1MiB"]].concat());
    let has_marker = || {
        let Ok(mut files) = fs::read_dir(place.path("copy")) else { return false };
        files.any(|file| file.unwrap().path().join("marker.json").exists())
    };
    wait_until(&mut child, has_marker);
    send(&child, "TERM");
    let run = Run::new(&arguments, child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(130), "{run}");
    run.says("SIGTERM");
    assert!(!place.path("copy/large").exists(), "half a namespace under its own name");
    assert_eq!(place.done(&arguments)["digest"], made["digest"]);
    assert_eq!(place.done(&["digest", "rocksdb:copy/large"])["digest"], made["digest"]);
}

#[test]
fn of_two_restores_to_one_target_one_is_refused_and_the_other_ends_well() {
    let place = Place::empty();
    large::create(&place.path("db/large"), 11);
    let made = place.done(&["backup", "rocksdb:db/large", "repo"]);
    let arguments = ["restore", "repo", "rocksdb:copy/large"];
    let children = [start(&place, &arguments), start(&place, &arguments)];
    let runs = children.map(|child| Run::new(&arguments, child.wait_with_output().unwrap()));
    let mut codes = runs.each_ref().map(|run| run.code);
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(4)], "{} {}", runs[0], runs[1]);
    assert_eq!(place.done(&["digest", "rocksdb:copy/large"])["digest"], made["digest"]);
    assert_eq!(place.path("copy").read_dir().unwrap().count(), 1);
}
