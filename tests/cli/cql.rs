//! ScyllaDB and Cassandra behind SOURCE and TARGET, on a real server.

use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::large;
use crate::program::{Place, Run};
use crate::server::{Server, keyspace, table};

/// The digest of the fixture, whatever holds it.
const FIXTURE_DIGEST: &str = "0540dc3d700e";

fn assert_fixture(report: &Value) {
    assert!(report["digest"].as_str().unwrap().starts_with(FIXTURE_DIGEST), "{report}");
}

#[test]
fn a_dump_of_rocksdb_goes_into_a_table_and_back_with_one_digest_everywhere() {
    let _server = Server::connect();
    let place = Place::with_dump();
    let copy = table("round_trip");
    let restored = place.done(&["restore", "repo", &copy]);
    assert_fixture(&restored);
    assert_eq!(
        (&restored["target"], &restored["target_layout"]),
        (&copy.as_str().into(), &"linera-0.15".into())
    );
    assert!(restored["caution"].as_str().unwrap().contains("KEY-SAFETY"), "{restored}");

    let compared = place.done(&["verify", "repo", "--against", &copy]);
    assert_fixture(&compared);
    assert_eq!(compared["against"], copy.as_str());
    let read = place.done(&["digest", &copy.replace("scylla:", "cql:")]);
    assert_fixture(&read);
    assert_eq!((&read["namespace"], &read["source"]["engine"]), (&"round_trip".into(), &"scylla".into()));
    assert_eq!(read["source"]["layout"], "linera-0.15");
    let inspected = place.exits(0, &["inspect", &copy]);
    assert!(inspected.stdout.contains("chain_state"), "{inspected}");

    let made = place.done(&["backup", &copy, "from-table"]);
    assert_fixture(&made);
    assert_eq!((&made["consistency"], &made["order"]), (&"causal".into(), &2.into()), "{made}");
    assert_fixture(&place.done(&["verify", "from-table"]));
    assert_fixture(&place.done(&["restore", "from-table", "rocksdb:back/validator_0"]));
    assert_fixture(&place.done(&["digest", "rocksdb:back/validator_0"]));
    place.done(&["verify", "from-table", "--against", "rocksdb:db/validator_0"]);
}

#[test]
fn a_second_backup_stores_nothing_anew_however_it_reads() {
    let _server = Server::connect();
    let place = Place::with_dump();
    let copy = table("second");
    place.done(&["restore", "repo", &copy]);
    let first = place.done(&["backup", &copy, "tables"]);
    assert!(first["new_objects"].as_u64().unwrap() > 0, "{first}");
    let other_ways: [&[&str]; 3] = [
        &[],
        &["--ranges", "5", "--slices", "1", "--consistency", "ALL"],
        &["--page-bytes", "4KiB", "--slice-bytes", "1KiB", "--request-timeout", "20s", "--patience", "1m"],
    ];
    for options in other_ways {
        let again = place.done(&[&["backup", &copy, "tables"], options].concat());
        assert_eq!((&again["new_objects"], &again["root"]), (&0.into(), &first["root"]), "{options:?}");
        assert_eq!(again["digest"], first["digest"]);
    }
}

#[test]
fn what_exists_is_not_restored_over_and_what_does_not_is_not_read() {
    let server = Server::connect();
    let place = Place::with_dump();
    let copy = table("taken");
    let dry = place.done(&["restore", "repo", &copy, "--dry-run"]);
    assert_eq!(dry["dry_run"], true);
    assert!(!server.has_table("taken"), "a dry run made a table");
    place.exits(1, &["digest", &copy]).says("no table taken in keyspace");
    place.exits(1, &["backup", &copy, "new"]).says("no table taken in keyspace");
    assert!(!place.path("new").exists(), "a repository without a source");

    place.done(&["restore", "repo", &copy, "--write-concurrency", "3", "--replication", "1"]);
    let before = place.done(&["digest", &copy]);
    let error = place.exits(4, &["restore", "repo", &copy, "--json"]).error();
    assert!(error["causes"][0].as_str().unwrap().contains("it is not empty, the table exists"), "{error}");
    place.exits(4, &["restore", "repo", &copy, "--dry-run"]).says("drop it");
    place.exits(4, &["digest", &format!("{copy}?layout=linera-0.16")]).says("linera-0.15");
    assert_eq!(place.done(&["digest", &copy])["digest"], before["digest"]);

    server.run(&format!("CREATE TABLE {}.people (id int PRIMARY KEY, name text)", keyspace()));
    place.exits(4, &["digest", &table("people")]).says("is not a table of linera");
}

#[test]
fn a_table_that_changed_differs_from_its_dump() {
    let server = Server::connect();
    let place = Place::with_dump();
    let copy = table("changed");
    place.done(&["restore", "repo", &copy]);
    let rows: Vec<(Vec<u8>, Vec<u8>)> =
        server.rows(&format!("SELECT root_key, k FROM {}.changed", keyspace()), ());
    let (root_key, _) = rows.iter().find(|(root_key, _)| root_key.starts_with(&[0, 1])).unwrap();
    let root_key: String = root_key.iter().map(|byte| format!("{byte:02x}")).collect();
    server.run(&format!("DELETE FROM {}.changed WHERE root_key = 0x{root_key}", keyspace()));
    let run = place.exits(3, &["verify", "repo", "--against", &copy, "--json"]);
    let error = run.error();
    assert_ne!(error["expected"]["digest"], error["found"]["digest"]);
    assert!(error["expected"]["digest"].as_str().unwrap().starts_with(FIXTURE_DIGEST), "{error}");
}

#[test]
fn a_restore_that_was_killed_is_visible_as_such_and_goes_on() {
    let server = Server::connect();
    let place = Place::empty();
    large::create(&place.path("db/large"), 21);
    let made = place.done(&["backup", "rocksdb:db/large", "repo"]);
    let copy = table("killed");
    let arguments = ["restore", "repo", &copy, "--write-concurrency", "1"];
    let mut command = place.command(&arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while server.rows_up_to(40, "killed") < 40 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "it ended before it was killed");

    for reading in
        [&["digest", &copy][..], &["backup", &copy, "half"], &["verify", "repo", "--against", &copy]]
    {
        place.exits(4, reading).says("is not complete").says(made["dump"].as_str().unwrap());
    }
    assert!(!place.path("half").exists());
    let other = Place::with_dump();
    other.exits(4, &["restore", "repo", &copy]).says("complete or discard that one first");
    let restored = place.done(&["restore", "repo", &copy]);
    assert_eq!(restored["digest"], made["digest"]);
    assert_eq!(place.done(&["digest", &copy])["digest"], made["digest"]);
    place.exits(4, &["restore", "repo", &copy]).says("exists");
}

/// Starts a share of a job.
fn start_share(place: &Place, source: &str, share: &str) -> Child {
    let arguments = ["backup", source, "repo", "--share", share, "--job", "night", "--json", "--slices", "1"];
    place.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Counts the records that the shares of a job left so far.
fn records(place: &Place) -> usize {
    let Ok(files) = place.path("repo/jobs/night").read_dir() else { return 0 };
    let is_part = |name: &str| name.len() == 6 && !name.contains('#');
    files.filter(|file| is_part(&file.as_ref().unwrap().file_name().to_string_lossy())).count()
}

#[test]
fn four_processes_of_which_one_is_killed_make_the_dump_that_one_process_makes() {
    let _server = Server::connect();
    let place = Place::empty();
    large::create(&place.path("db/large"), 22);
    place.done(&["backup", "rocksdb:db/large", "rocksdb"]);
    let source = table("shared");
    place.done(&["restore", "rocksdb", &source]);
    let alone = place.done(&["backup", &source, "alone"]);
    // With the salts of that repository, ids can be compared.
    std::fs::create_dir(place.path("repo")).unwrap();
    std::fs::copy(place.path("alone/config.json"), place.path("repo/config.json")).unwrap();

    let shares = ["1/4", "2/4", "3/4", "4/4"];
    let mut children = shares.map(|share| start_share(&place, &source, share));
    while records(&place) < 65 {
        assert!(children[2].try_wait().unwrap().is_none(), "it ended before it could be killed");
        thread::sleep(Duration::from_millis(2));
    }
    children[2].kill().unwrap();
    let outputs = children.map(|child| child.wait_with_output().unwrap());
    assert_eq!(outputs[2].status.code(), None, "it ended before it was killed");
    for (share, output) in shares.iter().zip(outputs).filter(|(share, _)| **share != "3/4") {
        let run = Run::new(&[share], output);
        assert_eq!(run.code, Some(0), "{run}");
        let report = run.json();
        assert_eq!((&report["share"], &report["ranges"]), (&(*share).into(), &32.into()), "{report}");
        assert!(report["new_objects"].is_u64() && report["entries"].is_u64(), "{report}");
    }
    place.exits(4, &["finish", "repo", "--job", "night"]).says("not read yet: range").says("of phase 2");
    assert!(place.manifests().is_empty());

    let before = records(&place);
    let again = start_share(&place, &source, "3/4").wait_with_output().unwrap();
    let again = Run::new(&["3/4"], again).json();
    let reused = again["ranges_reused"].as_u64().unwrap();
    assert!((16..32).contains(&reused), "{again}");
    assert_eq!(before as u64 + 32 - reused, 128);
    let dry = place.done(&["finish", "repo", "--job", "night", "--dry-run"]);
    assert!(place.manifests().is_empty());
    let made = place.done(&["finish", "repo", "--job", "night"]);
    // A dry run makes no page.
    assert_eq!((&made["root"], &dry["root"]), (&alone["root"], &Value::Null));
    for field in ["digest", "entries", "segments", "pages", "plain_bytes", "consistency", "contents"] {
        assert_eq!((&made[field], &dry[field]), (&alone[field], &alone[field]), "{field}");
    }
    assert_eq!((&made["consistency"], &made["job"]), (&"causal".into(), &"night".into()));
    assert_eq!(records(&place), 0);
    assert_eq!(place.done(&["verify", "repo"])["digest"], alone["digest"]);
    place.exits(4, &["finish", "repo", "--job", "night"]).says("never begun, or is finished");
}

#[test]
fn shares_wait_for_each_other_and_a_job_is_made_of_one_kind() {
    let _server = Server::connect();
    let place = Place::with_dump();
    let source = table("waiting");
    place.done(&["restore", "repo", &source]);
    let share = ["backup", &source, "repo", "--job", "j", "--wait", "1ms", "--share"];
    let waiting = place.exits(1, &[&share[..], &["2/2"]].concat());
    waiting.says("waited for the first phase of other shares: ranges 1 to 32 of phase 1");
    place.exits(4, &[&share[..], &["2/3"]].concat()).says("number of shares");
    place.exits(4, &["finish", "repo", "--job", "j"]).says("ranges 1 to 64 of phase 2");
    let rocksdb = ["backup", "rocksdb:db/validator_0", "repo", "--share", "1/2", "--job", "k"];
    place.exits(4, &rocksdb).says("cannot be dumped by several processes");
    let discarded = place.done(&["finish", "repo", "--job", "j", "--discard"]);
    assert_eq!(discarded["records_removed"], 33);
    assert_eq!(place.manifests().len(), 1);
}

#[test]
fn a_password_is_repeated_nowhere_and_belongs_in_a_file_or_a_variable() {
    let _server = Server::connect();
    let place = Place::with_dump();
    let copy = table("login");
    place.done(&["restore", "repo", &copy]);
    let login = copy.replace("scylla://", "scylla://linera:sesame@");
    for arguments in [
        &["digest", &login][..],
        &["restore", "repo", &login],
        &["verify", "repo", "--against", &login],
        &["inspect", &login],
        &["list", &login],
        &["digest", &login, "--json"],
    ] {
        let run = place.exits(2, arguments);
        assert!(!run.stderr.contains("sesame") && run.stdout.is_empty(), "{run}");
        run.says("***");
    }
    // A server that asks for no password takes any.
    let user = copy.replace("scylla://", "scylla://linera@");
    std::fs::write(place.path("password"), "sesame\n").unwrap();
    assert_fixture(&place.done(&["digest", &user, "--password-file", "password"]));
    let arguments = ["digest", &user, "--json"];
    let output = place.command(&arguments).env("KVBACKUP_CQL_PASSWORD", "sesame").output().unwrap();
    assert_fixture(&Run::new(&arguments, output).json());
}

#[test]
fn a_server_that_speaks_no_tls_is_not_talked_to_without() {
    let _server = Server::connect();
    let place = Place::with_dump();
    let copy = table("tls");
    place.done(&["restore", "repo", &copy]);
    place.exits(1, &["digest", &copy, "--tls-ca", "missing.pem"]).says("missing.pem");
    std::fs::write(place.path("empty.pem"), "").unwrap();
    place.exits(1, &["digest", &copy, "--tls-ca", "empty.pem"]).says("empty.pem");
}

#[test]
fn a_table_is_fenced_in_place_as_a_database_of_rocksdb_is() {
    let _server = Server::connect();
    let place = Place::with_dump();
    let copy = table("fenced");
    place.done(&["restore", "repo", &copy]);
    let raise = ["fence", "raise", &copy, "--without-survey"];
    place.exits(4, &["fence", "status", &copy]).says("not fenced: 2 chains of 2");
    assert_eq!(place.done(&[&raise[..], &["--dry-run"]].concat())["written"], 2);
    assert_fixture(&place.done(&["digest", &copy]));
    assert_eq!(place.done(&raise)["written"], 2);
    assert_eq!(place.done(&raise)["written"], 0);
    assert_eq!(place.done(&["fence", "status", &copy])["fenced"], 2);

    let source = "rocksdb:db/validator_0";
    place.done(&["fence", "raise", source, "--without-survey"]);
    assert_eq!(place.done(&["digest", &copy])["digest"], place.done(&["digest", source])["digest"]);
    // The rows are those of linera: they are restored as all others.
    place.done(&["backup", &copy, "fenced"]);
    place.done(&["restore", "fenced", "rocksdb:back/validator_0"]);
    assert_eq!(place.done(&["fence", "status", "rocksdb:back/validator_0"])["fenced"], 2);
}

#[test]
fn a_table_that_a_worker_writes_to_is_not_fenced() {
    let server = Server::connect();
    let place = Place::with_dump();
    let copy = table("busy");
    place.done(&["restore", "repo", &copy]);
    let rows: Vec<(Vec<u8>, Vec<u8>)> =
        server.rows(&format!("SELECT root_key, k FROM {}.busy", keyspace()), ());
    let (root_key, _) =
        rows.iter().find(|(root_key, key)| root_key.starts_with(&[0, 0]) && key.is_empty()).unwrap();
    let root_key: String = root_key.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut command = place.command(&["fence", "raise", &copy, "--without-survey"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while child.try_wait().unwrap().is_none() {
        server
            .run(&format!("INSERT INTO {}.busy (root_key, k, v) VALUES (0x{root_key}, 0x, 0x)", keyspace()));
        thread::sleep(Duration::from_millis(5));
    }
    let run = Run::new(&["fence", "raise"], child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(4), "{run}");
    run.says("it is in use, the sentinel of partition 0000");
    assert_fixture(&place.done(&["digest", &copy]));
}
