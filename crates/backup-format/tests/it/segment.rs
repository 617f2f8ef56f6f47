//! Segments, against the `bcs` crate.

use backup_format::{Limits, Order, Segment, limits};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::content::{batch, entries, groups, key, namespace, order};
use crate::laws::{self, Groups};

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_and_is_what_bcs_encodes(namespace in namespace(), order in order()) {
        let groups = groups(&namespace, order);
        let segment = Segment::from_batch(&batch(entries(&groups)));
        prop_assert_eq!(segment.plaintext(), bcs::to_bytes(&groups).unwrap());
        let decoded = Segment::decode(segment.plaintext().to_vec(), order, &Limits::default()).unwrap();
        let found: Vec<_> = decoded.iter().map(|(root, entry)| (root, entry.key, entry.value)).collect();
        prop_assert_eq!(found, entries(&groups).collect::<Vec<_>>());
        for segment in [&segment, &decoded] {
            prop_assert_eq!(segment.entries(), entries(&groups).count() as u64);
            prop_assert_eq!(segment.groups().len(), groups.len());
        }
        laws::segment(&[&[order as u8], segment.plaintext()].concat());
    }

    #[test]
    fn what_bcs_decodes_is_accepted_exactly_when_it_follows_the_rules(
        groups in vec((key(), vec((key(), vec(any::<u8>(), 0..20)), 0..4)), 0..4), choice: u8,
    ) {
        // Keys are in no order here: few of these are segments.
        laws::segment(&[&[choice], bcs::to_bytes::<Groups>(&groups).unwrap().as_slice()].concat());
    }

    #[test]
    fn damaged_segments_are_refused_or_are_other_segments(
        namespace in namespace(),
        order in order(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = vec![order as u8];
        bytes.extend(bcs::to_bytes(&groups(&namespace, order)).unwrap());
        laws::segment(&bytes[..cut.index(bytes.len())]);
        laws::segment(&[bytes.as_slice(), &[0]].concat());
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] ^= byte;
            laws::segment(&bytes);
        }
    }
}

#[test]
fn what_is_no_segment_is_refused_with_the_place() {
    let long_root = [b"\x01\x80\x80\x04".as_slice(), &[0; 65_536], b"\x01\x00\x00"].concat();
    let cases: [(&[u8], &str); 13] = [
        (b"", "malformed segment at byte 0: expected one more byte, found the end"),
        (b"\x00", "malformed segment at byte 0: expected at least one of groups, found none"),
        (
            b"\x01\x00\x00\x00\x00",
            "malformed segment at byte 2: expected at least one of entries, found none",
        ),
        (
            b"\xff\xff\xff\xff\x0f\x00\x01\x00\x00",
            "malformed segment at byte 0: 4294967295 groups cannot stand in the 4 bytes that are left",
        ),
        (
            b"\x01\x00\xff\xff\xff\xff\x0f\x00\x00",
            "malformed segment at byte 2: 4294967295 entries cannot stand in the 2 bytes that are left",
        ),
        (
            b"\x01\x00\x01\x00\xff\xff\xff\xff\x0f",
            "segment at byte 4: value of 4294967295 bytes is longer than the limit of 268435456 bytes",
        ),
        (
            b"\x01\x00\x01\x81\x80\x80\x04\x00",
            "segment at byte 3: key of 8388609 bytes is longer than the limit of 8388608 bytes",
        ),
        (&long_root, "segment at byte 1: root key of 65536 bytes is longer than the limit of 65535 bytes"),
        (
            b"\x01\x00\x01\x80\x00\x00",
            "malformed segment at byte 3: length of key is not in its shortest form",
        ),
        (b"\x01\x00\x01\x00\x00\x00", "malformed segment at byte 5: expected the end, 1 more bytes follow"),
        (
            b"\x02\x01b\x01\x00\x00\x01a\x01\x01k\x00",
            "entries out of order 1: root_key=61 key=6b does not come after root_key=62 key=(empty)",
        ),
        (
            b"\x02\x01a\x01\x00\x00\x01a\x01\x01k\x00",
            "entries out of order 1: root_key=61 key=6b does not come after root_key=61 key=(empty)",
        ),
        (
            b"\x01\x01a\x02\x01k\x00\x01k\x00",
            "entries out of order 1: root_key=61 key=6b does not come after root_key=61 key=6b",
        ),
    ];
    for (bytes, expected) in cases {
        let error = Segment::decode(bytes.to_vec(), Order::Plain, &Limits::default()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn the_limit_for_values_may_be_moved_and_has_a_ceiling() {
    assert_eq!(Limits::default().value_bytes_max(), limits::VALUE_BYTES_MAX);
    let most = Limits::default().with_value_bytes_max(usize::MAX);
    assert_eq!(most.value_bytes_max(), limits::VALUE_BYTES_CEILING);
    let plaintext = b"\x01\x00\x01\x00\x03abc".to_vec();
    for (limit, accepted) in [(2, false), (3, true)] {
        let limits = Limits::default().with_value_bytes_max(limit);
        assert_eq!(Segment::decode(plaintext.clone(), Order::Plain, &limits).is_ok(), accepted);
    }
}

#[test]
fn the_orders_differ_only_in_the_order_of_root_keys() {
    // 6162 is shorter than 616161, and sorts after it by bytes.
    let prefixed = b"\x02\x02ab\x01\x00\x00\x03aaa\x01\x00\x00".to_vec();
    let plain = b"\x02\x03aaa\x01\x00\x00\x02ab\x01\x00\x00".to_vec();
    let accepts = |bytes: &[u8], order| Segment::decode(bytes.to_vec(), order, &Limits::default()).is_ok();
    assert!(accepts(&prefixed, Order::Prefixed) && !accepts(&prefixed, Order::Plain));
    assert!(!accepts(&plain, Order::Prefixed) && accepts(&plain, Order::Plain));
    assert!(accepts(&plain, Order::Token) != accepts(&prefixed, Order::Token));
}

#[test]
fn a_plaintext_above_its_ceiling_is_refused_before_it_is_looked_at() {
    let error = Segment::decode(vec![0; (512 << 20) + 1], Order::Plain, &Limits::default()).unwrap_err();
    let expected =
        "segment at byte 0: plaintext of 536870913 bytes is longer than the limit of 536870912 bytes";
    assert_eq!(error.to_string(), expected);
}
