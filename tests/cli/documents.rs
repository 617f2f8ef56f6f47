//! The commands in the documents are run as they are written.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::program::{Place, origin};

/// Takes the nightly script out of `docs/OPERATIONS.md`, with the paths of `place`.
fn nightly_script(place: &Place) -> String {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/OPERATIONS.md");
    let text = fs::read_to_string(document).unwrap();
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
    let bin = place.path("bin");
    fs::create_dir_all(&bin).unwrap();
    let program = bin.join("kvbackup");
    if !program.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kvbackup"), program).unwrap();
    }
    let paths = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let script = nightly_script(place).replace("$(date +%u)", &day.to_string());
    let mut command = Command::new("sh");
    command.args(["-c", &script]).env("PATH", paths).env("VALIDATOR_PUBLIC_KEY", origin());
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
