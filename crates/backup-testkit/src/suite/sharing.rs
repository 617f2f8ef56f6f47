//! Dividing a namespace among workers.

use std::collections::BTreeSet;
use std::error::Error;

use backup_format::{ContractError, DigestBuilder, EngineError, EntryBatch, Range, ReadPlan, Snapshot};
use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::support::{
    batches, cases, causes, check_content, check_order, larger_mixture, mixture, mixture_of_phases, ok, open,
    plan, ranges, read, read_phases, refused,
};
use crate::content::Content;
use crate::engine::Engine;
use crate::read::owned;
use crate::seed::seed;

/// Ranges that are asked for: one, few, and more than there are partitions.
const RANGES_MAX: [usize; 6] = [1, 2, 3, 7, 64, 1000];

pub(super) async fn an_empty_namespace_has_one_empty_share(engine: &dyn Engine) {
    let database = engine.create(&Content::default()).await.source;
    let snapshot = open(&*database).await;
    for number in [1, 2, 8] {
        for range in ranges(&*snapshot, number).await {
            let entries = owned(&batches(&*snapshot, &range).await);
            assert!(entries.is_empty(), "a range of an empty namespace is not empty");
        }
    }
}

pub(super) async fn shares_concatenate_to_the_whole_in_order(engine: &dyn Engine) {
    for (name, content) in cases(engine) {
        let database = engine.create(&content).await.source;
        let snapshot = open(&*database).await;
        let whole = owned(&read(&*snapshot, 1).await);
        for number in 2..=8 {
            let phases = read_phases(&*snapshot, number).await;
            check_order(name, snapshot.order(), &phases);
            assert!(
                owned(&phases.concat()) == whole,
                "{name}: {number} ranges are not the whole in its order"
            );
        }
    }
}

pub(super) async fn a_plan_of_any_size_is_the_whole_in_order(engine: &dyn Engine) {
    let content = mixture_of_phases(engine);
    let database = engine.create(&content).await.source;
    let snapshot = open(&*database).await;
    let whole = owned(&read(&*snapshot, 1).await);
    for number in RANGES_MAX {
        let phases = read_phases(&*snapshot, number).await;
        let what = format!("a plan of up to {number} ranges a phase");
        check_order(&what, snapshot.order(), &phases);
        let batches = phases.concat();
        check_content(&what, &content, &batches);
        assert!(owned(&batches) == whole, "{what} is not the whole in its order");
    }
}

/// Reads a part of a plan; returns its root keys.
async fn root_keys(snapshot: &dyn Snapshot, ranges: &[Range]) -> BTreeSet<Vec<u8>> {
    let mut root_keys = BTreeSet::new();
    for range in ranges {
        let batches = batches(snapshot, range).await;
        root_keys.extend(batches.iter().flat_map(EntryBatch::groups).map(|group| group.root_key.to_vec()));
    }
    root_keys
}

/// Checks that no partition lies in two of these parts of a plan.
async fn check_disjoint(what: &str, snapshot: &dyn Snapshot, parts: impl Iterator<Item = &[Range]>) {
    let mut seen = BTreeSet::new();
    for part in parts {
        let mut found = root_keys(snapshot, part).await;
        assert!(seen.is_disjoint(&found), "a partition lies in two {what}");
        seen.append(&mut found);
    }
}

pub(super) async fn a_partition_lies_in_one_phase(engine: &dyn Engine) {
    let content = mixture_of_phases(engine);
    let database = engine.create(&content).await.source;
    let snapshot = open(&*database).await;
    for number in [1, 5] {
        let phases = plan(&*snapshot, number).await.phases;
        check_disjoint("phases", &*snapshot, phases.iter().map(Vec::as_slice)).await;
    }
}

pub(super) async fn ranges_that_start_pages_hold_whole_partitions(engine: &dyn Engine) {
    let content = mixture_of_phases(engine);
    let database = engine.create(&content).await.source;
    let snapshot = open(&*database).await;
    for number in RANGES_MAX {
        let ReadPlan { phases, starts_pages, .. } = plan(&*snapshot, number).await;
        if starts_pages {
            let ranges = phases.concat();
            check_disjoint("ranges", &*snapshot, ranges.chunks(1)).await;
        }
    }
}

pub(super) async fn a_plan_with_an_identity_is_the_same_in_every_snapshot(engine: &dyn Engine) {
    let content = mixture_of_phases(engine);
    let database = engine.create(&content).await.source;
    let (first, second) = (open(&*database).await, open(&*database).await);
    let planned = plan(&*first, 4).await;
    if planned.identity.is_none() {
        eprintln!("left out, only one process can read {}", engine.name());
        return;
    }
    let other = engine.create(&content).await.source;
    let other = plan(&*open(&*other).await, 4).await;
    assert_ne!(other.identity, planned.identity, "two namespaces have the same identity");
    for number in RANGES_MAX {
        let planned = plan(&*first, number).await;
        assert_eq!(plan(&*first, number).await, planned, "a second plan of {number} ranges differs");
        assert_eq!(plan(&*second, number).await, planned, "the plan of another snapshot differs");
    }
}

pub(super) async fn a_range_that_was_not_planned_is_refused(engine: &dyn Engine) {
    let database = engine.create(&mixture(engine)).await.source;
    let snapshot = open(&*database).await;
    let mut tokens = vec![b"foreign".to_vec(), vec![0xff; 1_000]];
    for range in ranges(&*snapshot, 3).await {
        tokens.push([&range.token, &b"foreign"[..]].concat());
    }
    for token in tokens {
        let error = refused(snapshot.entries(&Range { token }).await, "reading a range of another engine");
        assert!(is_foreign_range(&error), "wrong error for a range of another engine: {}", causes(&error));
    }
}

fn is_foreign_range(error: &EngineError) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error.get_ref());
    while let Some(error) = cause {
        if let Some(ContractError::ForeignRange { .. }) = error.downcast_ref() {
            return true;
        }
        cause = error.source();
    }
    false
}

pub(super) async fn shares_can_be_read_in_any_order_and_at_once(engine: &dyn Engine) {
    let content = larger_mixture(engine);
    let database = engine.create(&content).await.source;
    let snapshot = open(&*database).await;
    let snapshot = &*snapshot;
    let (mut in_order, mut backwards) = (Vec::new(), Vec::new());
    for ranges in plan(snapshot, 6).await.phases {
        in_order.extend(join_all(ranges.iter().map(|range| batches(snapshot, range))).await.concat());
        let mut phase = Vec::new();
        for range in ranges.iter().rev() {
            phase.push(owned(&batches(snapshot, range).await));
        }
        phase.reverse();
        backwards.extend(phase.concat());
    }
    check_content("ranges read at once", &content, &in_order);
    assert!(backwards == owned(&in_order), "ranges read backwards differ");
}

pub(super) async fn any_division_gives_the_digest_of_the_content(engine: &dyn Engine) {
    for (name, content) in cases(engine) {
        let expected = content.digest();
        let database = engine.create(&content).await.source;
        let snapshot = open(&*database).await;
        for number in 1..=8 {
            let divided = read(&*snapshot, number).await;
            for batch_entries in [1, 7, usize::MAX] {
                let state = digest_of(&rebatched(&divided, batch_entries));
                assert_eq!(state, expected, "{name}: {number} ranges, batches of {batch_entries} entries");
            }
        }
    }
}

fn digest_of(batches: &[EntryBatch]) -> backup_format::Digest {
    let mut builder = DigestBuilder::default();
    batches.iter().flat_map(EntryBatch::groups).for_each(|group| builder.push(&group));
    builder.finish().digest()
}

/// Ends batches elsewhere: after a number of entries, or never.
fn rebatched(batches: &[EntryBatch], batch_entries: usize) -> Vec<EntryBatch> {
    let mut all = vec![EntryBatch::default()];
    for (root_key, entry) in batches.iter().flat_map(EntryBatch::iter) {
        if all.last().is_none_or(|batch| batch.entries() >= batch_entries as u64) {
            all.push(EntryBatch::default());
        }
        if let Some(batch) = all.last_mut() {
            batch.push(root_key, entry.key, entry.value);
        }
    }
    all
}

pub(super) async fn a_share_that_was_half_read_and_read_again_leaves_the_digest_as_it_was(
    engine: &dyn Engine,
) {
    let mut random = SmallRng::seed_from_u64(seed());
    for content in [mixture(engine), larger_mixture(engine)] {
        let database = engine.create(&content).await.source;
        let snapshot = open(&*database).await;
        let mut all = Vec::new();
        for range in ranges(&*snapshot, 5).await {
            for tries in 0..random.random_range(1..4) {
                let stream = ok(snapshot.entries(&range).await, "opening a range");
                let aborted = stream.take(if tries == 0 { 1 } else { random.random_range(0..3) });
                ok(aborted.try_collect::<Vec<_>>().await, "reading a range");
            }
            all.extend(batches(&*snapshot, &range).await);
        }
        check_content("ranges that were read again", &content, &all);
    }
}
