//! Proofs that rest on a genesis that was given, and not on what the database says.

use std::path::PathBuf;

use bootproof::{Kind, Report};
use linera_core::GenesisConfig;
use tempfile::TempDir;

use crate::Tests;
use crate::histories::History;
use crate::keys::{self, BLOCK};
use crate::proving::{prove_entries, show};
use crate::validator::genesis;

pub const TESTS: Tests = &[
    ("a database of this genesis is proven", a_database_of_this_genesis_is_proven),
    ("one of another network is refused", one_of_another_network_is_refused),
    ("a root chain that is not in the genesis is found", a_root_chain_that_is_not_in_the_genesis_is_found),
    ("a chain that no block opens is found", a_chain_that_no_block_opens_is_found),
    ("another network description is found by its hash", another_network_description_is_found_by_its_hash),
];

/// Writes a genesis to a file.
fn file(config: &GenesisConfig) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("genesis.json");
    std::fs::write(&path, serde_json::to_vec(config).unwrap()).unwrap();
    (directory, path)
}

/// Proves the history with all kinds of chains against a genesis.
fn against(config: &GenesisConfig) -> Report {
    let (_directory, path) = file(config);
    prove_entries(&History::Epochs.past().entries, &["--genesis", path.to_str().unwrap()])
}

fn kinds(report: &Report) -> Vec<Kind> {
    report.findings.iter().map(|finding| finding.kind).collect()
}

fn a_database_of_this_genesis_is_proven() {
    let report = against(&genesis(&[]));
    assert!(report.findings.is_empty(), "{:?}", report.findings.iter().map(show).collect::<Vec<_>>());
    assert!(report.anchored && report.network_description.is_some());
    let (_directory, path) = file(&genesis(&[]));
    // A message for a chain that nobody opened yet is no forgery.
    let report = prove_entries(&History::UnknownChain.past().entries, &["--genesis", path.to_str().unwrap()]);
    assert!(report.findings.is_empty(), "{:?}", report.findings.iter().map(show).collect::<Vec<_>>());
    assert!(
        report.not_proven.iter().any(|note| note.what.contains("who opened them")),
        "{:?}",
        report.not_proven
    );
}

fn one_of_another_network_is_refused() {
    let report = against(&genesis(&["flag"]));
    // The configuration and its committee: the chains are the same.
    assert_eq!(kinds(&report), [Kind::OtherNetwork; 2], "{:?}", report.findings);
    let report = against(&GenesisConfig { network_name: "other".to_owned(), ..genesis(&[]) });
    assert_eq!(kinds(&report), [Kind::OtherNetwork; 2], "{:?}", report.findings);
}

fn a_root_chain_that_is_not_in_the_genesis_is_found() {
    let mut less = genesis(&[]);
    let removed = less.chains.pop().unwrap();
    let report = against(&less);
    assert_eq!(kinds(&report), [Kind::OtherNetwork, Kind::ChainUnopened], "{:?}", report.findings);
    assert_eq!(report.findings[1].place.chain, Some(removed.id().to_string()));
    assert!(report.findings[1].found.contains("a root chain that is not in it"));
}

fn a_chain_that_no_block_opens_is_found() {
    let past = History::Epochs.past();
    let (_directory, path) = file(&genesis(&[]));
    let arguments = ["--genesis", path.to_str().unwrap()];
    let rows = |height| past.entries.0.contains_key(&(keys::height_index(past.sender), keys::height(height)));
    let found = (0..).take_while(|height| rows(*height)).map(|height| {
        let mut entries = past.entries.clone();
        entries.delete(&past.block_key(past.sender, height), BLOCK);
        prove_entries(&entries, &arguments)
    });
    let unopened = found.filter(|report| kinds(report).contains(&Kind::ChainUnopened)).count();
    assert_eq!(unopened, 1, "one block of the admin chain opens the child");
}

fn another_network_description_is_found_by_its_hash() {
    let entries = &History::Epochs.past().entries;
    let hash = prove_entries(entries, &[]).network_description.unwrap();
    assert!(prove_entries(entries, &["--network-description", &hash]).findings.is_empty());
    let report = prove_entries(entries, &["--network-description", &"0a".repeat(32)]);
    assert_eq!(kinds(&report), [Kind::OtherNetwork], "{:?}", report.findings);
}
