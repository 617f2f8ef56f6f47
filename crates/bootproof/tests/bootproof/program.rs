//! The program as it is built: exit codes, and what it prints.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use backup_format::{Attestation, Proven};
use backup_sign::{KeyId, SecretKey};
use rocksdb::backup::{BackupEngine, BackupEngineOptions};
use rocksdb::{DB, Env, Options};
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
    ("command lines end with the code that tells why", command_lines_end_with_the_code_that_tells_why),
    (
        "the latest dump is proven from each place that kvbackup reads",
        the_latest_dump_is_proven_from_each_place,
    ),
    ("a native backup is a namespace too", a_native_backup_is_a_namespace_too),
    ("a certificate that runs an application is 1", a_certificate_that_runs_an_application_is_1),
    ("one that is interrupted cleans up", one_that_is_interrupted_cleans_up),
    ("a proof is attested and a page is written", a_proof_is_attested_and_a_page_is_written),
    ("what was found is on the page and not attested", what_was_found_is_on_the_page_and_not_attested),
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
    assert_eq!((&report["fence"]["chains"], &report["fence"]["bare"]), (&2.into(), &2.into()));
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
    assert_eq!(error(&run(&[subject, "--json"]))["exit_code"], 3);
    let text = String::from_utf8(output.stdout).unwrap();
    let place = past.name("FINDING      block_missing: block of chain SENDER at height 5");
    assert!(text.contains(&place) && text.contains("1 finding\n"), "{text}");
}

fn a_namespace_is_0_and_text() {
    let subject = format!("rocksdb:{}", fixture::namespace().display());
    let output = run(&[&subject, "--own-key", &file("own.key")]);
    assert_eq!(code(&output), 0, "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    for part in ["2 chains, 24 blocks", "with the own key 03f2c561", "nothing was found: this boots"] {
        assert!(text.contains(part), "{text}");
    }
    no_secret(&output);
}

/// A command line after `bootproof`, the code it ends with, and what it says on stderr.
type Case<'a> = (&'a [&'a str], i32, &'a str);

fn command_lines_end_with_the_code_that_tells_why() {
    let (repository, missing) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (repository, missing) = (repository.path().to_str().unwrap(), missing.path().to_str().unwrap());
    let namespace = format!("rocksdb:{}", fixture::namespace().display());
    let namespaces = format!("rocksdb:{}", fixture::namespace().parent().unwrap().display());
    let (namespace, no_certificate) = (namespace.as_str(), file("info.json"));
    let inside = fixture::namespace().join("repository").display().to_string();
    dump(&History::Fixture.past().entries, Path::new(repository));
    let cases: &[Case<'_>] = &[
        // Usage.
        (&[], 2, "Usage"),
        (&["memory:"], 2, "can only be restored into"),
        (&["scylla:x"], 2, "starts with neither scylla:// nor cql://"),
        (&["scylla://me:secret@db/kv/t"], 2, "***"),
        (&["rocksdb:db?layout=foo"], 2, "linera-0.15"),
        (&["/backup", "--what"], 2, "unexpected argument"),
        (&["/backup", "--dump", "../x"], 2, "hex digits"),
        (&["/backup", "--workers", "0"], 2, "--workers"),
        (&["/backup", "--quiet", "--progress"], 2, "cannot be used with"),
        (&["/backup", "--against-dump", "/other"], 2, "--against-dump goes with a SOURCE"),
        (&[namespace, "--against-dump", "cql://db/kv/t"], 2, "where a repository is expected"),
        (&[namespace, "--dump", "latest"], 2, "--dump goes with a REPO"),
        (&[namespace, "--tls-ca", "ca.pem"], 2, "is for ScyllaDB"),
        (&["cql://db/kv/t", "--wal-dir", "db"], 2, "--wal-dir is for RocksDB"),
        (&["cql://me@db/kv/t"], 2, "set KVBACKUP_CQL_PASSWORD"),
        (&["cql://db/kv/t", "--password-file", "x"], 2, "names none"),
        (&[repository, "--wal-dir", "db"], 2, "--wal-dir is about a namespace"),
        // Failed.
        (&[missing], 1, missing),
        (&[repository, "--dump", "00000000"], 1, "there is no dump 00000000"),
        (&[namespace, "--genesis", &no_certificate], 2, "is no genesis of linera"),
        (&[namespace, "--genesis", "nowhere.json"], 1, "nowhere.json"),
        (&[namespace, "--network-description", "xy"], 2, "64 hex digits"),
        (&[namespace, "--cert", &no_certificate], 1, "info.json"),
        (&[namespace, "--own-key", &no_certificate], 1, "no secret key"),
        (&[namespace, "--against-dump", missing], 1, missing),
        (&[namespace, "--scratch", "/dev/null/no such directory"], 1, "no such directory"),
        (&["rocksdb:/dev/null/no such namespace"], 1, "no such namespace"),
        (&[&namespaces], 1, "did you mean"),
        (&["cql://127.0.0.1:1/kv/t"], 1, "connecting to scylla://127.0.0.1:1/kv/t"),
        // Refused.
        (&[namespace, "--layout", "linera-0.16"], 4, "linera-0.15"),
        (&[namespace, "--against-dump", &inside], 4, "lies in"),
        (&[namespace, "--scratch", &inside], 4, "lies in"),
    ];
    for (arguments, expected, said) in cases {
        let output = run(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(code(&output), *expected, "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty() && text.contains(said), "{arguments:?}: {output:?}");
        assert!(!text.contains("secret@"), "{text}");
        no_secret(&output);
        let json = run(&[arguments, &["--json"][..]].concat());
        assert_eq!(error(&json)["exit_code"], *expected, "{arguments:?}: {json:?}");
        assert!(json.stdout.is_empty(), "{json:?}");
    }
}

/// Writes a key to sign with, and its public half beside it; returns both names.
fn signing_key(directory: &Path) -> (String, String) {
    let key = SecretKey::from_seed(KeyId([1; 8]), [2; 32].into()).unwrap();
    let (secret, public) = (directory.join("operator.key"), directory.join("operator.key.pub"));
    std::fs::write(&secret, key.encode().as_bytes()).unwrap();
    std::fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&public, key.public().encode()).unwrap();
    (secret.display().to_string(), public.display().to_string())
}

fn a_proof_is_attested_and_a_page_is_written() {
    let (repository, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    dump(&History::Fixture.past().entries, repository.path());
    let subject = repository.path().to_str().unwrap();
    let (secret, public) = signing_key(files.path());
    let page = files.path().join("proof.html").display().to_string();
    let (cert, own_key) = (file("cert1.bcs"), file("own.key"));
    let arguments =
        ["--sign-key", &secret, "--html", &page, "--cert", &cert, "--own-key", &own_key, "--json"];
    let output = run(&[&[subject][..], &arguments].concat());
    assert_eq!(code(&output), 0, "{output:?}");
    no_secret(&output);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let [id] = report["attestations"].as_array().unwrap().as_slice() else { panic!("{report}") };
    let name = repository.path().join(format!("reports/{}.json", id.as_str().unwrap()));
    let attestation = Attestation::decode(&std::fs::read(&name).unwrap()).unwrap();
    assert_eq!(attestation.proven, Proven::Boot);
    let [(dump, Some(digest))] = attestation.dumps.iter().collect::<Vec<_>>()[..] else {
        panic!("{attestation:?}")
    };
    assert_eq!((dump.to_string(), digest.to_string()), (text(&report["dump"]), text(&report["digest"])));
    let network = serde_json::to_value(&attestation.network).unwrap();
    assert!(network["genesis_config"].is_string() && network == report["network"], "{network}");
    assert!(attestation.tool.starts_with("bootproof ") && attestation.tool.ends_with("linera 0.15.23"));
    assert!(name.with_extension("json.minisig").exists());

    let written = std::fs::read_to_string(&page).unwrap();
    for part in [
        "Nothing was found.",
        "What is proven",
        "not fenced: 2 of 2 chains",
        "linera&#39;s worker boots",
        "Next height",
        &text(&report["network"]["name"]),
    ] {
        let part = part.replace("&#39;", "'");
        assert!(written.contains(&part), "{part} is not in {written}");
    }
    assert!(!written.contains("<script") && !written.contains(&std::fs::read_to_string(&own_key).unwrap()));
    // The page is replaced, and nothing else is. Where keys are trusted, only who has one attests.
    assert_eq!(code(&run(&[subject, "--html", &page, "--trust", &public])), 4, "the dump is not signed");
    std::fs::write(&page, "mine").unwrap();
    let output = run(&[subject, "--html", &page]);
    assert_eq!(code(&output), 1, "{output:?}");
    assert_eq!(std::fs::read_to_string(&page).unwrap(), "mine");
    let inside = repository.path().join("proof.html").display().to_string();
    assert_eq!(code(&run(&[subject, "--html", &inside])), 4);
    assert_eq!(code(&run(&[subject, "--attest", "--trust", &public])), 4);
}

fn what_was_found_is_on_the_page_and_not_attested() {
    let past = History::Fixture.past();
    let mut entries = past.entries.clone();
    entries.delete(&past.block_key(past.sender, 5), BLOCK);
    let (repository, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    dump(&entries, repository.path());
    let page = files.path().join("proof.html");
    let output = run(&[repository.path().to_str().unwrap(), "--attest", "--html", page.to_str().unwrap()]);
    assert_eq!(code(&output), 3, "{output:?}");
    assert!(!repository.path().join("reports").exists());
    let written = std::fs::read_to_string(&page).unwrap();
    for part in ["1 finding.", "block_missing", "at height 5", "cannot be served", "What would be proven"] {
        assert!(written.contains(part), "{part} is not in {written}");
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Returns the JSON object in the last line of stderr.
fn error(output: &Output) -> Value {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

fn the_latest_dump_is_proven_from_each_place() {
    let directory = tempfile::tempdir().unwrap();
    let repository = directory.path().join("s3:repository");
    dump(&History::Fixture.past().entries, &repository);
    for arguments in [
        &["./s3:repository", "--workers", "1", "--max-value", "1MiB", "--limit-download", "1GiB"][..],
        &[repository.to_str().unwrap(), "--dump", "latest", "--json"],
    ] {
        let output = command(arguments).current_dir(directory.path()).output().unwrap();
        assert_eq!(code(&output), 0, "{arguments:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
    let small = ["./s3:repository", "--max-value", "16"];
    let output = command(&small).current_dir(directory.path()).output().unwrap();
    assert_eq!(code(&output), 4, "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("--max-value SIZE raises the limit"),
        "{output:?}"
    );
}

fn a_native_backup_is_a_namespace_too() {
    let directory = tempfile::tempdir().unwrap();
    fixture::copy(&directory.path().join("copy"));
    let backups = directory.path().join("backups");
    {
        let database = DB::open(&Options::default(), directory.path().join("copy")).unwrap();
        let options = BackupEngineOptions::new(&backups).unwrap();
        let mut engine = BackupEngine::open(&options, &Env::new().unwrap()).unwrap();
        engine.create_new_backup_flush(&database, true).unwrap();
    }
    let subject = format!("rocksdb-backup:{}#1", backups.display());
    let output = run(&[&subject, "--allow-missing-log"]);
    assert_eq!(code(&output), 0, "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("2 chains, 24 blocks") && text.contains(&subject), "{text}");
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

fn one_that_is_interrupted_cleans_up() {
    let scratch = tempfile::tempdir().unwrap();
    let subject = format!("rocksdb:{}", fixture::namespace().display());
    let mut command = command(&[&subject, "--scratch", scratch.path().to_str().unwrap()]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while std::fs::read_dir(scratch.path()).unwrap().next().is_none_or(|made| is_empty(&made.unwrap().path()))
    {
        std::thread::sleep(Duration::from_millis(1));
    }
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 130, "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted by SIGTERM"), "{output:?}");
    assert!(is_empty(scratch.path()));
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}

fn help_teaches() {
    let output = run(&["--help"]);
    assert_eq!(code(&output), 0);
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "What is proven",
        "What is not proven, and why",
        "Examples:",
        "--own-key",
        "SOURCE is a namespace",
        "REPO is where dumps lie",
        "rocksdb-backup:DIR[#ID]",
        "Exit codes:",
        "130  interrupted by",
        "KVBACKUP_CQL_PASSWORD",
        "--wal-dir",
        "--store-patience",
        "--max-value",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

pub fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bootproof"));
    command.args(arguments);
    command
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
