//! What the program prints, and where.

use std::io::Read;
use std::process::Stdio;

use crate::program::Place;

#[test]
fn an_error_under_json_is_one_object_at_the_end_of_stderr() {
    let place = Place::with_fixture();
    let run = place.exits(1, &["verify", "nowhere", "--json"]);
    assert_eq!(run.stdout, "");
    let error = run.error();
    assert_eq!(error["exit_code"], 1);
    assert!(error["error"].as_str().unwrap().contains("nowhere"), "{error}");
    assert!(error["causes"].is_array());
    let usage = place.exits(2, &["verify", "--json"]).error();
    assert_eq!(usage["exit_code"], 2);
    assert!(usage["error"].as_str().unwrap().contains("REPOSITORY"), "{usage}");
}

#[test]
fn an_error_for_people_tells_its_causes_and_what_to_do() {
    let place = Place::with_dump();
    std::fs::write(place.manifests().remove(0), "{}").unwrap();
    let run = place.exits(3, &["inspect", "repo"]);
    assert!(run.stderr.starts_with("error: "), "{run}");
    let run = place.exits(1, &["digest", "rocksdb:db/missing"]);
    assert!(run.stderr.contains("\n  caused by: "), "{run}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = Place::with_dump();
    for arguments in [&["completions", "bash"][..], &["list", "repo", "--json"], &["--help"]] {
        let mut child =
            place.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn people_get_short_aligned_lines_and_nothing_on_stderr() {
    let place = Place::with_fixture();
    let backup = place.exits(0, &["backup", "rocksdb:db/validator_0", "repo"]);
    assert_eq!(backup.stderr, "", "{backup}");
    for label in ["dump", "digest", "namespace", "content", "stored", "next"] {
        let line = backup.stdout.lines().find(|line| line.starts_with(label));
        let line = line.unwrap_or_else(|| panic!("no line {label}: {backup}"));
        assert!(line.len() > 13 && line.as_bytes()[12] == b' ' && line.as_bytes()[13] != b' ', "{line}");
    }
    let inspect = place.exits(0, &["inspect", "repo"]);
    for kind in ["chain_state", "block", "network_description"] {
        assert!(inspect.stdout.lines().any(|line| line.starts_with(kind)), "{inspect}");
    }
    let list = place.exits(0, &["list", "repo"]);
    assert_eq!(list.stdout.lines().count(), 2, "{list}");
    assert!(list.stdout.contains("linera-0.15"), "{list}");
}

#[test]
fn help_explains_places_codes_and_variables_and_each_command_has_an_example() {
    let place = Place::empty();
    let help = place.exits(0, &["--help"]).stdout;
    for word in ["SOURCE", "TARGET", "REPO", "Exit codes", "130", "TMPDIR", "rocksdb:DIR/NAMESPACE"] {
        assert!(help.contains(word), "{word} in {help}");
    }
    let commands = [
        "backup",
        "finish",
        "restore",
        "verify",
        "digest",
        "list",
        "inspect",
        "import",
        "export",
        "native-backup",
        "native-restore",
        "completions",
    ];
    for command in commands {
        assert!(help.contains(&format!("\n  {command} ")), "{command} in {help}");
        let own = place.exits(0, &[command, "--help"]).stdout;
        assert!(own.contains("Example") && own.contains(&format!("kvbackup {command} ")), "{own}");
    }
    let version = place.exits(0, &["--version"]).stdout;
    assert_eq!(version, format!("kvbackup {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_know_the_commands() {
    let place = Place::empty();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = place.exits(0, &["completions", shell]).stdout;
        assert!(script.contains("native-restore"), "{shell}");
    }
}
