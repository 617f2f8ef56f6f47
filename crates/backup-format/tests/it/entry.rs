//! Batches of entries.

use backup_format::{EntryBatch, Run};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::content::{batch, entries, groups, key, namespace, order};
use crate::laws::Groups;

proptest! {
    #[test]
    fn a_batch_gives_back_what_was_pushed(pushed in vec((key(), key(), key()), 0..40)) {
        let batch = batch(pushed.iter().map(|(root, key, value)| (&root[..], &key[..], &value[..])));
        let found: Vec<_> = batch
            .iter()
            .map(|(root, entry)| (root.to_vec(), entry.key.to_vec(), entry.value.to_vec()))
            .collect();
        prop_assert_eq!(&found, &pushed);
        prop_assert_eq!(batch.entries(), pushed.len() as u64);
        prop_assert_eq!(batch.is_empty(), pushed.is_empty());
        let roots: Vec<_> = batch.groups().map(|group| group.root_key).collect();
        prop_assert!(roots.windows(2).all(|pair| pair[0] != pair[1]));
        prop_assert_eq!(batch.groups().map(|group| u64::from(group.entries)).sum::<u64>(), batch.entries());
    }

    #[test]
    fn a_group_is_what_bcs_makes_of_it(namespace in namespace(), order in order()) {
        let groups = groups(&namespace, order);
        let batch = batch(entries(&groups));
        prop_assert_eq!(batch.groups().len(), groups.len());
        for (group, (root, partition)) in batch.groups().zip(&groups) {
            let whole = bcs::to_bytes(&(root, partition)).unwrap();
            prop_assert_eq!(group.encoded_len(), whole.len() as u64);
            prop_assert!(whole.ends_with(group.body));
            prop_assert_eq!(group.first_key(), partition.first().unwrap().0.as_slice());
            prop_assert_eq!(group.last_key(), partition.last().unwrap().0.as_slice());
            let body: Vec<u8> = group.iter().flat_map(|entry| entry.encoded).copied().collect();
            prop_assert_eq!(body.as_slice(), group.body);
            for (entry, pair) in group.into_iter().zip(partition) {
                prop_assert_eq!(entry.encoded, bcs::to_bytes(pair).unwrap());
            }
        }
    }

    #[test]
    fn runs_may_be_pushed_in_pieces_of_any_length(namespace in namespace(), order in order(), pieces in vec(1..5usize, 60)) {
        let groups: Groups = groups(&namespace, order);
        let whole = batch(entries(&groups));
        let mut pieces = pieces.into_iter().cycle();
        let mut again = EntryBatch::with_capacity(100);
        for group in whole.groups() {
            let mut left: Vec<_> = group.iter().collect();
            while !left.is_empty() {
                let piece = pieces.next().unwrap().min(left.len());
                let run: Vec<u8> = left.drain(..piece).flat_map(|entry| entry.encoded).copied().collect();
                again.push_run(group.root_key, Run::check(&run, piece as u32).unwrap());
                again.push_run(b"nothing", Run::check(&[], 0).unwrap());
            }
        }
        let bodies = |batch: &EntryBatch| -> Vec<_> {
            batch.groups().map(|group| (group.root_key.to_vec(), group.entries, group.body.to_vec())).collect()
        };
        prop_assert_eq!(bodies(&again), bodies(&whole));
        prop_assert_eq!(again.byte_len(), whole.byte_len());
    }
}

#[test]
fn a_cleared_batch_is_as_a_new_one() {
    let mut batch = batch([(&b"a"[..], &b"b"[..], &b"c"[..])]);
    batch.clear();
    assert!(batch.is_empty());
    assert_eq!((batch.entries(), batch.byte_len(), batch.groups().len()), (0, 0, 0));
}

#[test]
fn a_run_that_is_not_what_it_says_is_refused() {
    let batch = batch([(&b"r"[..], &b"a"[..], &b"1"[..]), (b"r", b"b", b"22"), (b"r", b"c", b"")]);
    let body = batch.groups().next().unwrap().body.to_vec();
    assert!(Run::check(&body, 3).is_ok());
    for (encoded, entries) in [
        (&body[..], 2),
        (&body[..], 4),
        (&body[..], 0),
        (&body[..body.len() - 1], 3),
        (&[][..], 3),
        (&[body.as_slice(), b"garbage"].concat(), 3),
        (&[0x81, 0x00, b'a', 0], 1),
        (&[0xff, 0xff, 0xff, 0xff, 0x0f], 1),
    ] {
        let error = Run::check(encoded, entries).unwrap_err().to_string();
        assert!(error.contains("run of entries"), "{encoded:x?} {entries}: {error}");
    }
}

#[test]
fn entries_between_two_places_are_a_run() {
    let batch = batch([(&b"r"[..], &b"a"[..], &b"1"[..]), (b"r", b"b", b"22"), (b"r", b"c", b"")]);
    let mut from = batch.groups().next().unwrap().iter();
    from.next();
    let mut to = from.clone();
    to.next();
    let mut middle = EntryBatch::default();
    middle.push_run(b"r", from.until(&to));
    assert_eq!(middle.iter().map(|(_, entry)| entry.key).collect::<Vec<_>>(), [b"b"]);
    assert!(from.end().is_err() && to.end().is_err());
    assert!(to.by_ref().count() == 1 && to.end().is_ok());
}
