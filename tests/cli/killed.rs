//! kill -9 at random moments, and a clean run after it.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use crate::large;
use crate::program::Place;

const SEED: u64 = 20_260_131;
const KILLS: usize = 6;
const SIGKILL: i32 = 9;

/// Starts a command and kills it after some part of `whole`; returns true if it was still running.
fn run_and_kill(place: &Place, arguments: &[&str], whole: Duration, random: &mut SmallRng) -> bool {
    let part = random.random_range(0.02..0.95);
    let mut command = place.command(arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    thread::sleep(whole.mul_f64(part));
    child.kill().unwrap();
    let killed = child.wait().unwrap().signal() == Some(SIGKILL);
    println!("{arguments:?} at {part:.2} of {whole:?}: {}", if killed { "killed" } else { "was done" });
    killed
}

fn timed(work: impl FnOnce() -> Value) -> (Value, Duration) {
    let begun = Instant::now();
    (work(), begun.elapsed())
}

#[test]
fn a_backup_that_is_killed_leaves_old_dumps_whole_and_the_next_run_makes_the_same_objects() {
    let place = Place::empty();
    large::create(&place.path("db/large"), SEED);
    let backup = ["backup", "rocksdb:db/large", "repo"];
    let (reference, whole) = timed(|| place.done(&backup));
    assert!(place.packs().len() > 3, "too few packs to be killed between");

    let mut random = SmallRng::seed_from_u64(SEED);
    let mut killed = 0;
    for round in 0..KILLS {
        // With the salts of the first repository, ids can be compared.
        let name = format!("repo{round}");
        fs::create_dir(place.path(&name)).unwrap();
        fs::copy(place.path("repo/config.json"), place.path(&name).join("config.json")).unwrap();
        let backup = ["backup", "rocksdb:db/large", &name];
        if run_and_kill(&place, &backup, whole, &mut random) {
            killed += 1;
            let left = place.done(&["list", &name]);
            let count = |field: &str| left[field].as_array().unwrap().len();
            assert_eq!(count("damaged"), 0, "a damaged manifest of a killed backup");
            // Its manifest is written last: where there is one, only the end of the program was killed.
            if count("dumps") > 0 {
                let verified = place.done(&["verify", &name, "--level", "2"]);
                assert_eq!(verified["digest"], reference["digest"]);
            }
        }
        let made = place.done(&backup);
        for field in ["root", "digest", "entries", "segments", "pages", "plain_bytes"] {
            assert_eq!(made[field], reference[field], "{field}");
        }
        place.done(&["verify", &name, "--level", "2"]);
    }
    assert!(killed > 0, "no run was killed in time");
}

#[test]
fn a_restore_that_is_killed_shows_no_half_namespace_and_the_next_run_completes_it() {
    let place = Place::empty();
    large::create(&place.path("db/large"), SEED);
    let made = place.done(&["backup", "rocksdb:db/large", "repo"]);
    let (_, whole) = timed(|| place.done(&["restore", "repo", "rocksdb:first/large"]));

    let mut random = SmallRng::seed_from_u64(SEED + 1);
    let mut killed = 0;
    for round in 0..KILLS {
        let directory = format!("copy{round}");
        let target = format!("rocksdb:{directory}/large");
        if run_and_kill(&place, &["restore", "repo", &target], whole, &mut random) {
            killed += 1;
            // It appears whole or not at all.
            if place.path(&directory).join("large").exists() {
                assert_eq!(place.done(&["digest", &target])["digest"], made["digest"]);
                continue;
            }
        }
        if !place.path(&directory).join("large").exists() {
            assert_eq!(place.done(&["restore", "repo", &target])["digest"], made["digest"]);
        }
        assert_eq!(place.done(&["digest", &target])["digest"], made["digest"]);
        let left: Vec<_> =
            fs::read_dir(place.path(&directory)).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["large"], "something was left beside the namespace");
    }
    assert!(killed > 0, "no run was killed in time");
}
