//! Patches: made and applied, and bytes that are none.

use std::collections::BTreeMap;

use backup_format::patch::{Patched, make};
use backup_format::{Limits, Order, Segment, limits};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::content::{batch, entries, groups, key, namespace, order};
use crate::laws::Map;

fn segment(namespace: &Map, order: Order) -> Segment {
    Segment::from_batch(&batch(entries(&groups(namespace, order))))
}

/// What may be done to a namespace: an entry that comes or changes, or goes.
type Change = (Vec<u8>, Vec<u8>, Option<Vec<u8>>);

fn changed(namespace: &Map, changes: &[Change], dropped: &[prop::sample::Index]) -> Map {
    let mut changed = namespace.clone();
    for index in dropped {
        let all: Vec<_> = changed
            .iter()
            .flat_map(|(root, keys)| keys.keys().map(|key| (root.clone(), key.clone())))
            .collect();
        if all.len() > 1 {
            let (root, key) = &all[index.index(all.len())];
            changed.get_mut(root).unwrap().remove(key);
            changed.retain(|_, keys| !keys.is_empty());
        }
    }
    for (root, key, value) in changes {
        if let Some(value) = value {
            changed.entry(root.clone()).or_default().insert(key.clone(), value.clone());
        }
    }
    changed
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    vec((key(), key(), prop::option::of(vec(any::<u8>(), 0..20))), 0..6)
}

/// Applies patches one after the other, and decodes what comes of it.
fn apply(base: &Segment, patches: &[Vec<u8>]) -> Result<Vec<u8>, backup_format::FormatError> {
    let mut patched = Patched::new(base);
    for patch in patches {
        patched.apply(patch)?;
    }
    let plaintext = patched.plaintext();
    assert_eq!(plaintext.len() as u64, patched.plain_len());
    Ok(plaintext)
}

proptest! {
    #[test]
    fn what_is_made_gives_the_segment_when_it_is_applied(
        namespace in namespace(), order in order(), days in vec((changes(), vec(any::<prop::sample::Index>(), 0..4)), 1..5),
    ) {
        let base = segment(&namespace, order);
        let (mut patches, mut today) = (Vec::new(), namespace);
        for (changes, dropped) in days {
            let before = segment(&today, order);
            today = changed(&today, &changes, &dropped);
            let after = segment(&today, order);
            let patch = make(&before, &after, order);
            prop_assert_eq!(patch.is_none(), before.plaintext() == after.plaintext());
            patches.extend(patch);
            let found = apply(&base, &patches).unwrap();
            prop_assert_eq!(&found, after.plaintext());
            Segment::decode(found, order, &Limits::default()).unwrap();
        }
    }

    #[test]
    fn any_two_segments_have_a_patch(one in namespace(), other in namespace(), order in order()) {
        let (base, new) = (segment(&one, order), segment(&other, order));
        if let Some(patch) = make(&base, &new, order) {
            prop_assert_eq!(apply(&base, &[patch]).unwrap(), new.plaintext());
        }
    }

    #[test]
    fn damaged_patches_are_refused_or_give_other_segments(
        one in namespace(),
        other in namespace(),
        order in order(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let (base, new) = (segment(&one, order), segment(&other, order));
        let Some(mut patch) = make(&base, &new, order) else { return Ok(()) };
        prop_assert!(apply(&base, &[patch[..cut.index(patch.len())].to_vec()]).is_err());
        prop_assert!(apply(&base, &[[patch.as_slice(), &[0]].concat()]).is_err());
        for (place, byte) in damage {
            let place = place.index(patch.len());
            patch[place] ^= byte;
        }
        if let Ok(plaintext) = apply(&base, &[patch]) {
            drop(Segment::decode(plaintext, order, &Limits::default()));
        }
    }

    #[test]
    fn any_bytes_are_refused_or_applied(namespace in namespace(), bytes in vec(prop_oneof![0..4u8, any::<u8>()], 0..40)) {
        drop(apply(&segment(&namespace, Order::Plain), &[bytes]));
    }
}

fn small() -> Segment {
    let keys: BTreeMap<Vec<u8>, Vec<u8>> = [b"a", b"b", b"c"].map(|key| (key.to_vec(), b"1".to_vec())).into();
    segment(&[(b"r".to_vec(), keys)].into(), Order::Plain)
}

#[test]
fn a_patch_says_what_is_kept_dropped_and_added() {
    let base = small();
    let mut namespace: Map = [(b"r".to_vec(), BTreeMap::new())].into();
    for (key, value) in [(b"a", b"1"), (b"b", b"2"), (b"c", b"1")] {
        namespace.get_mut(&b"r"[..]).unwrap().insert(key.to_vec(), value.to_vec());
    }
    let patch = make(&base, &segment(&namespace, Order::Plain), Order::Plain).unwrap();
    let expected = b"\x01\x01\0\0\0\x01\0\0\0\x01\x01r\x01\x01b\x012";
    assert_eq!(patch, expected);
    assert_eq!(make(&base, &base, Order::Plain), None);
}

#[test]
fn what_is_no_patch_is_refused_with_the_place() {
    let drop_all = b"\x01\0\0\0\0\x03\0\0\0\0";
    let cases: [(&[u8], &str); 11] = [
        (b"", "malformed patch at byte 0: expected one more byte, found the end"),
        (b"\0", "malformed patch at byte 1: expected at least one step, found none"),
        (
            b"\xff\xff\xff\xff\x0f\0\0\0\0\0\0\0\0\0",
            "malformed patch at byte 0: 4294967295 steps cannot stand in the 9 bytes that are left",
        ),
        (
            b"\x01\0\0\0\0\0\0\0\0\0",
            "malformed patch at byte 1: step 0 keeps 0, drops 0 and adds 0 groups; it should be part of the one before it",
        ),
        (
            b"\x02\x01\0\0\0\x01\0\0\0\0\0\0\0\0\x01\0\0\0\0",
            "malformed patch at byte 10: step 1 keeps 0, drops 1 and adds 0 groups; it should be part of the one before it",
        ),
        (
            b"\x01\x03\0\0\0\x01\0\0\0\0",
            "malformed patch at byte 1: the base has 1 entries less than the step takes",
        ),
        (drop_all, "malformed patch at byte 10: expected entries in the result, found none"),
        (
            b"\x01\0\0\0\0\0\0\0\0\x01\x01r\0\0",
            "malformed patch at byte 10: expected entries, and another root key than in the group before",
        ),
        (
            b"\x01\0\0\0\0\0\0\0\0\x02\x01r\x01\0\0\x01r\x01\0\0",
            "malformed patch at byte 15: expected entries, and another root key than in the group before",
        ),
        (
            b"\x01\0\0\0\0\0\0\0\0\x01\x01r\x02\x01a\0\x01a\0",
            "malformed patch at byte 16: expected a key that comes after the one before it",
        ),
        (
            b"\x01\0\0\0\0\0\0\0\0\x01\x01r\xff\x7f\0\0",
            "malformed patch at byte 12: 16383 entries cannot stand in the 2 bytes that are left",
        ),
    ];
    for (patch, expected) in cases {
        assert_eq!(apply(&small(), &[patch.to_vec()]).unwrap_err().to_string(), expected);
    }
    let long = vec![0; limits::PATCH_BYTES_MAX as usize + 1];
    let error = apply(&small(), &[long]).unwrap_err().to_string();
    assert!(error.contains("body of 8388608 bytes is longer than the limit of 8388607 bytes"), "{error}");
}
