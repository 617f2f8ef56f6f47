use std::collections::BTreeMap;

use backup_format::ErrorClass;
use backup_layout::rocksdb::{Encoder, Sample, check, detect};
use backup_layout::{Layout, LayoutError};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::support::{Entries, HexPairs, Rows, encode, roots, unhex};

/// A chain id, block hash or blob hash.
fn hash() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 32)
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// Keys of events: a stream id and an index.
fn event_key() -> impl Strategy<Value = Vec<u8>> {
    let application = prop_oneof![Just(vec![0]), hash().prop_map(|hash| join(&[&[1], &hash]))];
    (application, vec(any::<u8>(), 0..12), any::<[u8; 4]>())
        .prop_map(|(application, name, index)| join(&[&application, &[name.len() as u8], &name, &index]))
}

/// Keys of views: a tag of at least 1, and anything.
fn view_key() -> impl Strategy<Value = Vec<u8>> {
    (1u8..20, vec(any::<u8>(), 0..20)).prop_map(|(tag, rest)| join(&[&[tag], &rest]))
}

/// Root keys and keys as linera writes them; `tags` are the first bytes of the eight kinds of root keys.
fn linera_key(tags: [u8; 8], keys: [[u8; 2]; 2]) -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let [chain, block, blob, event, exporter, height, event_height, _] = tags;
    let root = move |tag: u8| hash().prop_map(move |hash| join(&[&[tag], &hash]));
    prop_oneof![
        3 => (root(chain), view_key()),
        3 => (root(block), select(keys[0].to_vec()).prop_map(|key| vec![key])),
        1 => (root(blob).prop_map(|root| join(&[&root, &[6]])), select(keys[1].to_vec()).prop_map(|key| vec![key])),
        1 => (root(event), event_key()),
        1 => (root(height), any::<[u8; 8]>().prop_map(Vec::from)),
        1 => (root(event_height), event_key()),
        1 => (any::<[u8; 4]>().prop_map(move |number| join(&[&[exporter], &number])), view_key()),
    ]
}

fn entries(layout: Layout) -> impl Strategy<Value = Entries> {
    let (tags, keys, network) = match layout {
        Layout::Linera015 => ([0, 1, 2, 3, 6, 7, 8, 5], [[0x5b, 0xdd], [0x2a, 0x31]], 0x77),
        _ => ([2, 3, 4, 5, 1, 6, 7, 0], [[2, 3], [0, 1]], 4),
    };
    btree_map(linera_key(tags, keys), vec(any::<u8>(), 0..12), 1..12).prop_map(move |mut entries| {
        entries.insert((vec![tags[7]], vec![network]), b"oracle".to_vec());
        entries
    })
}

/// Data and index rows of entries.
fn all_rows(layout: Layout, entries: &Entries) -> Rows {
    let mut encoder = Encoder::new(layout);
    let mut rows = encode(&mut encoder, entries);
    for root_key in roots(entries) {
        rows.insert(encoder.index_row(&root_key).unwrap().to_vec(), Vec::new());
    }
    rows
}

/// The layout between 0.15 and 0.16: the rows of 0.16 of entries whose keys and values are split as in 0.15.
fn rows_between(entries: &Entries) -> Rows {
    let split = |((root_key, key), value): (&(Vec<u8>, Vec<u8>), &Vec<u8>)| {
        ((root_key.clone(), join(&[key, &[0; 4]])), join(&[&[0, 0, 0, 1], value]))
    };
    all_rows(Layout::Linera016, &entries.iter().map(split).collect())
}

/// Schema V0: chain and exporter states as in 0.15, all else beneath the empty root key.
fn rows_of_v0(entries: &Entries) -> Rows {
    let mut rows = Rows::from([(vec![1], vec![])]);
    for ((root_key, key), value) in entries {
        let base_key = match (root_key[0], key.as_slice()) {
            (0 | 6, _) => {
                rows.insert(join(&[&[1], root_key]), Vec::new());
                join(&[root_key, key])
            }
            (1, [0x5b]) => root_key.clone(),
            (1, _) => join(&[&[2], &root_key[1..]]),
            (2, [0x2a]) => join(&[&[3], &root_key[1..]]),
            (2, _) => join(&[&[4], &root_key[1..]]),
            (3, _) => join(&[&[5], &root_key[1..], key]),
            (5, _) => vec![7],
            _ => continue,
        };
        rows.insert(join(&[&[0], &base_key, &[0; 4]]), join(&[&[0, 0, 0, 1], value]));
    }
    rows
}

fn sample(rows: &Rows) -> Sample {
    Sample { rows: rows.iter().map(|(key, value)| (key.clone(), value.clone())).collect() }
}

/// Some of the rows in any order, the data row of the network description among them.
fn some_rows(rows: &Rows, picks: &[Index], description: &str) -> Sample {
    let rows = sample(rows).rows;
    let mut some: Vec<_> = picks.iter().map(|pick| pick.get(&rows).clone()).collect();
    some.extend(rows.into_iter().find(|(key, _)| *key == unhex(description)));
    Sample { rows: some }
}

fn picks() -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), 0..20)
}

fn refusal(sample: &Sample) -> LayoutError {
    let error = detect(sample).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused);
    error
}

proptest! {
    #[test]
    fn databases_of_linera_are_told_by_any_of_their_rows(
        in_015 in entries(Layout::Linera015),
        in_016 in entries(Layout::Linera016),
        picks in picks(),
    ) {
        for (layout, entries, description) in
            [(Layout::Linera015, in_015, "0005 77 00000000"), (Layout::Linera016, in_016, "000100 04")]
        {
            let rows = all_rows(layout, &entries);
            prop_assert_eq!(detect(&sample(&rows)).unwrap(), layout);
            let some = some_rows(&rows, &picks, description);
            prop_assert_eq!(detect(&some).unwrap(), layout);
            for asked in Layout::ALL {
                let is_fine = asked == layout || asked == Layout::Plain;
                prop_assert_eq!(check(asked, &some).is_ok(), is_fine);
            }
        }
    }

    #[test]
    fn some_rows_alone_never_tell_the_wrong_layout(
        in_015 in entries(Layout::Linera015),
        in_016 in entries(Layout::Linera016),
        picks in picks(),
    ) {
        for (layout, entries) in [(Layout::Linera015, &in_015), (Layout::Linera016, &in_016)] {
            let found = detect(&some_rows(&all_rows(layout, entries), &picks, ""));
            prop_assert!(found.as_ref().map_or(true, |found| *found == layout), "{found:?}");
        }
        for rows in [rows_between(&in_015), rows_between(&in_016)] {
            prop_assert!(detect(&some_rows(&rows, &picks, "")).is_err());
        }
    }

    #[test]
    fn the_layout_between_is_refused(in_015 in entries(Layout::Linera015), in_016 in entries(Layout::Linera016)) {
        for rows in [rows_between(&in_015), rows_between(&in_016)] {
            let refused = refusal(&sample(&rows));
            prop_assert!(refused.to_string().contains("between the two"), "{}", refused);
            prop_assert!(matches!(refused, LayoutError::Unsupported { .. }), "{}", refused);
            for layout in [Layout::Linera015, Layout::Linera016] {
                prop_assert!(check(layout, &sample(&rows)).is_err());
            }
            prop_assert!(check(Layout::Plain, &sample(&rows)).is_ok());
        }
    }

    #[test]
    fn chain_states_alone_in_the_layout_between_are_refused(
        keys in vec(view_key(), 1..6),
        chain in hash(),
    ) {
        let entries: Entries =
            keys.into_iter().map(|key| ((join(&[&[2], &chain]), key), vec![1])).collect();
        let refused = refusal(&sample(&rows_between(&entries)));
        prop_assert!(matches!(refused, LayoutError::Unsupported { .. }), "{}", refused);
        let mut mixed = rows_between(&entries);
        mixed.insert(join(&[&[0, 0x21, 2], &chain, &[9, 9, 9, 9, 9, 9]]), vec![9; 9]);
        let refused = refusal(&sample(&mixed));
        prop_assert!(matches!(refused, LayoutError::Undetectable { .. }), "{}", refused);
    }

    #[test]
    fn schema_v0_and_what_it_leaves_behind_are_refused(entries in entries(Layout::Linera015)) {
        let mut migrated = all_rows(Layout::Linera015, &entries);
        migrated.insert(vec![1], Vec::new());
        let mut without_index = rows_of_v0(&entries);
        without_index.retain(|key, _| key[0] == 0);
        for rows in [rows_of_v0(&entries), without_index, migrated] {
            let refused = refusal(&sample(&rows));
            prop_assert!(refused.to_string().contains("schema V0"), "{}", refused);
            prop_assert!(matches!(refused, LayoutError::Unsupported { .. }), "{}", refused);
        }
    }

    #[test]
    fn mixtures_are_refused(
        in_015 in entries(Layout::Linera015),
        in_016 in entries(Layout::Linera016),
        foreign in (2u8.., vec(any::<u8>(), 0..10)),
    ) {
        let (rows_015, rows_016) = (all_rows(Layout::Linera015, &in_015), all_rows(Layout::Linera016, &in_016));
        let foreign = Rows::from([(join(&[&[foreign.0], &foreign.1]), vec![1])]);
        let pairs = [
            [&rows_015, &rows_016],
            [&rows_015, &foreign],
            [&rows_016, &foreign],
            [&rows_between(&in_016), &rows_016],
            [&rows_between(&in_016), &rows_015],
            [&rows_between(&in_016), &foreign],
        ];
        for [one, other] in pairs {
            let mixed = one.iter().chain(other).map(|(key, value)| (key.clone(), value.clone())).collect();
            let refused = refusal(&Sample { rows: mixed });
            prop_assert!(matches!(refused, LayoutError::Undetectable { .. }), "{}", refused);
        }
    }

    #[test]
    fn one_damaged_row_is_enough_to_refuse(
        in_015 in entries(Layout::Linera015),
        in_016 in entries(Layout::Linera016),
        which in any::<Index>(),
    ) {
        for (layout, entries) in [(Layout::Linera015, in_015), (Layout::Linera016, in_016)] {
            let mut rows = all_rows(layout, &entries);
            let key = which.get(&rows.keys().cloned().collect::<Vec<_>>()).clone();
            // The root keys 04 and 08 are none of linera's, and 0.16 has no root key of 127 bytes.
            let damaged = [&[key[0]], if layout == Layout::Linera015 { &[4u8] } else { &[127u8] }, &key[2..]].concat();
            let value = rows.remove(&key).unwrap();
            rows.insert(damaged, value);
            let refused = refusal(&sample(&rows));
            prop_assert!(matches!(refused, LayoutError::Undetectable { .. }), "{}", refused);
        }
    }

    #[test]
    fn databases_that_have_nothing_of_linera_are_plain(
        foreign in btree_map((2u8.., vec(any::<u8>(), 0..10)), vec(any::<u8>(), 0..10), 1..10),
        near in vec((0u8..2, vec(any::<u8>(), 0..3)), 0..3),
    ) {
        let mut rows: Rows =
            foreign.into_iter().map(|((first, rest), value)| (join(&[&[first], &rest]), value)).collect();
        // Rows with values, so that they are no index rows, and with keys too short for other rows.
        rows.extend(near.into_iter().map(|(first, rest)| (join(&[&[first, 0xee], &rest]), vec![1])));
        prop_assert_eq!(detect(&sample(&rows)).unwrap(), Layout::Plain);
        for layout in [Layout::Linera015, Layout::Linera016] {
            let error = check(layout, &sample(&rows)).unwrap_err();
            prop_assert_eq!(
                error.to_string(),
                format!("the rows are in layout plain, not in {layout}; leave out ?layout={layout}, or say ?layout=plain")
            );
        }
    }
}

/// Hex with `HASH` for a hash.
fn hex(text: &str) -> Vec<u8> {
    unhex(&text.replace("HASH", &"cb".repeat(32)))
}

fn sample_of(rows: HexPairs) -> Sample {
    Sample { rows: rows.iter().map(|(key, value)| (hex(key), hex(value))).collect() }
}

#[test]
fn chain_states_alone_are_told_where_no_row_looks_split() {
    let rows: HexPairs = &[("00 21 02HASH 0105060708", ""), ("00 21 02HASH 02 00000000", "aa")];
    assert_eq!(detect(&sample_of(rows)).unwrap(), Layout::Linera016);
}

#[test]
fn one_row_that_happens_to_look_split_does_not_hide_a_short_one() {
    let rows: HexPairs = &[("00 01 00 04", "aa"), ("00 21 02HASH 02 00000000", "00000001")];
    assert_eq!(detect(&sample_of(rows)).unwrap(), Layout::Linera016);
    assert!(matches!(refusal(&sample_of(&rows[1..])), LayoutError::Unsupported { .. }));
}

#[test]
fn a_single_row_that_linera_does_not_write_is_enough_to_refuse() {
    let rows_015: HexPairs = &[("00 05 77 00000000", "00000001"), ("01 05", "")];
    let rows_016: HexPairs = &[("00 01 00 04", "aa"), ("01 01 00", "")];
    let cases: [(HexPairs, &[HexPairs]); 2] = [
        (
            rows_015,
            &[
                &[("00 06 07000000 01 00000000", "00000000")],
                &[("00 06 07000000 01 00000000", "00000002")],
                &[("00 06 07000000 01 00000000", "00000002"), ("00 06 07000000 02 00000001", "aa")],
                &[("00 06 07000000 01 00000000", "00000002"), ("00 06 07000000 01 00000002", "aa")],
                &[("00 06 07000000 01 00000000", "000000")],
                &[("00 06 07000000 01 00000001", "aa")],
                &[("00 06 07000000 00000000", "00000001")],
                &[("00 06 07000000 00 00000000", "00000001")],
                &[("00 07HASH 00000000000000 00000000", "00000001")],
                &[("00 03HASH 00 02aabb 00000007 ff 00000000", "00000001")],
                &[("00 03HASH 00 03aabb 00000007 00000000", "00000001")],
                &[("00 01HASH 5b5b 00000000", "00000001")],
                &[("00 04 01 00000000", "00000001")],
                &[("01 06 07000000", "aa")],
                &[("01 05 77", "")],
                &[("01 04", "")],
            ],
        ),
        (
            rows_016,
            &[
                &[("00 05 01 07000000", "aa")],
                &[("00 05 01 07000000 00", "aa")],
                &[("00 21 06HASH 00000000000000", "aa")],
                &[("00 21 05HASH 00 02aabb 00000007 ff", "aa")],
                &[("00 21 03HASH 0202", "aa")],
                &[("00 21 08HASH 02", "aa")],
                &[("00 a100 03HASH 02", "aa")],
                &[("00 20 03HASH 02", "aa")],
                &[("01 05 01 07000000", "aa")],
                &[("01 05 01 07000000 00", "")],
                &[("01 05 01 070000", "")],
            ],
        ),
    ];
    for (good, bad_ones) in cases {
        assert!(detect(&sample_of(good)).is_ok());
        for bad in bad_ones {
            let refused = refusal(&sample_of(&[good, bad].concat()));
            assert!(matches!(refused, LayoutError::Undetectable { .. }), "{bad:?}: {refused}");
        }
    }
}

#[test]
fn a_database_without_rows_is_refused() {
    let refused = refusal(&Sample::default());
    assert_eq!(
        refused.to_string(),
        "cannot tell the layout of a database without rows; name it with ?layout=linera-0.15, linera-0.16 or plain"
    );
    for layout in Layout::ALL {
        check(layout, &Sample::default()).unwrap();
    }
}

#[test]
fn what_cannot_be_told_is_refused_with_what_was_seen() {
    let cases: [(&str, HexPairs, &str); 4] = [
        (
            "index rows alone do not say whether values are split",
            &[("0105", ""), ("0106 00000000", "")],
            "of 2 sampled rows, 0 of them data rows, 2 look like linera-0.15, 0 like linera-0.16, 0 like the layout \
             between them, and 0 start with neither 00 nor 01",
        ),
        (
            "rows that start as linera's do, and are others",
            &[("0000000000000001", "aa"), ("0000000000000002", "bb")],
            "of 2 sampled rows, 2 of them data rows, 0 look like linera-0.15, 0 like linera-0.16, 0 like the layout \
             between them, and 0 start with neither 00 nor 01; the first that fits none of linera's has key \
             0000000000000001",
        ),
        (
            "a segment far from those before it",
            &[("0005 77 00000000", "00000001"), ("000600000000 01 00000002", "aa")],
            "of 2 sampled rows, 2 of them data rows, 1 look like linera-0.15, 0 like linera-0.16, 0 like the layout \
             between them, and 0 start with neither 00 nor 01; the first that fits none of linera's has key \
             0006000000000100000002",
        ),
        (
            "an empty key",
            &[("", ""), ("0005 77 00000000", "00000001")],
            "of 2 sampled rows, 1 of them data rows, 1 look like linera-0.15, 0 like linera-0.16, 0 like the layout \
             between them, and 1 start with neither 00 nor 01; the first that fits none of linera's has key (empty)",
        ),
    ];
    for (name, rows, seen) in cases {
        let sample = sample_of(rows);
        let expected = format!(
            "cannot tell the layout: {seen}; if you know it, name it with ?layout=linera-0.15, linera-0.16 or plain"
        );
        assert_eq!(refusal(&sample).to_string(), expected, "{name}");
        for layout in Layout::ALL {
            check(layout, &sample).unwrap();
        }
    }
}

#[test]
fn split_values_are_told_with_their_neighbours() {
    let entries = BTreeMap::from([((unhex("0600000000"), vec![1]), vec![7; 50])]);
    let mut rows = encode(&mut Encoder::new(Layout::Linera015).with_segment_bytes_max(20), &entries);
    assert_eq!(rows.len(), 3);
    assert_eq!(detect(&sample(&rows)).unwrap(), Layout::Linera015);
    // A stale segment after the last one of the value.
    rows.insert(unhex("000600000000 01 00000003"), vec![7]);
    assert_eq!(detect(&sample(&rows)).unwrap(), Layout::Linera015);
    rows.remove(&unhex("000600000000 01 00000001"));
    assert!(matches!(refusal(&sample(&rows)), LayoutError::Undetectable { .. }));
}

#[test]
fn a_block_hash_that_looks_like_a_root_key_with_its_length_is_none() {
    let block = join(&[&[1, 5], &[0xcb; 31]]);
    let entries: Entries = BTreeMap::from([((block, vec![0x5b]), vec![1]), ((vec![5], vec![0x77]), vec![2])]);
    let mut rows = all_rows(Layout::Linera015, &entries);
    assert_eq!(detect(&sample(&rows)).unwrap(), Layout::Linera015);
    rows.insert(vec![1], Vec::new());
    assert!(matches!(refusal(&sample(&rows)), LayoutError::Unsupported { .. }));
}

#[test]
fn the_first_bytes_of_values_suffice() {
    let rows = Rows::from([(unhex("0005 77 00000000"), unhex("00000001"))]);
    assert_eq!(detect(&sample(&rows)).unwrap(), Layout::Linera015);
}
