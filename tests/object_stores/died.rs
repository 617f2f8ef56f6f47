//! Servers and programs that are killed or stand still.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use kvbackup_object_stores::Variables;

use crate::place::{CHANGING, Place, s3};

const REPO: &str = "s3://backups/validator_0";

/// Runs the program, and kills it after some time; returns whether it was still at work.
fn killed(place: &Place, variables: &Variables, arguments: &[&str], after: Duration) -> bool {
    let mut command = place.command(variables, arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    thread::sleep(after);
    let was_at_work = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    was_at_work
}

#[test]
fn a_server_that_is_away_for_seconds_is_waited_for() {
    let place = Place::new();
    let mut server = s3(&place);
    let variables = server.variables();
    place.done(&variables, &["backup", "rocksdb:db/validator_0", REPO]);
    server.kill();
    let mut verify = place.command(&variables, &["verify", REPO, "--json"]);
    let verify = verify.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    thread::sleep(Duration::from_secs(6));
    server.revive().unwrap();
    let output = verify.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    server.kill();
    let given_up = place.exits(1, &variables, &["verify", REPO, "--store-patience", "2s"]);
    assert!(given_up.stderr.contains("does not answer"), "{given_up}");
}

#[test]
fn programs_that_are_killed_at_any_moment_leave_good_dumps() {
    let place = Place::new();
    let server = s3(&place);
    let variables = server.variables();
    place.change(0);
    place.done(&variables, &["init", REPO, "--version", "2"]);
    place.done(&variables, &["backup", CHANGING, REPO]);
    let mut at_work = 0;
    for round in 0..12_u8 {
        let after = Duration::from_millis(15 * u64::from(round + 1));
        place.change(round);
        let arguments: &[&str] = match round % 3 {
            0 => &["backup", CHANGING, REPO],
            1 => &["prune", REPO, "--grace", "0", "--max-unused", "0"],
            _ => &["forget", REPO, "--keep-last", "1", "--allow-most"],
        };
        at_work += u32::from(killed(&place, &variables, arguments, after));
        place.done(&variables, &["verify", REPO, "--all"]);
    }
    assert!(at_work > 3, "only {at_work} were at work");
    place.done(&variables, &["backup", CHANGING, REPO]);
    place.exits(0, &variables, &["prune", REPO, "--grace", "0", "--discard-staged"]);
    place.done(&variables, &["verify", REPO, "--against", CHANGING]);
}

#[test]
fn a_prune_or_backup_that_stood_still_while_another_prune_ended_loses_nothing() {
    let place = Place::new();
    let server = s3(&place);
    let variables = server.variables();
    place.change(0);
    place.done(&variables, &["init", REPO, "--version", "2"]);
    place.done(&variables, &["backup", CHANGING, REPO]);
    let prune = ["prune", REPO, "--grace", "0", "--max-unused", "0"];
    for round in 0..8_u8 {
        place.change(2 * round + 1);
        place.done(&variables, &["backup", CHANGING, REPO]);
        place.exits(0, &variables, &["forget", REPO, "--keep-last", "1", "--allow-most"]);
        place.change(2 * round + 2);
        let sleeper: &[&str] = if round % 2 == 0 { &prune } else { &["backup", CHANGING, REPO, "--json"] };
        let mut command = place.command(&variables, sleeper);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(20 * u64::from(round / 2 + 1)));
        let id = child.id().to_string();
        Command::new("kill").args(["-STOP", &id]).status().unwrap();
        place.exits(0, &variables, &prune);
        Command::new("kill").args(["-CONT", &id]).status().unwrap();
        child.wait().unwrap();
        place.done(&variables, &["verify", REPO, "--all"]);
    }
}

#[test]
fn two_backups_at_once_into_a_new_repository_make_one_config() {
    let place = Place::new();
    let server = s3(&place);
    let variables = server.variables();
    let start = || {
        let mut command = place.command(&variables, &["backup", "rocksdb:db/validator_0", REPO, "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for child in [start(), start(), start()] {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(place.done(&variables, &["list", REPO])["dumps"].as_array().unwrap().len(), 3);
    place.done(&variables, &["verify", REPO, "--all"]);
}
