//! Content for property tests.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use backup_format::{EntryBatch, Order};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::laws::{Groups, Map};

/// Short keys that often share a start, and now and then one with a length of two bytes.
pub fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![20 => vec(0..4u8, 0..5), 1 => vec(any::<u8>(), 100..300)]
}

/// A namespace of at least one entry.
pub fn namespace() -> impl Strategy<Value = Map> {
    let value = prop_oneof![20 => vec(any::<u8>(), 0..20), 1 => vec(any::<u8>(), 200..700)];
    btree_map(key(), btree_map(key(), value, 1..8), 1..8)
}

/// Any of the three orders.
pub fn order() -> impl Strategy<Value = Order> {
    prop::sample::select(&[Order::Prefixed, Order::Plain, Order::Token][..])
}

/// Partitions in the given order.
pub fn groups(namespace: &Map, order: Order) -> Groups {
    let mut groups: Groups = namespace
        .iter()
        .map(|(root, entries)| (root.clone(), entries.clone().into_iter().collect()))
        .collect();
    groups.sort_by(|left, right| order.compare_roots(&left.0, &right.0));
    groups
}

/// All entries of some groups with their root keys.
pub fn entries(groups: &Groups) -> impl Iterator<Item = (&[u8], &[u8], &[u8])> {
    groups.iter().flat_map(|(root, entries)| {
        entries.iter().map(move |(key, value)| (root.as_slice(), key.as_slice(), value.as_slice()))
    })
}

/// A batch of some entries.
pub fn batch<'a>(entries: impl IntoIterator<Item = (&'a [u8], &'a [u8], &'a [u8])>) -> EntryBatch {
    let mut batch = EntryBatch::default();
    entries.into_iter().for_each(|(root, key, value)| batch.push(root, key, value));
    batch
}

/// Checks that a comparison is one: total, antisymmetric, transitive, and equal for equal things only.
pub fn is_total_order(things: &[Vec<u8>], compare: impl Fn(&[u8], &[u8]) -> Ordering) {
    let distinct: BTreeSet<_> = things.iter().collect();
    for a in &distinct {
        for b in &distinct {
            assert_eq!(compare(a, b), compare(b, a).reverse());
            assert_eq!(compare(a, b) == Ordering::Equal, a == b);
            for c in &distinct {
                if compare(a, b).is_lt() && compare(b, c).is_lt() {
                    assert!(compare(a, c).is_lt());
                }
            }
        }
    }
}

/// Counts what stands more often on one side than on the other.
pub fn difference<T: Ord>(left: impl IntoIterator<Item = T>, right: impl IntoIterator<Item = T>) -> usize {
    let mut counts: BTreeMap<T, isize> = BTreeMap::new();
    left.into_iter().for_each(|thing| *counts.entry(thing).or_default() += 1);
    right.into_iter().for_each(|thing| *counts.entry(thing).or_default() -= 1);
    counts.values().map(|count| count.unsigned_abs()).sum()
}
