//! Every exit code, by command lines as data.

use std::fs;

use rocksdb::{DB, Options};

use crate::program::Place;

/// A command line, the code it ends with, and what it says on stderr.
type Case = (&'static [&'static str], i32, &'static str);

const CASES: &[Case] = &[
    (&["verify", "repo"], 0, ""),
    // Usage.
    (&[], 2, "Usage"),
    (&["backup"], 2, "required"),
    (&["backup", "/some/dir", "repo"], 2, "built into this program: memory:, rocksdb:"),
    (&["backup", "mysql:x", "repo"], 2, "unknown engine"),
    (&["backup", "scylla:x", "repo"], 2, "starts with neither scylla:// nor cql://"),
    (&["backup", "cql://db/kv", "repo"], 2, "the table is missing"),
    (&["backup", "cql://db/kv/t?layout=foo", "repo"], 2, "linera-0.15"),
    (&["backup", "cql://linera@db/kv/t", "repo"], 2, "set KVBACKUP_CQL_PASSWORD"),
    (&["backup", "cql://db/kv/t", "repo", "--password-file", "db"], 2, "names none"),
    (&["backup", "cql://db/kv/t", "repo", "--consistency", "two"], 2, "local_quorum"),
    (&["backup", "cql://db/kv/t", "repo", "--request-timeout", "soon"], 2, "expected ms, s, m or h"),
    (&["backup", "cql://db/kv/t", "repo", "--slices", "0"], 2, "--slices"),
    (&["backup", "cql://db/kv/t", "repo", "--wal-dir", "db"], 2, "--wal-dir is for RocksDB"),
    (&["backup", "cql://db/kv/t", "repo", "--replication", "3"], 2, "unexpected argument"),
    (&["digest", "rocksdb:db/validator_0", "--page-bytes", "1MiB"], 2, "is for ScyllaDB"),
    (&["restore", "repo", "rocksdb:copy/x", "--replication", "3"], 2, "is for ScyllaDB"),
    (&["restore", "repo", "memory:", "--tls-ca", "ca.pem"], 2, "is for ScyllaDB"),
    (&["restore", "repo", "cql://db/kv/t", "--slices", "3"], 2, "unexpected argument"),
    (&["verify", "repo", "--tls-ca", "ca.pem"], 2, "--tls-ca is about a namespace"),
    (&["inspect", "repo", "--slices", "3"], 2, "--slices is about a namespace"),
    (&["backup", "cql://db/kv/t", "repo", "--share", "1/2"], 2, "--job"),
    (&["backup", "cql://db/kv/t", "repo", "--share", "3/2", "--job", "a"], 2, "I/N"),
    (&["backup", "cql://db/kv/t", "repo", "--share", "1/2", "--job", "a/b"], 2, "name of a job"),
    (&["backup", "cql://db/kv/t", "repo", "--share", "1/2", "--job", "a", "--dry-run"], 2, "kvbackup finish"),
    (&["finish", "repo", "--job", "a", "--discard", "--dry-run"], 2, "cannot be used with"),
    (&["finish", "repo", "--job", "a"], 4, "there is none of that name"),
    (&["native-backup", "cql://db/kv/t", "engine"], 2, "on each of their nodes"),
    (&["native-restore", "engine", "cql://db/kv/t"], 2, "on each of their nodes"),
    (&["backup", "rocksdb:db/validator_0", "cql://db/kv/t"], 2, "where a repository is expected"),
    (&["backup", "memory:", "repo"], 2, "can only be restored into"),
    (&["backup", "rocksdb:db/validator_0?layout=foo", "repo"], 2, "linera-0.15"),
    (&["backup", "rocksdb:db/validator_0?layout=plain", "repo", "--layout", "linera-0.15"], 2, "contradict"),
    (&["backup", "rocksdb:db/validator_0", "rocksdb:repo"], 2, "where a repository is expected"),
    (&["backup", "rocksdb:db/validator_0", "repo", "--codec", "lzma"], 2, "zstd:LEVEL"),
    (&["backup", "rocksdb:db/validator_0", "repo", "--max-value", "1GiB"], 2, "500MiB"),
    (&["backup", "rocksdb:db/validator_0", "repo", "--origin", "02ab"], 2, "public key"),
    (&["backup", "rocksdb:db/validator_0", "repo", "--annotate", "x"], 2, "NAME=VALUE"),
    (&["backup", "rocksdb:db/validator_0", "repo", "--workers", "0"], 2, "--workers"),
    (&["restore", "repo", "rocksdb-backup:x"], 2, "can only be read"),
    (&["verify", "repo", "--level", "3"], 2, "possible values"),
    (&["verify", "repo", "--subset", "4/3"], 2, "I/N"),
    (&["verify", "repo", "--subset", "1/3", "--level", "1"], 2, "--level 2"),
    (&["verify", "repo", "--dump", "../../etc/passwd"], 2, "hex digits"),
    (&["completions", "tcsh"], 2, "possible values"),
    // Failed.
    (&["verify", "repo", "--dump", "00000000"], 1, "there is no dump 00000000"),
    (&["list", "nowhere"], 1, "nowhere"),
    (&["list", "db"], 1, "no config.json"),
    (&["digest", "rocksdb:db/missing"], 1, "no RocksDB database"),
    (&["digest", "rocksdb:db"], 1, "did you mean rocksdb:db/empty or rocksdb:db/validator_0?"),
    (
        &["native-backup", "rocksdb:db", "engine"],
        1,
        "did you mean rocksdb:db/empty or rocksdb:db/validator_0?",
    ),
    (&["digest", "cql://127.0.0.1:1/kv/t"], 1, "connecting to scylla://127.0.0.1:1/kv/t"),
    (
        &["digest", "cql://linera@127.0.0.1:1/kv/t", "--password-file", "none"],
        1,
        "reading the password from none",
    ),
    (&["backup", "rocksdb:db/validator_0", "repo/config.json"], 1, "repo/config.json"),
    (&["import", "missing.bcs", "repo"], 1, "missing.bcs"),
    // Refused.
    (&["restore", "repo", "rocksdb:db/validator_0"], 4, "not empty"),
    (&["restore", "repo", "rocksdb:copy/x?layout=linera-0.16"], 4, "cannot be restored as linera-0.16"),
    (&["digest", "rocksdb:db/validator_0?layout=linera-0.16"], 4, "linera-0.15"),
    (&["export", "repo", "repo/config.json"], 4, "exists already"),
    (&["backup", "rocksdb:db/empty?layout=linera-0.15", "repo"], 4, "it is empty"),
    (&["backup", "rocksdb:db/empty", "repo"], 4, "without rows"),
];

#[test]
fn command_lines_end_with_the_code_that_tells_why() {
    let place = Place::with_dump();
    drop(open_new(&place, "db/empty"));
    for (arguments, code, said) in CASES {
        let run = place.exits(*code, arguments);
        if *code == 0 {
            assert_eq!(run.stderr, "", "{run}");
        } else {
            run.says(said);
            let json = place.exits(*code, &[arguments, &["--json"][..]].concat());
            assert_eq!(json.error()["exit_code"], *code, "{json}");
        }
    }
    assert!(!place.path("copy").exists());
    assert_eq!(place.manifests().len(), 1);
}

fn open_new(place: &Place, path: &str) -> DB {
    let mut options = Options::default();
    options.create_if_missing(true);
    DB::open(&options, place.path(path)).unwrap()
}

#[test]
fn an_implausible_namespace_is_dumped_when_that_is_allowed() {
    let place = Place::with_fixture();
    // A block, its certificate, and the index entry of its root key, as linera 0.15 stores them.
    let database = open_new(&place, "db/one_block");
    let root_key = [&[1][..], &[7; 32]].concat();
    let row = |key: &[u8]| [&[0][..], &root_key, key, &[0; 4]].concat();
    database.put(row(&[0x5b]), [&[0, 0, 0, 1][..], b"certificate"].concat()).unwrap();
    database.put([&[1][..], &root_key].concat(), []).unwrap();
    drop(database);
    let source = "rocksdb:db/one_block?layout=linera-0.15";
    place.exits(4, &["backup", source, "repo"]).says("no network description");
    assert!(place.manifests().is_empty(), "there is a manifest");
    let made = place.done(&["backup", source, "repo", "--allow-implausible"]);
    assert_eq!((&made["entries"], &made["contents"][0]["kind"]), (&1.into(), &"block".into()));
}

#[test]
fn a_namespace_that_changed_differs_from_its_dump_and_both_sides_are_shown() {
    let place = Place::with_dump();
    let dump = place.done(&["inspect", "repo"]);
    let before = place.done(&["verify", "repo", "--against", "rocksdb:db/validator_0"]);
    assert_eq!(before["digest"], dump["digest"]);
    let database = DB::open(&Options::default(), place.path("db/validator_0")).unwrap();
    let (key, _) = database
        .iterator(rocksdb::IteratorMode::Start)
        .map(Result::unwrap)
        .find(|(key, _)| key.starts_with(&[0, 1]))
        .unwrap();
    database.delete(&key).unwrap();
    drop(database);
    let after = place.done(&["digest", "rocksdb:db/validator_0"]);
    let run = place.exits(3, &["verify", "repo", "--against", "rocksdb:db/validator_0"]);
    run.says(dump["digest"].as_str().unwrap()).says(after["digest"].as_str().unwrap()).says("block");
    let run = place.exits(3, &["verify", "repo", "--against", "rocksdb:db/validator_0", "--json"]);
    assert_eq!(run.error()["expected"]["digest"], dump["digest"]);
    assert_eq!(run.error()["found"]["digest"], after["digest"]);
    assert_ne!(dump["digest"], after["digest"]);
}

#[test]
fn a_half_done_restore_of_another_dump_is_not_touched() {
    let place = Place::with_dump();
    let other = "ab".repeat(32);
    let work = place.path(&format!("copy/validator_0.restoring-{}", &other[..16]));
    fs::create_dir_all(&work).unwrap();
    let marker = format!(
        r#"{{"format":"kvbackup-restore","version":1,"dump":"{other}","layout":"linera-0.15","order":1,"tool":"x","stage":"writing"}}"#
    );
    fs::write(work.join("marker.json"), &marker).unwrap();
    place.exits(4, &["restore", "repo", "rocksdb:copy/validator_0"]).says(&other);
    assert_eq!(fs::read_to_string(work.join("marker.json")).unwrap(), marker);
    assert!(!place.path("copy/validator_0").exists());
}

#[test]
fn a_value_above_the_limit_is_refused_by_name_and_accepted_with_a_higher_limit() {
    let place = Place::empty();
    fs::create_dir(place.path("db")).unwrap();
    open_new(&place, "db/long").put(b"long key", vec![7; 2 << 20]).unwrap();
    let source = "rocksdb:db/long?layout=plain";
    let key = "6c6f6e67206b6579";
    let refused = place.run(&["backup", source, "repo", "--max-value", "1MiB"]);
    assert_eq!(refused.code, Some(4), "{refused}");
    refused.says(key).says("2097152 bytes").says("--max-value");
    assert!(place.manifests().is_empty());
    place.done(&["backup", source, "repo", "--max-value", "2MiB"]);
    place.done(&["export", "repo", "long.bcs"]);
    for arguments in [
        &["verify", "repo"][..],
        &["restore", "repo", "memory:"],
        &["export", "repo", "x.bcs"],
        &["import", "long.bcs", "other"],
    ] {
        let limited = [arguments, &["--max-value", "1MiB"]].concat();
        place.exits(4, &limited).says("2097152 bytes").says("--max-value");
        let error = place.exits(4, &[&limited[..], &["--json"]].concat()).error();
        assert!(error["advice"].as_str().unwrap().contains("--max-value"), "{error}");
    }
    place.done(&["verify", "repo"]);
}

#[test]
fn a_remark_that_cannot_stand_in_a_manifest_stores_nothing() {
    let place = Place::with_fixture();
    let long = format!("a={}", "x".repeat(5_000));
    for remark in ["a=x\ny", &long] {
        let run = place.run(&["backup", "rocksdb:db/validator_0", "repo", "--annotate", remark]);
        assert_eq!(run.code, Some(1), "{run}");
        run.says("annotations");
        assert!(place.packs().is_empty() && place.manifests().is_empty(), "{run}");
    }
}
