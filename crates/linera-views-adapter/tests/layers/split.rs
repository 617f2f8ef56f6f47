//! Split values: rows that linera writes with a limit of 100 bytes, decoded by us and read by linera.

use backup_layout::LayoutError;
use backup_testkit::{seed, suite::block_on};
use linera_views::batch::Batch;
use linera_views::store::{ReadableKeyValueStore, WritableKeyValueStore};
use linera_views::value_splitting::{LimitedTestMemoryStore, ValueSplittingStore};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::support::{Pairs, decode, key_of, value};

/// Databases, and batches that are written to each.
const DATABASES: u64 = 60;
const BATCHES: usize = 40;

/// What the comparisons came across, so that they prove something.
#[derive(Default)]
struct Seen {
    rounds: usize,
    split: usize,
    stale: usize,
    scans_refused: usize,
}

#[test]
fn our_decoder_reads_split_values_as_linera_does() {
    let mut seen = Seen::default();
    for number in 0..DATABASES {
        block_on(run(seed() ^ number, &mut seen));
    }
    assert_eq!(seen.rounds, DATABASES as usize * BATCHES);
    assert!(seen.split > 1_000, "{} split values", seen.split);
    assert!(seen.stale > 1_000, "{} stale segments", seen.stale);
    assert!(seen.scans_refused > 0, "linera's scans refused nothing");
}

async fn run(seed: u64, seen: &mut Seen) {
    let mut random = SmallRng::seed_from_u64(seed);
    let rows = LimitedTestMemoryStore::new();
    let store = ValueSplittingStore::new(rows.clone());
    for _ in 0..BATCHES {
        store.write_batch(batch(&mut random)).await.unwrap();
        compare(&rows, &store, seen).await;
    }
}

fn batch(random: &mut SmallRng) -> Batch {
    let mut batch = Batch::new();
    for _ in 0..random.random_range(1..6) {
        // Many zeros, so that some keys end like the number of a segment, or continue like another's.
        let mut key = key_of(random, &[0, 1, 2, 3], &[0, 0, 0, 1, 0xff]);
        match random.random_range(0..10) {
            0..7 => batch.put_key_value_bytes(key, value(random)),
            7..9 => batch.delete_key(key),
            _ => {
                key.truncate(random.random_range(2..5));
                batch.delete_key_prefix(key);
            }
        }
    }
    batch
}

#[test]
fn a_segment_that_is_lost_is_missed_as_linera_does() {
    let mut lost = 0;
    for number in 0..4 * DATABASES {
        block_on(lose_segments(seed() ^ number, &mut lost));
    }
    assert!(lost > 200, "{lost} segments");
}

/// Removes one segment after the other, each from the same rows.
async fn lose_segments(seed: u64, lost: &mut usize) {
    let mut random = SmallRng::seed_from_u64(seed);
    let rows = LimitedTestMemoryStore::new();
    let store = ValueSplittingStore::new(rows.clone());
    store.write_batch(batch(&mut random)).await.unwrap();
    store.write_batch(batch(&mut random)).await.unwrap();
    let Ok(entries) = store.find_key_values_by_prefix(&[]).await else { return };
    for (key, value) in entries {
        for number in 1..1 + (value.len() as u32 + 3) / 100 {
            let row = [&key[..], &number.to_be_bytes()].concat();
            let segment = rows.read_value_bytes(&row).await.unwrap().expect("a segment");
            let mut batch = Batch::new();
            batch.delete_key(row.clone());
            rows.write_batch(batch).await.unwrap();
            assert!(store.find_key_values_by_prefix(&[]).await.is_err());
            let left: Pairs = rows.find_key_values_by_prefix(&[]).await.unwrap().into_iter().collect();
            let error = decode(&left).unwrap_err();
            assert!(
                matches!(error, LayoutError::MissingSegment { segment, .. } if segment == number),
                "{error}"
            );
            let mut batch = Batch::new();
            batch.put_key_value_bytes(row, segment);
            rows.write_batch(batch).await.unwrap();
            *lost += 1;
        }
    }
}

async fn compare(
    rows: &LimitedTestMemoryStore,
    store: &ValueSplittingStore<LimitedTestMemoryStore>,
    seen: &mut Seen,
) {
    let rows: Pairs = rows.find_key_values_by_prefix(&[]).await.unwrap().into_iter().collect();
    let found = decode(&rows);
    let one_by_one = read_one_by_one(store).await;
    match store.find_key_values_by_prefix(&[]).await {
        Ok(expected) => {
            let expected: Pairs = expected.into_iter().collect();
            assert_eq!(found.as_ref().unwrap(), &expected);
            assert_eq!(one_by_one, expected, "linera does not agree with itself");
        }
        // linera's scan wants the segments of a value one after the other. Where ours does not, it must not lose anything.
        Err(_) => {
            seen.scans_refused += 1;
            if let Ok(found) = found {
                assert_eq!(found, one_by_one);
            }
        }
    }
    let segments: usize = one_by_one.values().map(|value| 1 + (value.len() + 3) / 100).sum();
    seen.rounds += 1;
    seen.split += one_by_one.values().filter(|value| value.len() > 96).count();
    seen.stale += rows.len() - segments;
}

async fn read_one_by_one(store: &ValueSplittingStore<LimitedTestMemoryStore>) -> Pairs {
    let keys = store.find_keys_by_prefix(&[]).await.unwrap();
    let values = store.read_multi_values_bytes(&keys).await.unwrap();
    keys.into_iter().zip(values).map(|(key, value)| (key, value.unwrap())).collect()
}
