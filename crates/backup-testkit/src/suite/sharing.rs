//! Dividing a namespace among workers.

use backup_format::{DigestBuilder, EntryBatch};
use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::support::{
    batches, cases, check_content, check_order, entries, larger_mixture, mixture, ok, open, read, shares,
};
use crate::content::Content;
use crate::engine::Engine;
use crate::seed::seed;

pub(super) async fn an_empty_namespace_has_one_empty_share(engine: &dyn Engine) {
    let database = engine.create(&Content::default()).await;
    let snapshot = open(&*database).await;
    for number in [1, 2, 8] {
        let shares = shares(&*snapshot, number).await;
        assert_eq!(shares.len(), 1, "an empty namespace is divided into {} shares", shares.len());
        for share in &shares {
            assert!(entries(&batches(&*snapshot, share).await).is_empty(), "the share is not empty");
        }
    }
}

pub(super) async fn shares_concatenate_to_the_whole_in_order(engine: &dyn Engine) {
    for (name, content) in cases(engine) {
        let database = engine.create(&content).await;
        let snapshot = open(&*database).await;
        let whole = entries(&read(&*snapshot, 1).await);
        for number in 2..=8 {
            let divided = read(&*snapshot, number).await;
            check_order(name, snapshot.order(), &divided);
            assert!(entries(&divided) == whole, "{name}: {number} shares are not the whole in its order");
        }
    }
}

pub(super) async fn shares_can_be_read_in_any_order_and_at_once(engine: &dyn Engine) {
    let content = larger_mixture(engine);
    let database = engine.create(&content).await;
    let snapshot = open(&*database).await;
    let shares = shares(&*snapshot, 6).await;
    let snapshot = &*snapshot;
    let in_order = join_all(shares.iter().map(|share| batches(snapshot, share))).await;
    check_content("shares read at once", &content, &in_order.concat());
    let mut backwards = Vec::new();
    for share in shares.iter().rev() {
        backwards.push(entries(&batches(snapshot, share).await));
    }
    backwards.reverse();
    assert!(backwards.concat() == entries(&in_order.concat()), "shares read backwards differ");
}

pub(super) async fn any_division_gives_the_digest_of_the_content(engine: &dyn Engine) {
    for (name, content) in cases(engine) {
        let expected = content.digest();
        let database = engine.create(&content).await;
        let snapshot = open(&*database).await;
        for number in 1..=8 {
            let divided = read(&*snapshot, number).await;
            for batch_entries in [1, 7, usize::MAX] {
                let state = digest_of(&rebatched(&divided, batch_entries));
                assert_eq!(state, expected, "{name}: {number} shares, batches of {batch_entries} entries");
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
        let database = engine.create(&content).await;
        let snapshot = open(&*database).await;
        let mut all = Vec::new();
        for share in shares(&*snapshot, 5).await {
            for _ in 0..random.random_range(1..4) {
                let stream = ok(snapshot.entries(&share).await, "opening a share");
                let aborted = stream.take(random.random_range(0..3));
                ok(aborted.try_collect::<Vec<_>>().await, "reading a share");
            }
            all.extend(batches(&*snapshot, &share).await);
        }
        check_content("shares that were read again", &content, &all);
    }
}
