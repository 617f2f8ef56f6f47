//! The quick starts: every command of the pages is run. That for object stores is run where their servers are.

use std::fs;

use crate::page;
use crate::program::Place;
use crate::server::{Server, hosts, keyspace, table};

#[test]
fn the_quick_start_for_rocksdb_ends_with_an_equal_copy() {
    let place = Place::with_fixture();
    fs::create_dir(place.path("backups")).unwrap();
    let places = [
        ("/var/lib/linera/db/validator_0", "db/validator_0"),
        ("/var/lib/linera/restored", "restored"),
        ("/backups/", "backups/"),
    ];
    let run = page::run(&place, "docs/quick-start/rocksdb.md", &places, &[]);
    assert!(run.stdout.contains("\nsince "), "{run}");
    let original = place.done(&["digest", "rocksdb:db/validator_0"]);
    assert_eq!(place.done(&["digest", "rocksdb:restored/validator_0"])["digest"], original["digest"]);
    assert_eq!(place.done(&["list", "backups/validator_0"])["dumps"].as_array().unwrap().len(), 2);
    assert!(place.path("backups/validator_0.html").is_file());
}

#[test]
fn the_quick_start_for_scylladb_ends_with_equal_copies_in_both_engines() {
    let _server = Server::connect();
    let place = Place::with_fixture();
    let original = place.done(&["backup", "rocksdb:db/validator_0", "rocksdb"]);
    place.done(&["restore", "rocksdb", &table("quick_start")]);
    fs::write(place.path("password"), "sesame\n").unwrap();
    let locator = |table: &str| format!("backup@{}/{}/{table}", hosts(), keyspace());
    let places = [
        ("backup@db1:9042/kv/validator_0", &*locator("quick_start")),
        ("backup@db1:9042/kv/restored_0", &locator("quick_start_restored")),
        ("/etc/kvbackup/cql-password", "password"),
        ("/var/lib/linera/restored/validator_0", "restored/validator_0"),
        ("/backups/validator_0", "repo"),
    ];
    page::run(&place, "docs/quick-start/scylladb.md", &places, &[]);
    for copy in [&table("quick_start_restored"), "rocksdb:restored/validator_0"] {
        assert_eq!(place.done(&["digest", copy])["digest"], original["digest"], "{copy}");
    }
}
