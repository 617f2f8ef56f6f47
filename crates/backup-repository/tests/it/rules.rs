//! What the protocol needs of a store: each rule is found broken where it is, and alone.

use std::sync::Arc;

use backup_format::Config;
use backup_repository::{ProbeOptions, ProbeReport, Repository, RuleOutcome, Store, StoreRule};
use backup_testkit::{Fault, Faults, FaultyStore, WeakStore, Weakness};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::support::files;

fn options() -> ProbeOptions {
    ProbeOptions { big_bytes: 1 << 20, ..ProbeOptions::default() }
}

async fn probe(store: Arc<dyn ObjectStore>) -> ProbeReport {
    Store::new(store, Path::from("below")).check_rules(&options()).await.unwrap()
}

fn broken(report: &ProbeReport) -> Vec<StoreRule> {
    assert_eq!(report.checks.iter().map(|check| check.rule).collect::<Vec<_>>(), StoreRule::ALL);
    report.broken().map(|(rule, _)| rule).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_store_keeps_all_rules_and_nothing_is_left_in_it() {
    let inner: Arc<InMemory> = Arc::default();
    let report = probe(inner.clone()).await;
    assert!(report.checks.iter().all(|check| check.outcome == RuleOutcome::Holds), "{report:?}");
    assert_eq!((report.left, files(&inner).await), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rule_is_found_broken_where_it_is() {
    for (weakness, rule, said, left) in [
        (Weakness::ReadsLate, StoreRule::ReadAfterWrite, "could not be read", 0),
        (Weakness::ListsLate, StoreRule::ListAfterWrite, "6 of 6", 0),
        (Weakness::CreatesTwice, StoreRule::OneCreator, "8 of 8 writers", 0),
        (Weakness::CutsAt(400_000), StoreRule::BigObject, "was listed with 400000", 0),
        (Weakness::KeepsDeleted, StoreRule::Delete, "6 of 6", 10),
        (Weakness::ListsDeleted, StoreRule::ListAfterDelete, "6 of 6", 0),
        (Weakness::RefusesDelete, StoreRule::Delete, "does not allow it", 10),
    ] {
        let inner: Arc<InMemory> = Arc::default();
        let report = probe(Arc::new(WeakStore::new(inner, weakness))).await;
        let expected = match weakness {
            // The list shows what is there.
            Weakness::KeepsDeleted | Weakness::RefusesDelete => vec![rule, StoreRule::ListAfterDelete],
            // A file that is not listed has no length either, and one that is not found has no ranges.
            Weakness::ListsLate | Weakness::ReadsLate => vec![rule, StoreRule::BigObject],
            // Creators look at what is there, and the one who did it looks, too.
            _ => vec![rule],
        };
        assert_eq!(broken(&report), expected, "{weakness:?}: {report:?}");
        let (_, problem) = report.broken().find(|(found, _)| *found == rule).unwrap();
        assert!(problem.contains(said), "{weakness:?}: {problem}");
        assert_eq!(report.left.len(), left, "{weakness:?}: {report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_can_be_written_nothing_else_is_claimed() {
    let report = probe(Arc::new(WeakStore::new(Arc::new(InMemory::new()), Weakness::RefusesPut))).await;
    assert_eq!(broken(&report), [StoreRule::ReadAfterWrite]);
    assert!(report.checks[1..].iter().all(|check| check.outcome == RuleOutcome::NotChecked), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_breaks_no_rule() {
    let inner: Arc<InMemory> = Arc::default();
    let faults = Arc::new(Faults::nth(9, Fault::Before));
    let store = FaultyStore::new(inner.clone(), faults);
    let error = Store::new(Arc::new(store), Path::default()).check_rules(&options()).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert_eq!(files(&inner).await, []);
}

#[cfg(feature = "fs")]
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_keeps_all_rules_and_is_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let open = || backup_repository::open_location(directory.path(), false, []).unwrap();
    Repository::create(open(), Config::new([1; 16], [2; 16])).await.unwrap();
    let names = || {
        let mut names: Vec<_> =
            directory.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    let report = open().check_rules(&options()).await.unwrap();
    assert_eq!(broken(&report), [], "{report:?}");
    assert_eq!(names(), before);
}
