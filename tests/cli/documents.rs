//! The commands in the documents are run as they are written.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::program::{Place, origin};

fn operations() -> String {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/OPERATIONS.md");
    fs::read_to_string(document).unwrap()
}

/// Takes the nightly script out of `docs/OPERATIONS.md`, with the paths of `place`.
fn nightly_script(place: &Place) -> String {
    let text = operations();
    let (_, script) = text.split_once("```sh\n").unwrap();
    let (script, _) = script.split_once("```").unwrap();
    let path = |name| place.path(name).display().to_string();
    let replaced = [
        ("/var/lib/linera/db/validator_0", path("db/validator_0")),
        ("/backups/validator_0", path("repo")),
        ("/var/lib/kvbackup", path("state")),
    ];
    replaced.iter().fold(script.to_owned(), |script, (from, to)| {
        assert!(script.contains(from), "{from}");
        script.replace(from, to)
    })
}

/// Runs the script on a day of the week, 1 to 7; returns true if it succeeded.
fn run_nightly(place: &Place, day: u32) -> bool {
    run_script(place, &nightly_script(place).replace("$(date +%u)", &day.to_string()))
}

/// Runs a script that finds the program; returns true if it succeeded.
fn run_script(place: &Place, script: &str) -> bool {
    let bin = place.path("bin");
    fs::create_dir_all(&bin).unwrap();
    let program = bin.join("kvbackup");
    if !program.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kvbackup"), program).unwrap();
    }
    let paths = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.args(["-c", script]).env("PATH", paths).env("VALIDATOR_PUBLIC_KEY", origin());
    command.output().unwrap().status.success()
}

#[test]
fn the_nightly_script_leaves_the_last_good_report_when_a_backup_fails() {
    let place = Place::with_fixture();
    let state = place.path("state");
    fs::create_dir(&state).unwrap();
    assert!(run_nightly(&place, 3));
    let backup = fs::read_to_string(state.join("last-backup.json")).unwrap();
    let verify = fs::read_to_string(state.join("last-verify.json")).unwrap();
    assert!(backup.contains("\"digest\"") && verify.contains("\"digest_recomputed\":false"), "{verify}");

    fs::rename(place.path("db"), place.path("gone")).unwrap();
    assert!(!run_nightly(&place, 4));
    assert_eq!(fs::read_to_string(state.join("last-backup.json")).unwrap(), backup);
    assert_eq!(fs::read_to_string(state.join("last-verify.json")).unwrap(), verify);

    fs::rename(place.path("gone"), place.path("db")).unwrap();
    assert!(run_nightly(&place, 7));
    let verify = fs::read_to_string(state.join("last-verify.json")).unwrap();
    assert!(verify.contains("\"digest_recomputed\":true"), "{verify}");
}

#[test]
fn the_nightly_job_with_a_profile_runs_as_it_is_written() {
    let place = Place::with_fixture();
    fs::create_dir(place.path("state")).unwrap();
    let (_, section) =
        operations().split_once("### The same with a profile").map(|(a, b)| (a.len(), b.to_owned())).unwrap();
    let block = |kind: &str| {
        let (_, block) = section.split_once(&format!("```{kind}\n")).unwrap();
        block.split_once("```").unwrap().0.to_owned()
    };
    let path = |name| place.path(name).display().to_string();
    let profiles = block("toml")
        .replace("\"VALIDATOR_PUBLIC_KEY\"", &format!("{:?}", origin()))
        .replace("/backups/validator_0", &path("repo"))
        .replace("/var/lib/kvbackup", &path("state"));
    fs::write(place.path("profiles.toml"), profiles).unwrap();
    let script = block("sh")
        .replace("/etc/kvbackup/profiles.toml", &path("profiles.toml"))
        .replace("/var/lib/linera/db", &path("db"));
    assert!(run_script(&place, &script));
    let listed = place.done(&["list", "repo"]);
    assert_eq!(listed["dumps"][0]["source"]["origin"], origin());
    for file in ["state.json", "backup.prom", "verify.prom"] {
        assert!(place.path("state").join(file).is_file(), "{file}");
    }
}
