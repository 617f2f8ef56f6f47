//! Namespaces in place of dumps, and what is not a dump of linera 0.15.

use std::collections::BTreeMap;
use std::path::Path;

use backup_console::Exit;
use bootproof::{Kind, Report};
use rocksdb::{DB, Options};
use tempfile::TempDir;
use validator_network::runtime::block_on;

use crate::Tests;
use crate::fixture;
use crate::histories::History;
use crate::keys;
use crate::proving::{dump, prove, prove_at, prove_entries, show};

pub const TESTS: Tests = &[
    ("the fixture is equal to its dump and stays as it is", the_fixture_is_equal_to_its_dump),
    ("one that is open elsewhere is not disturbed", one_that_is_open_elsewhere_is_not_disturbed),
    ("without its log it is not the dump", without_its_log_it_is_not_the_dump),
    ("a missing log may be allowed", a_missing_log_may_be_allowed),
    ("a changed row is found through RocksDB", a_changed_row_is_found_through_rocksdb),
    ("an older dump differs", an_older_dump_differs),
    ("foreign partitions are remarks", foreign_partitions_are_remarks),
    ("rows below the index may be missing where linera was upgraded", rows_below_the_index_may_be_missing),
    ("a changed balance is not proven where states are not hashed", a_changed_balance_is_not_proven),
    ("other layouts are refused", other_layouts_are_refused),
    ("a damaged repository is a finding", a_damaged_repository_is_a_finding),
    ("nothing is left in the scratch directory", nothing_is_left_in_the_scratch_directory),
];

fn the_fixture_is_equal_to_its_dump() {
    let before = files(&fixture::namespace());
    let repository = dumped();
    let report = prove_at(&subject(&fixture::namespace()), &["--against-dump", path(&repository)]);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert!(report.dump.is_none() && report.against_dump.is_some_and(|id| id.len() == 64));
    assert_eq!(report.layout.as_deref(), Some("linera-0.15"));
    assert_eq!((report.counts.chains, report.counts.blocks, report.counts.entries), (2, 24, 188));
    assert_eq!(files(&fixture::namespace()), before);
}

fn one_that_is_open_elsewhere_is_not_disturbed() {
    let directory = copied();
    let namespace = directory.path().join("copy");
    let database = DB::open(&Options::default(), &namespace).unwrap();
    let before = files(&namespace);
    let report = prove_at(&subject(&namespace), &[]);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(files(&namespace), before);
    drop(database);
}

fn without_its_log_it_is_not_the_dump() {
    let (directory, repository) = (copied(), dumped());
    let namespace = without_log(&directory);
    let report = prove_at(&namespace, &["--against-dump", path(&repository)]);
    let found: Vec<_> = report.findings.iter().map(show).collect();
    assert!(has(&report, Kind::LogMissing, "namespace "), "{found:#?}");
    assert!(has(&report, Kind::DigestDiffers, "entries of kind block instead of 48"), "{found:#?}");
}

fn a_missing_log_may_be_allowed() {
    let (directory, repository) = (copied(), dumped());
    let namespace = without_log(&directory);
    let report = prove_at(&namespace, &["--allow-missing-log", "--against-dump", path(&repository)]);
    assert!(!has(&report, Kind::LogMissing, ""));
    assert!(has(&report, Kind::DigestDiffers, "namespace: "));
}

fn a_changed_row_is_found_through_rocksdb() {
    let directory = copied();
    let namespace = directory.path().join("copy");
    let past = History::Fixture.past();
    let row = [&[0], &keys::chain_state(past.sender)[..], &keys::balance(1), &[0; 4]].concat();
    let database = DB::open(&Options::default(), &namespace).unwrap();
    let mut value = database.get(&row).unwrap().expect("the row of the balance");
    value[10] ^= 1;
    database.put(&row, value).unwrap();
    drop(database);
    let report = prove_at(&subject(&namespace), &["--against-dump", path(&dumped())]);
    assert!(has(&report, Kind::StateHash, "balance"));
    // As many entries of each kind, and yet another digest.
    assert!(has(&report, Kind::DigestDiffers, "namespace"));
    assert_eq!(report.findings.len(), 2);
}

fn an_older_dump_differs() {
    let repository = tempfile::tempdir().unwrap();
    let mut entries = History::Fixture.past().entries.clone();
    entries.delete_partition(&keys::network());
    dump(&entries, repository.path());
    let report = prove_at(&subject(&fixture::namespace()), &["--against-dump", path(&repository)]);
    assert!(has(&report, Kind::DigestDiffers, "1 entries of kind network_description instead of 0"));
}

fn foreign_partitions_are_remarks() {
    let mut entries = History::Fixture.past().entries.clone();
    entries.0.insert((b"foreign".to_vec(), b"key".to_vec()), b"value".to_vec());
    entries.0.insert((keys::network(), b"other key".to_vec()), b"value".to_vec());
    entries.0.insert((vec![6, 7, 0, 0, 0], b"exporter".to_vec()), b"value".to_vec());
    let report = prove_entries(&entries, &[]);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!((report.counts.foreign_partitions, report.counts.exporter_states), (1, 1));
    assert!(
        report.remarks.iter().any(|remark| remark.what.contains("partitions that linera does not write"))
    );
    assert!(report.remarks.iter().any(|remark| remark.what.contains("keys that linera does not write")));
    assert!(report.not_proven.iter().any(|note| note.what.contains("block exporters")));
}

fn rows_below_the_index_may_be_missing() {
    let past = History::Fixture.past();
    let mut entries = past.entries.clone();
    for height in 0..5 {
        entries.delete(&keys::height_index(past.sender), &keys::height(height));
    }
    assert!(has(&prove_entries(&entries, &[]), Kind::HeightIndex, "heights 0 to 4"));
    let report = prove_entries(&entries, &["--upgraded"]);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    entries.delete(&keys::height_index(past.sender), &keys::height(7));
    let report = prove_entries(&entries, &["--upgraded"]);
    assert!(has(&report, Kind::HeightIndex, "heights 7") && report.findings.len() == 1);
}

fn a_changed_balance_is_not_proven() {
    let past = History::ZeroHash.past();
    let mut entries = past.entries.clone();
    entries.value(&keys::chain_state(past.sender), &keys::balance(1))[8] ^= 1;
    let report = prove_entries(&entries, &[]);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    let note = report.not_proven.iter().find(|note| note.what.contains("FLAG_ZERO_HASH")).unwrap();
    assert!(note.count == 2 && note.examples.contains(&hex::encode(past.sender)), "{note:?}");
}

fn other_layouts_are_refused() {
    for layout in ["linera-0.16", "plain"] {
        let repository = tempfile::tempdir().unwrap();
        let entries = &History::Fixture.past().entries;
        block_on(|| async {
            entries.dump(repository.path(), layout).await;
            Ok(())
        })
        .unwrap();
        let error = prove(path(&repository), &[]).unwrap_err();
        assert!(format!("{error:#}").contains(layout), "{error:#}");
        assert_eq!(Exit::of(&error), Exit::Refused);
    }
    let directory = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.create_if_missing(true);
    DB::open(&options, directory.path()).unwrap().put(b"some key", b"of something else").unwrap();
    let error = prove(&subject(directory.path()), &[]).unwrap_err();
    assert!(format!("{error:#}").contains("layout \"plain\""), "{error:#}");
    assert_eq!(Exit::of(&error), Exit::Refused);
}

fn a_damaged_repository_is_a_finding() {
    let repository = dumped();
    let packs = std::fs::read_dir(repository.path().join("packs")).unwrap();
    let pack =
        packs.map(|pack| pack.unwrap().path()).max_by_key(|pack| pack.metadata().unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&pack).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&pack, bytes).unwrap();
    let report = prove_at(path(&repository), &[]);
    assert!(has(&report, Kind::DumpDamaged, "dump") && report.findings.len() == 1, "{:?}", report.findings);
    assert!(report.scenarios.is_empty());
}

fn nothing_is_left_in_the_scratch_directory() {
    let scratch = tempfile::tempdir().unwrap();
    let report = prove_at(&subject(&fixture::namespace()), &["--scratch", path(&scratch)]);
    assert!(report.findings.is_empty());
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
}

fn dumped() -> TempDir {
    let repository = tempfile::tempdir().unwrap();
    dump(&History::Fixture.past().entries, repository.path());
    repository
}

/// Copies the namespace of the fixture into a directory `copy`.
fn copied() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fixture::copy(&directory.path().join("copy"));
    directory
}

/// Deletes the write-ahead log of a copy, and returns it as a subject.
fn without_log(directory: &TempDir) -> String {
    let namespace = directory.path().join("copy");
    std::fs::remove_file(namespace.join("000013.log")).unwrap();
    subject(&namespace)
}

fn subject(namespace: &Path) -> String {
    format!("rocksdb:{}", namespace.display())
}

fn path(directory: &TempDir) -> &str {
    directory.path().to_str().unwrap()
}

fn has(report: &Report, kind: Kind, place: &str) -> bool {
    let mut findings = report.findings.iter();
    findings.any(|finding| finding.kind == kind && finding.place.to_string().contains(place))
}

/// Reads all files of a directory.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    files.map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect()
}
