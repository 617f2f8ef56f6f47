use std::collections::BTreeMap;

use backup_format::{EntryBatch, Limits};
use backup_layout::rocksdb::{Decoder, Encoder};
use backup_layout::{Layout, LayoutError};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::support::{Entries, Rows, decode, encode, index, roots, unhex};

/// Root keys as linera 0.15 has them, many of which differ in their last bytes only.
fn linera_root_key() -> impl Strategy<Value = Vec<u8>> {
    (select(vec![(0, 32), (1, 32), (2, 33), (3, 32), (5, 0), (6, 4), (7, 32), (8, 32)]), any::<[u8; 2]>())
        .prop_map(|((tag, bytes), end)| {
            let mut root_key = vec![0xcb; 1 + bytes];
            root_key[0] = tag;
            if let Some(tail) = root_key[1..].last_chunk_mut() {
                *tail = end;
            }
            root_key
        })
}

fn linera_entries() -> impl Strategy<Value = Entries> {
    btree_map((linera_root_key(), vec(any::<u8>(), 1..4)), vec(any::<u8>(), 0..4), 1..30)
}

/// The part of an index that a range needs: from the last root key at or before its first row, to the first
/// past its end.
fn index_of_share(all: &[Vec<u8>], first: &[u8], end: Option<&[u8]>) -> Vec<Vec<u8>> {
    let start = all.partition_point(|root_key| root_key.as_slice() <= first).saturating_sub(1);
    let past = end.map_or(all.len(), |end| all.partition_point(|root_key| root_key.as_slice() < end) + 1);
    all[start..past.clamp(start, all.len())].to_vec()
}

/// Decodes rows in shares that begin at the rows numbered in `cuts`.
fn decode_shares(rows: &Rows, roots: &[Vec<u8>], cuts: &[usize]) -> Result<Entries, LayoutError> {
    let rows: Vec<_> = rows.iter().collect();
    let mut batch = EntryBatch::default();
    let ends = cuts.iter().skip(1).copied().chain([rows.len()]);
    for (number, (start, end)) in cuts.iter().copied().zip(ends).enumerate() {
        let first = if number == 0 { &[][..] } else { &rows[start].0[1..] };
        let part = index_of_share(roots, first, rows.get(end).map(|(key, _)| &key[1..]));
        let mut decoder = Decoder::new(Layout::Linera015, index(part), Limits::default());
        for (key, value) in &rows[start..end] {
            decoder.push(key, value, &mut batch)?;
        }
        decoder.finish(&mut batch)?;
    }
    Ok(crate::support::collect(Layout::Linera015, &batch))
}

fn cuts(rows: usize, picks: &[Index]) -> Vec<usize> {
    let mut cuts: Vec<_> = picks.iter().map(|pick| pick.index(rows)).chain([0]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

proptest! {
    #[test]
    fn rows_without_an_index_entry_are_found_by_shape(entries in linera_entries(), kept in vec(any::<bool>(), 30)) {
        let rows = encode(&mut Encoder::new(Layout::Linera015), &entries);
        let some = roots(&entries).into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(root_key, _)| root_key);
        prop_assert_eq!(decode(Layout::Linera015, some.collect(), &rows).unwrap(), entries);
    }

    #[test]
    fn shares_give_the_same_entries_as_the_whole(
        roots in btree_set(any::<[u8; 2]>(), 1..8),
        picks in vec((any::<Index>(), vec(any::<u8>(), 0..3), any::<u8>()), 1..20),
        unused in btree_set(any::<[u8; 2]>(), 0..8),
        shares in vec(any::<Index>(), 0..4),
    ) {
        let listed: Vec<_> = roots.iter().collect();
        let entries: Entries = picks
            .into_iter()
            .map(|(root, key, value)| ((root.get(&listed).to_vec(), key), vec![value]))
            .collect();
        let rows = encode(&mut Encoder::new(Layout::Linera015), &entries);
        let indexed: Vec<Vec<u8>> = roots.union(&unused).map(|root_key| root_key.to_vec()).collect();
        let decoded = decode_shares(&rows, &indexed, &cuts(rows.len(), &shares)).unwrap();
        prop_assert_eq!(decoded, entries);
    }

    #[test]
    fn nested_root_keys_of_the_index_are_refused_in_whatever_shares(
        entries in linera_entries(),
        nested in any::<Index>(),
        bytes in 0usize..34,
        shares in vec(any::<Index>(), 0..4),
    ) {
        let rows = encode(&mut Encoder::new(Layout::Linera015), &entries);
        let mut indexed = roots(&entries);
        let longer = nested.get(&indexed).clone();
        prop_assume!(bytes < longer.len());
        indexed.push(longer[..bytes].to_vec());
        indexed.sort();
        let error = decode_shares(&rows, &indexed, &cuts(rows.len(), &shares)).unwrap_err();
        prop_assert!(matches!(error, LayoutError::NestedRootKeys { .. }), "{}", error);
    }
}

#[test]
fn root_keys_of_any_shape_are_found_by_the_index() {
    let root_keys: [&[u8]; 4] = [b"\x05\x01", b"\x05\x02", b"chain", b"\xff"];
    let entries: Entries =
        root_keys.iter().map(|root_key| ((root_key.to_vec(), b"key".to_vec()), b"value".to_vec())).collect();
    let rows = encode(&mut Encoder::new(Layout::Linera015), &entries);
    assert_eq!(decode(Layout::Linera015, roots(&entries), &rows).unwrap(), entries);
}

#[test]
fn the_empty_root_key_alone_holds_all_rows() {
    let entries =
        BTreeMap::from([((Vec::new(), Vec::new()), vec![]), ((Vec::new(), vec![5, 0x77]), vec![1])]);
    let rows = encode(&mut Encoder::new(Layout::Linera015), &entries);
    assert_eq!(decode(Layout::Linera015, vec![Vec::new()], &rows).unwrap(), entries);
}

#[test]
fn nested_root_keys_are_refused_by_name() {
    // Root keys of the index, and keys of rows.
    type Hex<'a> = &'a [&'a str];
    let cases: [(&str, Hex, Hex, [&str; 2]); 8] = [
        ("both with rows", &["aa", "aabb"], &["00aa 01 00000000", "00aabb 01 00000000"], ["aa", "aabb"]),
        ("the longer without rows", &["aa", "aabb"], &["00aa 01 00000000"], ["aa", "aabb"]),
        ("the shorter without rows", &["aa", "aabb"], &["00aabb 01 00000000"], ["aa", "aabb"]),
        ("both without rows", &["aa", "aabb"], &["0011 00000000"], ["aa", "aabb"]),
        ("no rows at all", &["aa", "aabb"], &[], ["aa", "aabb"]),
        ("the empty root key", &["", "aa"], &["00aa 01 00000000"], ["(empty)", "aa"]),
        ("an unindexed root key before an indexed one", &["0578"], &["00 05 77 00000000"], ["05", "0578"]),
        ("an unindexed root key after an indexed one", &["0501"], &["00 05 77 00000000"], ["05", "0501"]),
    ];
    for (name, indexed, keys, [shorter, longer]) in cases {
        let mut indexed: Vec<_> = indexed.iter().map(|root_key| unhex(root_key)).collect();
        if name == "both without rows" {
            indexed.insert(0, vec![0x11]);
        }
        let rows: Rows = keys.iter().map(|key| (unhex(key), vec![0, 0, 0, 1])).collect();
        let text = decode(Layout::Linera015, indexed, &rows).unwrap_err().to_string();
        let expected = format!(
            "root key {shorter} is a prefix of root key {longer}: in layout linera-0.15 their rows cannot be \
             distinguished; ?layout=plain copies the rows as they are"
        );
        assert_eq!(text, expected, "{name}");
    }
}

#[test]
fn indexed_root_keys_without_entries_make_nothing() {
    let roots = vec![vec![5], unhex("0600000000"), b"unused".to_vec()];
    let rows = Rows::from([(unhex("000577 00000000"), unhex("00000001aa"))]);
    let decoded = decode(Layout::Linera015, roots, &rows).unwrap();
    assert_eq!(decoded.into_iter().collect::<Vec<_>>(), [((vec![5], vec![0x77]), vec![0xaa])]);
}

#[test]
fn other_layouts_do_not_need_an_index() {
    let entries = BTreeMap::from([
        ((b"a".to_vec(), b"b".to_vec()), vec![1]),
        ((b"ab".to_vec(), b"".to_vec()), vec![2]),
        ((Vec::new(), b"ab".to_vec()), vec![3]),
        ((vec![7; 200], b"k".to_vec()), vec![4]),
    ]);
    let rows = encode(&mut Encoder::new(Layout::Linera016), &entries);
    assert_eq!(decode(Layout::Linera016, Vec::new(), &rows).unwrap(), entries);
}
