//! The program as it is built: exit codes, and what it prints.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use validator_network::runtime::block_on;

use crate::Tests;
use crate::chains;
use crate::fixture::{self, file};
use crate::histories::History;
use crate::keys::BLOCK;
use crate::proving::dump;

pub const TESTS: Tests = &[
    ("a good dump is 0 and JSON", a_good_dump_is_0_and_json),
    ("a damaged dump is 3 and reported in both forms", a_damaged_dump_is_3_and_reported_in_both_forms),
    ("a namespace is 0 and text", a_namespace_is_0_and_text),
    ("what cannot be done is 1", what_cannot_be_done_is_1),
    ("a certificate that runs an application is 1", a_certificate_that_runs_an_application_is_1),
    ("wrong usage is 2", wrong_usage_is_2),
    ("one that is stopped cleans up", one_that_is_stopped_cleans_up),
    ("help teaches", help_teaches),
];

fn a_good_dump_is_0_and_json() {
    let repository = tempfile::tempdir().unwrap();
    dump(&History::Fixture.past().entries, repository.path());
    let (cert1, cert2, own_key) = (file("cert1.bcs"), file("cert2.bcs"), file("own.key"));
    let subject = repository.path().to_str().unwrap();
    let output = run(&[subject, "--cert", &cert1, "--cert", &cert2, "--own-key", &own_key, "--json"]);
    assert_eq!(code(&output), 0, "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["layout"], &report["findings_total"]), (&"linera-0.15".into(), &0.into()));
    assert_eq!(report["dump"].as_str().unwrap().len(), 64);
    assert_eq!(report["digest"].as_str().unwrap().len(), 64);
    assert_eq!(report["counts"]["blocks"], 24);
    assert_eq!(report["linera"], "0.15.23");
    assert!(report["seconds"].as_f64().unwrap() > 0.0);
    let keys: Vec<_> = report["scenarios"].as_array().unwrap().iter().map(|boot| &boot["key"]).collect();
    assert_eq!(keys, ["none", "random", "own"]);
    no_secret(&output);
}

fn a_damaged_dump_is_3_and_reported_in_both_forms() {
    let past = History::Fixture.past();
    let mut entries = past.entries.clone();
    entries.delete(&past.block_key(past.sender, 5), BLOCK);
    let repository = tempfile::tempdir().unwrap();
    dump(&entries, repository.path());
    let subject = repository.path().to_str().unwrap();
    let output = run(&[subject, "--json"]);
    assert_eq!(code(&output), 3, "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let finding = &report["findings"][0];
    assert_eq!((&finding["kind"], &finding["place"]["height"]), (&"block_missing".into(), &5.into()));
    assert_eq!(finding["place"]["chain"], hex::encode(past.sender));
    assert_eq!(finding["place"]["block"], hex::encode(past.block(past.sender, 5)));
    assert!(finding["meaning"].as_str().unwrap().contains("cannot be served"));
    let output = run(&[subject]);
    assert_eq!(code(&output), 3, "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let place = past.name("FINDING      block_missing: block of chain SENDER at height 5");
    assert!(text.contains(&place) && text.contains("1 finding\n"), "{text}");
}

fn a_namespace_is_0_and_text() {
    let subject = format!("rocksdb:{}", fixture::namespace().display());
    let output = run(&[&subject, "--own-key", &file("own.key")]);
    assert_eq!(code(&output), 0, "{output:?}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    for part in ["2 chains, 24 blocks", "with the own key 03f2c561", "nothing was found: this boots"] {
        assert!(text.contains(part), "{text}");
    }
    no_secret(&output);
}

fn what_cannot_be_done_is_1() {
    let missing = tempfile::tempdir().unwrap();
    let missing = missing.path().to_str().unwrap();
    let namespace = format!("rocksdb:{}", fixture::namespace().display());
    let no_certificate = file("info.json");
    for arguments in [
        vec![missing],
        vec![&namespace, "--cert", &no_certificate],
        vec![&namespace, "--own-key", &no_certificate],
        vec![&namespace, "--against-dump", missing],
        vec![&namespace, "--scratch", "/dev/null/no such directory"],
        vec!["rocksdb:/dev/null/no such namespace"],
    ] {
        let output = run(&arguments);
        assert_eq!(code(&output), 1, "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty() && output.stderr.starts_with(b"error: "), "{output:?}");
        no_secret(&output);
    }
}

fn a_certificate_that_runs_an_application_is_1() {
    let made = block_on(|| async { Ok(chains::certificate_that_runs_an_application().await) });
    let (past, certificate) = made.unwrap();
    let (repository, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    dump(&past.entries, repository.path());
    let path = directory.path().join("application.bcs");
    std::fs::write(&path, bcs::to_bytes(&certificate).unwrap()).unwrap();
    let output = run(&[repository.path().to_str().unwrap(), "--json", "--cert", path.to_str().unwrap()]);
    assert_eq!(code(&output), 1, "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["findings_total"], 0);
    assert!(report["not_proven"][0]["what"].as_str().unwrap().contains("run applications"), "{report}");
    assert!(report["scenarios"][0]["result"].as_str().unwrap().starts_with("not proven"), "{report}");
}

fn wrong_usage_is_2() {
    for arguments in [&[][..], &["memory:"], &["/backup", "--against-dump", "/other"], &["/backup", "--what"]]
    {
        let output = run(arguments);
        assert_eq!(code(&output), 2, "{arguments:?}: {output:?}");
    }
}

fn one_that_is_stopped_cleans_up() {
    let scratch = tempfile::tempdir().unwrap();
    let subject = format!("rocksdb:{}", fixture::namespace().display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_bootproof"));
    command.args([&subject, "--scratch", scratch.path().to_str().unwrap()]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while std::fs::read_dir(scratch.path()).unwrap().next().is_none_or(|made| is_empty(&made.unwrap().path()))
    {
        std::thread::sleep(Duration::from_millis(1));
    }
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 1, "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("stopped by SIGTERM"), "{output:?}");
    assert!(is_empty(scratch.path()));
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}

fn help_teaches() {
    let output = run(&["--help"]);
    assert_eq!(code(&output), 0);
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["What is proven", "What is not proven, and why", "Examples:", "Exit codes:", "--own-key"] {
        assert!(text.contains(part), "{text}");
    }
}

pub fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bootproof")).args(arguments).output().unwrap()
}

pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// The own key must not appear in anything that is printed.
fn no_secret(output: &Output) {
    let secret = std::fs::read_to_string(file("own.key")).unwrap();
    let secret = secret.trim();
    for printed in [&output.stdout, &output.stderr] {
        assert!(
            !String::from_utf8_lossy(printed).to_lowercase().contains(secret),
            "the secret key is printed"
        );
    }
}
