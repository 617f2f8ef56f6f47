//! The digest of a namespace.

use std::collections::BTreeMap;

use backup_format::{Digest, DigestBuilder, DigestState, LeafHasher, LtHash, Order};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::content::{batch, entries, groups, namespace, order};
use crate::laws::{Groups, Map};
use crate::vectors;

fn digest(namespace: &Map) -> Digest {
    state(&groups(namespace, Order::Plain)).digest()
}

fn state(groups: &Groups) -> DigestState {
    let mut builder = DigestBuilder::default();
    batch(entries(groups)).groups().for_each(|group| builder.push(&group));
    builder.finish()
}

/// The state by a crate of other authors, and by the formula for leaves.
fn reference(namespace: &Map) -> [u8; LtHash::BYTES] {
    let mut sum = solana_lattice_hash::lt_hash::LtHash::identity();
    for (root, entries) in namespace {
        let mut hasher = blake3::Hasher::new_derive_key("kvb1 partition");
        hasher.update(&bcs::to_bytes(root).unwrap());
        for entry in entries {
            hasher.update(&bcs::to_bytes(&entry).unwrap());
        }
        sum.mix_in(&solana_lattice_hash::lt_hash::LtHash::with(&hasher));
    }
    let bytes: Vec<u8> = sum.0.iter().flat_map(|lane| lane.to_le_bytes()).collect();
    bytes.try_into().unwrap()
}

proptest! {
    #[test]
    fn the_sum_of_leaves_is_that_of_another_crate(namespace in namespace()) {
        let state = state(&groups(&namespace, Order::Plain));
        prop_assert_eq!(state.lthash.to_bytes(), reference(&namespace));
        prop_assert_eq!(state.partitions, namespace.len() as u64);
        prop_assert_eq!(state.entries, namespace.values().map(|entries| entries.len() as u64).sum::<u64>());
    }

    #[test]
    fn it_does_not_depend_on_order_or_on_where_pieces_end(
        namespace in namespace(), order in order(), lengths in vec(1..6usize, 1..10),
    ) {
        let groups = groups(&namespace, order);
        let mut left: Vec<_> = entries(&groups).collect();
        let mut builder = DigestBuilder::default();
        for length in lengths.iter().cycle() {
            if left.is_empty() {
                break;
            }
            let piece: Vec<_> = left.drain(..left.len().min(*length)).collect();
            let root = piece.last().unwrap().0;
            batch(piece.iter().copied()).groups().for_each(|group| builder.push(&group));
            prop_assert_eq!(builder.open_root(), Some(root));
        }
        prop_assert_eq!(builder.finish().digest(), digest(&namespace));
    }

    #[test]
    fn parts_that_were_hashed_apart_add_up(namespace in namespace(), mask: u8) {
        let groups = groups(&namespace, Order::Plain);
        let mut builder = DigestBuilder::default();
        let mut elsewhere = DigestState::default();
        for (index, group) in groups.iter().enumerate() {
            let batch = batch(entries(&vec![group.clone()]).collect::<Vec<_>>());
            let group = batch.groups().next().unwrap();
            match mask >> (index % 8) & 3 {
                0 => elsewhere.add_group(&group),
                1 => {
                    let mut leaf = LeafHasher::new(group.root_key);
                    group.iter().for_each(|entry| leaf.update(entry.encoded, 1));
                    elsewhere.add_partition(&leaf);
                }
                2 => {
                    let mut part = DigestState::default();
                    part.add_group(&group);
                    builder.add(&part);
                    prop_assert_eq!(builder.open_root(), None);
                }
                _ => builder.push(&group),
            }
        }
        let mut sum = builder.finish();
        sum.add(&elsewhere);
        prop_assert_eq!(&sum, &state(&groups));
    }

    #[test]
    fn it_changes_with_any_byte(namespace in namespace(), place in any::<prop::sample::Index>(), bit in 0..8u8) {
        let before = groups(&namespace, Order::Plain);
        let bytes: usize = entries(&before).map(|(root, key, value)| root.len() + key.len() + value.len()).sum();
        prop_assume!(bytes > 0);
        let mut place = place.index(bytes);
        let mut after = Map::new();
        for (root, key, value) in entries(&before) {
            let mut parts = [root.to_vec(), key.to_vec(), value.to_vec()];
            for part in &mut parts {
                match part.get_mut(place) {
                    Some(byte) => {
                        *byte ^= 1 << bit;
                        place = usize::MAX;
                    }
                    None => place -= if place == usize::MAX { 0 } else { part.len() },
                }
            }
            let [root, key, value] = parts;
            after.entry(root).or_default().insert(key, value);
        }
        prop_assert_ne!(digest(&namespace), digest(&after));
    }

    #[test]
    fn it_changes_when_an_entry_is_dropped_or_added(namespace in namespace(), place in any::<prop::sample::Index>()) {
        let all = groups(&namespace, Order::Plain);
        let (root, key, _) = entries(&all).nth(place.index(entries(&all).count())).unwrap();
        let mut fewer = namespace.clone();
        fewer.get_mut(root).unwrap().remove(key);
        fewer.retain(|_, entries| !entries.is_empty());
        prop_assert_ne!(digest(&namespace), digest(&fewer));
    }
}

fn one(root: &[u8], key: &[u8], value: &[u8]) -> Map {
    Map::from([(root.to_vec(), BTreeMap::from([(key.to_vec(), value.to_vec())]))])
}

#[test]
fn it_changes_with_every_moved_boundary() {
    let bytes = b"abcdefgh";
    let mut digests = Vec::new();
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            digests.push(digest(&one(&bytes[..first], &bytes[first..second], &bytes[second..])).0);
        }
    }
    let count = digests.len();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), count);
}

#[test]
fn it_tells_one_partition_of_two_entries_from_two_of_one() {
    let entry = |key: &[u8]| (key.to_vec(), b"v".to_vec());
    let together = Map::from([(b"r".to_vec(), BTreeMap::from([entry(b"a"), entry(b"b")]))]);
    let apart = Map::from([
        (b"r".to_vec(), BTreeMap::from([entry(b"a")])),
        (b"s".to_vec(), BTreeMap::from([entry(b"b")])),
    ]);
    assert_ne!(digest(&together), digest(&apart));
}

#[test]
fn many_equal_leaves_do_not_cancel_out() {
    let leaf = LeafHasher::new(b"a");
    let mut state = DigestState::default();
    let nothing = state.digest();
    for _ in 0..1 << 16 {
        state.add_partition(&leaf);
    }
    // The sum is zero again, modulo 2^16; the number of partitions is not.
    assert_eq!(state.lthash, LtHash::default());
    assert_ne!(state.digest(), nothing);
}

#[test]
fn digests_are_those_of_the_vectors() {
    for case in vectors::load("digests.json").as_array().unwrap() {
        let partitions = vectors::list(case, "partitions");
        let mut builder = DigestBuilder::default();
        for partition in partitions {
            let batch = vectors::batch(std::slice::from_ref(partition));
            let group = batch.groups().next().unwrap();
            let mut state = DigestState::default();
            state.add_group(&group);
            assert_eq!(partition["leaf"], STANDARD.encode(state.lthash.to_bytes()));
            builder.push(&group);
        }
        let state = builder.finish();
        assert_eq!(case["lthash"], STANDARD.encode(state.lthash.to_bytes()));
        assert_eq!(case["digest"], state.digest().to_string());
        assert_eq!(LtHash::from_bytes(&state.lthash.to_bytes()), state.lthash);
    }
}

#[test]
fn a_digest_is_64_lower_hex_digits() {
    let text = "ab".repeat(32);
    assert_eq!(text.parse::<Digest>().unwrap().to_string(), text);
    assert_eq!(serde_json::to_string(&Digest([0xab; 32])).unwrap(), format!("{text:?}"));
    assert!(text.to_uppercase().parse::<Digest>().is_err());
    assert!(serde_json::from_str::<Digest>("\"ab\"").is_err());
}
