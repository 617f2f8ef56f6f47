use std::collections::BTreeMap;

use backup_format::{EntryBatch, Limits};
use backup_layout::rocksdb::{Decoder, Encoder};
use backup_layout::{Layout, LayoutError};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::{
    Entries, HexPairs, Rows, collect, decode, encode, index, roots, run, unhex, without_nested,
};

/// Short strings of few different bytes, so that many are prefixes of others, empty, or all zeros.
fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(select(vec![0x00, 0x01, 0x05, 0x7f, 0x80, 0xff]), 0..=max)
}

fn entries() -> impl Strategy<Value = Entries> {
    btree_map((bytes(3), bytes(7)), vec(any::<u8>(), 0..24), 0..30)
}

/// Key and number of the segment of the rows of one partition.
fn stored_keys<'a>(rows: &'a Rows, prefix: &[u8]) -> Vec<(&'a [u8], u32)> {
    let stored = rows.keys().filter_map(|key| key.strip_prefix(prefix));
    stored
        .map(|stored| {
            let (key, number) = stored.split_last_chunk().unwrap();
            (key, u32::from_be_bytes(*number))
        })
        .collect()
}

/// Returns true if no value lies between two segments of another one, as linera's scans want it.
fn are_segments_adjacent(entries: &Entries, rows: &Rows, encoder: &mut Encoder) -> bool {
    roots(entries).iter().all(|root_key| {
        let stored = stored_keys(rows, encoder.data_prefix(root_key));
        let is_live = |(key, number): &(&[u8], u32)| {
            let name = (root_key.clone(), key.to_vec());
            let first = rows.get(&[encoder.clone().data_prefix(root_key), key, &[0; 4]].concat());
            entries.contains_key(&name)
                && first.is_some_and(|first| *number < u32::from_be_bytes(*first.first_chunk().unwrap()))
        };
        let live: Vec<_> = stored.into_iter().filter(is_live).collect();
        live.iter().zip(live.iter().skip(1)).all(|(one, next)| next.1 == 0 || next.0 == one.0)
    })
}

proptest! {
    #[test]
    fn entries_survive_their_rows(entries in entries(), layout in select(Layout::ALL.to_vec())) {
        let entries = match layout {
            Layout::Linera015 => without_nested(entries),
            Layout::Linera016 => entries,
            Layout::Plain => entries.into_iter().map(|((_, key), value)| ((Vec::new(), key), value)).collect(),
        };
        let rows = encode(&mut Encoder::new(layout), &entries);
        prop_assert_eq!(rows.len(), entries.len());
        prop_assert_eq!(decode(layout, roots(&entries), &rows).unwrap(), entries);
    }

    #[test]
    fn split_values_survive_their_rows_among_stale_segments(
        entries in entries(),
        maximum in 5usize..20,
        stale in vec((any::<prop::sample::Index>(), bytes(5), 1u32..6, vec(any::<u8>(), 0..8)), 0..12),
    ) {
        let entries = without_nested(entries);
        let mut encoder = Encoder::new(Layout::Linera015).with_segment_bytes_max(maximum);
        let mut rows = encode(&mut encoder, &entries);
        let roots = roots(&entries);
        let mut added = 0;
        for (root, key, number, value) in stale.into_iter().filter(|_| !roots.is_empty()) {
            let stored = [&key[..], &number.to_be_bytes()].concat();
            let row_key = [encoder.data_prefix(root.get::<Vec<u8>>(&roots)), &stored].concat();
            if let std::collections::btree_map::Entry::Vacant(place) = rows.entry(row_key) {
                place.insert(value);
                added += 1;
            }
        }
        let mut decoder = Decoder::new(Layout::Linera015, index(roots.clone()), Limits::default());
        match run(&mut decoder, &rows) {
            Ok(batch) => {
                prop_assert_eq!(collect(Layout::Linera015, &batch), entries);
                prop_assert_eq!(decoder.stale_segments(), added);
            }
            Err(LayoutError::MissingSegment { .. }) => {
                prop_assert!(!are_segments_adjacent(&entries, &rows, &mut encoder));
            }
            Err(error) => prop_assert!(false, "{error}"),
        }
    }

    #[test]
    fn a_value_that_lacks_a_segment_is_named(
        entries in btree_map((bytes(3), vec(1u8..5, 1..4)), vec(any::<u8>(), 0..24), 1..20),
        lost in any::<prop::sample::Index>(),
    ) {
        let entries = without_nested(entries);
        let mut rows = encode(&mut Encoder::new(Layout::Linera015).with_segment_bytes_max(8), &entries);
        let segments: Vec<_> = rows.keys().filter(|key| !key.ends_with(&[0; 4])).cloned().collect();
        prop_assume!(!segments.is_empty());
        let gone = lost.get(&segments);
        rows.remove(gone);
        let error = decode(Layout::Linera015, roots(&entries), &rows).unwrap_err();
        let LayoutError::MissingSegment { root_key, key, segment, count } = error else {
            panic!("{error}");
        };
        let empty = |text: String| if text == "(empty)" { String::new() } else { text };
        let named = format!("00{}{}{segment:08x}", empty(root_key), empty(key));
        prop_assert_eq!(named, hex::encode(gone));
        prop_assert!(segment < count);
    }
}

/// Rows of `linera-0.15` with the root key 05, as stored key and segment in hex.
fn rows_of_05(rows: HexPairs) -> Rows {
    rows.iter().map(|(stored, segment)| (unhex(&format!("0005{stored}")), unhex(segment))).collect()
}

fn entries_of_05(entries: HexPairs) -> Entries {
    entries.iter().map(|(key, value)| ((vec![5], unhex(key)), unhex(value))).collect()
}

#[test]
fn stale_segments_make_no_entries() {
    let cases: [(&str, HexPairs, HexPairs); 5] = [
        ("above the count", &[("77 00000000", "00000001aa"), ("77 00000001", "bb")], &[("77", "aa")]),
        ("without segment 0", &[("77 00000001", "bb"), ("78 00000000", "00000001")], &[("78", "")]),
        (
            "above a count of more than one",
            &[("77 00000000", "00000002aa"), ("77 00000001", "bb"), ("77 00000002", "cc")],
            &[("77", "aabb")],
        ),
        (
            "of another key, between the segments of a value",
            &[("77 00000000", "00000002aa"), ("77 00 00000001", "ff"), ("77 00000001", "bb")],
            &[("77", "aabb")],
        ),
        ("only", &[("77 00000001", "bb")], &[]),
    ];
    for (name, rows, entries) in cases {
        let decoded = decode(Layout::Linera015, vec![vec![5]], &rows_of_05(rows)).unwrap();
        assert_eq!(decoded, entries_of_05(entries), "{name}");
    }
}

#[test]
fn a_split_value_with_another_entry_between_its_segments_is_refused_as_linera_does() {
    let rows =
        rows_of_05(&[("77 00000000", "00000002aa"), ("77 00 00000000", "00000001"), ("77 00000001", "bb")]);
    let error = decode(Layout::Linera015, vec![vec![5]], &rows).unwrap_err();
    assert!(matches!(error, LayoutError::MissingSegment { segment: 1, count: 2, .. }), "{error}");
}

#[test]
fn a_joined_value_is_measured_before_it_grows() {
    let limits = Limits::default().with_value_bytes_max(3);
    let cases: [(HexPairs, Option<u64>); 5] = [
        (&[("77 00000000", "00000001 aabbcc")], None),
        (&[("77 00000000", "00000001 aabbccdd")], Some(4)),
        (&[("77 00000000", "00000002 aabb"), ("77 00000001", "cc")], None),
        (&[("77 00000000", "00000002 aabb"), ("77 00000001", "ccddee")], Some(5)),
        (&[("77 00000000", "00000002 aabbccdd")], Some(4)),
    ];
    for (rows, too_long) in cases {
        let mut decoder = Decoder::new(Layout::Linera015, index(vec![vec![5]]), limits);
        let result = run(&mut decoder, &rows_of_05(rows)).map(|batch| batch.entries());
        match too_long {
            None => assert_eq!(result.unwrap(), 1),
            Some(found) => assert_eq!(
                result.unwrap_err().to_string(),
                format!(
                    "entry root_key=05 key=77: its value of {found} bytes is longer than the limit of 3 bytes; \
                     the limit may be raised up to 500 MiB"
                )
            ),
        }
    }
}

#[test]
fn long_root_keys_and_keys_are_refused_in_every_layout() {
    let long = |bytes: usize| vec![7u8; bytes];
    let cases = [
        (long(65_535), long(8 << 20), None),
        (long(65_536), long(1), Some("root key")),
        (long(1), long((8 << 20) + 1), Some("key")),
    ];
    for layout in Layout::ALL {
        for (root_key, key, refused) in &cases {
            let entries = BTreeMap::from([((root_key.clone(), key.clone()), Vec::new())]);
            let rows = encode(&mut Encoder::new(layout), &entries);
            let mut decoder = match layout {
                Layout::Plain => Decoder::plain(root_key, Limits::default()),
                _ => Decoder::new(layout, index(vec![root_key.clone()]), Limits::default()),
            };
            let result = run(&mut decoder, &rows);
            match refused {
                None => assert_eq!(collect(layout, &result.unwrap()), entries),
                Some(what) => {
                    let error = result.unwrap_err();
                    let mut text = error.to_string();
                    if let Some(source) = std::error::Error::source(&error) {
                        text = source.to_string();
                    }
                    assert!(text.contains(&format!("{what} of {}", root_key.len().max(key.len()))), "{text}");
                }
            }
        }
    }
}

#[test]
fn index_rows_among_the_data_rows_make_no_entries() {
    for layout in [Layout::Linera015, Layout::Linera016] {
        let entries = BTreeMap::from([((vec![5], vec![0x77]), b"oracle".to_vec())]);
        let mut encoder = Encoder::new(layout);
        let mut rows = encode(&mut encoder, &entries);
        rows.insert(encoder.index_row(&[5]).unwrap().to_vec(), Vec::new());
        assert_eq!(decode(layout, roots(&entries), &rows).unwrap(), entries);
    }
}

#[test]
fn a_column_family_is_a_partition_in_plain() {
    let rows = Rows::from([(Vec::new(), vec![1]), (vec![0, 1], vec![]), (vec![0xff], vec![2])]);
    let batch = run(&mut Decoder::plain(b"family", Limits::default()), &rows).unwrap();
    let expected: Entries =
        rows.iter().map(|(key, value)| ((b"family".to_vec(), key.clone()), value.clone())).collect();
    assert_eq!(collect(Layout::Plain, &batch), expected);
}

#[test]
fn a_decoder_appends_to_what_a_batch_holds() {
    let mut batch = EntryBatch::default();
    batch.push(b"\x05", b"\x01", b"before");
    let mut decoder = Decoder::new(Layout::Linera016, index(Vec::new()), Limits::default());
    decoder.push(&unhex("0001 05 77"), b"after", &mut batch).unwrap();
    decoder.finish(&mut batch).unwrap();
    assert_eq!((batch.entries(), batch.groups().len()), (2, 1));
}
