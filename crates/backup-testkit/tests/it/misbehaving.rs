//! What breaks the contract of engines becomes no dump.

use std::sync::Arc;

use backup_format::{Config, show};
use backup_repository::{BackupOptions, Repository, Store};
use backup_testkit::suite::{block_on, causes};
use backup_testkit::{EngineFlaw, MisbehavingEngine};
use object_store::memory::InMemory;
use object_store::path::Path;

/// Flaws, and whether the error must name the root key.
const FLAWS: [(EngineFlaw, bool); 26] = [
    (EngineFlaw::CountTooHigh, true),
    (EngineFlaw::CountTooLow, true),
    (EngineFlaw::CountOfZero, true),
    (EngineFlaw::CountWithoutBody, true),
    (EngineFlaw::TruncatedBody, true),
    (EngineFlaw::GarbageAfterEntry, true),
    (EngineFlaw::LongKey, true),
    (EngineFlaw::LongRootKey, true),
    (EngineFlaw::BatchesAfterError, false),
    (EngineFlaw::KeysOutOfOrder, true),
    (EngineFlaw::KeyTwice, true),
    (EngineFlaw::PartitionsOutOfOrder, true),
    (EngineFlaw::PartitionTwice, true),
    (EngineFlaw::PartitionInTwoRanges, true),
    (EngineFlaw::PartitionInBothPhases, true),
    (EngineFlaw::RangesOverlap, true),
    (EngineFlaw::RangesOutOfOrder, true),
    (EngineFlaw::RangeTwice, false),
    (EngineFlaw::NoRanges, false),
    (EngineFlaw::TooManyRanges, false),
    (EngineFlaw::NoPhases, false),
    (EngineFlaw::ThreePhases, false),
    (EngineFlaw::PhasesInPlainOrder, false),
    (EngineFlaw::PhasesWithoutPages, false),
    (EngineFlaw::IdentityWithoutPages, false),
    (EngineFlaw::Nothing, false),
];

/// Backs up into a new repository. Returns the error's text, and the number of dumps that are there.
async fn backup(engine: &MisbehavingEngine, workers: usize) -> (Result<u64, String>, usize) {
    let store = Store::new(Arc::new(InMemory::new()), Path::default());
    let repository = Repository::create(store, Config::new([1; 16], [2; 16])).await.unwrap();
    let options = BackupOptions {
        workers: Some(workers.try_into().unwrap()),
        ranges: Some(4.try_into().unwrap()),
        allow_implausible: true,
        ..BackupOptions::default()
    };
    let result = repository.backup(engine, options).await;
    let dumps = repository.dumps().await.unwrap();
    assert!(dumps.damaged.is_empty());
    (
        result
            .map(|report| report.manifest.inventory.as_ref().unwrap().entries)
            .map_err(|error| causes(&error)),
        dumps.good.len(),
    )
}

#[test]
fn an_engine_that_breaks_the_contract_is_named_and_leaves_no_dump() {
    let mut missed = Vec::new();
    for (flaw, names_root_key) in FLAWS.into_iter().filter(|(flaw, _)| *flaw != EngineFlaw::Nothing) {
        let engine = MisbehavingEngine::new(flaw);
        assert_eq!(engine.culprit().is_some(), names_root_key);
        for workers in [1, 3] {
            let (result, dumps) = block_on(backup(&engine, workers));
            let text = result.map_or_else(|text| text, |entries| format!("no error, {entries} entries"));
            println!("{flaw:?}, {workers} workers: {text}");
            let names_engine = text.contains("misbehaving") || text.contains(MisbehavingEngine::NAMESPACE);
            let names_culprit = engine.culprit().is_none_or(|root_key| text.contains(&show(root_key)));
            if !names_engine || !names_culprit || dumps > 0 {
                missed.push(format!("{flaw:?}, {workers} workers, {dumps} dumps: {text}"));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn the_same_engine_without_a_flaw_is_dumped_whole() {
    for workers in [1, 3] {
        let (result, dumps) = block_on(backup(&MisbehavingEngine::new(EngineFlaw::Nothing), workers));
        assert_eq!((result, dumps), (Ok(12), 1));
    }
}
