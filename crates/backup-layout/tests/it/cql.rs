//! Rows of ScyllaDB and Cassandra.

use std::collections::BTreeMap;

use backup_format::{EntryBatch, ErrorClass, Limits, put_bytes, put_uleb};
use backup_layout::cql::{
    Decoder, Encoder, KEY_BYTES_MAX, ROOT_KEY_BYTES_MAX, Row, Sample, check, detect, is_exclusive,
    partition_key, root_key,
};
use backup_layout::{Journal, JournalKey, Layout, LayoutError};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::support::{Entries, HexPairs, unhex};
use Layout::{Linera015, Linera016, Plain};

const JOURNAL_BYTES_MAX: usize = 1 << 20;

/// Rows of each partition.
type Table = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>>;

fn encode(encoder: &mut Encoder, entries: &Entries) -> Table {
    let mut table = Table::new();
    for ((root_key, key), value) in entries {
        let rows = table.entry(partition_key(root_key)).or_default();
        let mut emit = |key: &[u8], value: &[u8]| {
            assert!(rows.insert(key.to_vec(), value.to_vec()).is_none(), "two entries have one row");
            Ok::<_, LayoutError>(())
        };
        encoder.encode(root_key, key, value, &mut emit).unwrap();
    }
    table
}

fn decode(layout: Layout, table: &Table) -> Result<Entries, LayoutError> {
    let mut decoder = Decoder::new(layout, Limits::default(), JOURNAL_BYTES_MAX);
    let mut batch = EntryBatch::default();
    for (partition_key, rows) in table {
        decoder.enter(partition_key)?;
        for (key, value) in rows {
            decoder.push(key, value, &mut batch)?;
        }
        decoder.leave(&mut batch)?;
    }
    let mut entries = Entries::new();
    for (root_key, entry) in batch.iter() {
        let name = (root_key.to_vec(), entry.key.to_vec());
        assert!(entries.insert(name, entry.value.to_vec()).is_none(), "an entry comes twice");
    }
    Ok(entries)
}

fn table(partition: &str, rows: HexPairs) -> Table {
    let rows = rows.iter().map(|(key, value)| (unhex(key), unhex(value))).collect();
    Table::from([(unhex(partition), rows)])
}

fn entries(list: &[(&str, &str, &str)]) -> Entries {
    list.iter().map(|(root, key, value)| ((unhex(root), unhex(key)), unhex(value))).collect()
}

const CHAIN: &str = "00 cb24895a00000000000000000000000000000000000000000000000000b83ac8";

fn chain_partition() -> String {
    format!("00 {CHAIN}")
}

#[test]
fn the_rows_of_linera_are_its_entries() {
    let heights = "07cb24895a00000000000000000000000000000000000000000000000000008ca8ff";
    let seen = table(&format!("00 {heights}"), &[("0000000000000000 00000000", "00000001 4685bda1")]);
    let expected = entries(&[(heights, "0000000000000000", "4685bda1")]);
    assert_eq!(decode(Linera015, &seen).unwrap(), expected);
    assert_eq!(encode(&mut Encoder::new(Linera015), &expected), seen);
    let plain = table(&format!("00 {heights}"), &[("0000000000000000", "4685bda1")]);
    assert_eq!(decode(Linera016, &plain).unwrap(), expected);
    assert_eq!(encode(&mut Encoder::new(Linera016), &expected), plain);
    assert_eq!(encode(&mut Encoder::new(Plain), &expected), plain);
}

#[test]
fn a_value_is_split_as_linera_splits_it() {
    let value: String = (0..100).map(|byte| format!("{byte:02x}")).collect();
    let expected = entries(&[("05", "01", &value)]);
    let rows = encode(&mut Encoder::new(Linera015).with_segment_bytes_max(40), &expected);
    let split = [
        ("01 00000000", format!("00000003 {}", &value[..72])),
        ("01 00000001", value[72..152].to_owned()),
        ("01 00000002", value[152..].to_owned()),
    ];
    let split: Vec<(&str, &str)> = split.iter().map(|(key, value)| (*key, value.as_str())).collect();
    assert_eq!(rows, table("0005", &split));
    assert_eq!(decode(Linera015, &rows).unwrap(), expected);
    assert!(matches!(
        decode(Linera015, &table("0005", &split[..2])),
        Err(LayoutError::MissingSegment { segment: 2, count: 3, .. })
    ));
}

proptest! {
    #[test]
    fn entries_come_back_from_their_rows(
        entries in btree_map((vec(0u8..4, 0..4), vec(1u8.., 1..6)), vec(any::<u8>(), 0..60), 0..40),
        segment_bytes_max in 5usize..30,
    ) {
        for layout in Layout::ALL {
            // Keys like those of segments are another matter: linera's own scans break there.
            let mut encoder = Encoder::new(layout).with_segment_bytes_max(segment_bytes_max);
            let rows = encode(&mut encoder, &entries);
            prop_assert_eq!(&decode(layout, &rows).unwrap(), &entries);
        }
    }
}

#[test]
fn sentinels_are_no_entries_but_in_plain() {
    for layout in [Linera015, Linera016] {
        assert_eq!(decode(layout, &table(&chain_partition(), &[("", "")])).unwrap(), Entries::new());
        let error = decode(layout, &table(&chain_partition(), &[("", "07")])).unwrap_err();
        assert!(matches!(error, LayoutError::SentinelValue { found: 1, .. }), "{error}");
        assert_eq!(error.class(), ErrorClass::Damaged);
    }
    assert_eq!(decode(Plain, &table("00aa", &[("", "07")])).unwrap(), entries(&[("aa", "", "07")]));
}

#[test]
fn partitions_of_chains_and_exporters_have_one_owner() {
    let exclusive = |layout, root: &str| is_exclusive(layout, &unhex(root));
    let chain_016 = CHAIN.replacen("00", "02", 1);
    assert!(exclusive(Linera015, CHAIN) && exclusive(Linera015, "06 01000000"));
    assert!(exclusive(Linera016, &chain_016) && exclusive(Linera016, "01 01000000"));
    for layout in Layout::ALL {
        assert!(!exclusive(layout, "") && !exclusive(layout, "05") && !exclusive(layout, "00 cb24"));
    }
    assert!(!exclusive(Linera015, &chain_016) && !exclusive(Linera016, CHAIN) && !exclusive(Plain, CHAIN));
}

/// The journal of four blocks that linera's own code printed.
const JOURNAL: [(&str, &str); 5] = [
    ("0001 00000000", "04000000"),
    ("0002 00000000", "01 01 01 | 00 | 01 05 0200000000 05 00000001a2"),
    ("0002 01000000", "00 | 00 | 02 05 0300000000 05 00000001a3 05 0400000000 05 00000001a4"),
    ("0002 02000000", "00 | 00 | 02 05 0500000000 05 00000001a5 05 0600000000 05 00000001a6"),
    ("0002 03000000", "00 | 00 | 01 05 0700000000 05 00000001a7"),
];

fn with_journal(partition: &str, rows: HexPairs) -> Table {
    let journal = JOURNAL.map(|(key, value)| (key, value.replace('|', "")));
    let mut all: Vec<(&str, &str)> = journal.iter().map(|(key, value)| (*key, value.as_str())).collect();
    all.extend_from_slice(rows);
    table(partition, &all)
}

#[test]
fn a_pending_journal_is_folded_in_an_exclusive_partition() {
    let old = [
        ("", ""),
        ("01aa 00000000", "00000001 11"),
        ("05 00000000", "00000001 22"),
        ("08 00000000", "00000001"),
    ];
    let found = decode(Linera015, &with_journal(&chain_partition(), &old)).unwrap();
    let new =
        [("02", "a2"), ("03", "a3"), ("04", "a4"), ("05", "a5"), ("06", "a6"), ("07", "a7"), ("08", "")];
    let expected: Vec<_> = new.iter().map(|(key, value)| (CHAIN, *key, *value)).collect();
    assert_eq!(found, entries(&expected));
    // Nothing but a journal.
    let found = decode(Linera015, &with_journal(&chain_partition(), &[])).unwrap();
    assert_eq!(found, entries(&expected[..6]));
}

#[test]
fn blocks_without_a_header_are_garbage_and_a_missing_block_is_damage() {
    let rows = [("0002 00000000", "ff"), ("01 00000000", "00000001 11")];
    assert_eq!(
        decode(Linera015, &table(&chain_partition(), &rows)).unwrap(),
        entries(&[(CHAIN, "01", "11")])
    );
    let mut torn = with_journal(&chain_partition(), &[]);
    torn.values_mut().for_each(|rows| assert!(rows.remove(&unhex("0002 01000000")).is_some()));
    let error = decode(Linera015, &torn).unwrap_err();
    assert!(matches!(error, LayoutError::JournalBlockMissing { block: 1, count: 4, .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Damaged);
}

#[test]
fn shared_partitions_have_no_journal_whatever_their_keys() {
    let heights = format!("07{}", &CHAIN[2..]);
    let rows = [("0001 00000000", "00000001 aa"), ("0002 00000000", "00000001 bb")];
    let found = decode(Linera015, &table(&format!("00 {heights}"), &rows)).unwrap();
    assert_eq!(found, entries(&[(&heights, "0001", "aa"), (&heights, "0002", "bb")]));
    let found = decode(Plain, &table(&chain_partition(), &rows)).unwrap();
    assert_eq!(found.len(), 2);
}

proptest! {
    #[test]
    fn a_journal_folded_while_decoding_gives_what_its_overlay_gives(
        base in btree_map(vec(1u8..4, 1..3), vec(any::<u8>(), 0..4), 0..12),
        inserted in btree_map(vec(1u8..4, 1..3), vec(any::<u8>(), 0..4), 0..12),
        prefix in vec(1u8..4, 1..3),
    ) {
        let mut block = vec![1];
        put_bytes(&mut block, &prefix);
        block.push(0);
        put_uleb(&mut block, inserted.len() as u32);
        for (key, value) in &inserted {
            put_bytes(&mut block, key);
            put_bytes(&mut block, value);
        }
        let root = unhex(&CHAIN.replacen("00", "02", 1));
        let mut journal = Journal::new(&root, Some(&[1, 0, 0, 0]), JOURNAL_BYTES_MAX).unwrap();
        journal.push_block(0, &block).unwrap();
        let mut overlay = journal.fold().unwrap();
        let mut expected = Entries::new();
        let mut emit = |key: &[u8], value: &[u8]| {
            expected.insert((root.clone(), key.to_vec()), value.to_vec());
            Ok::<_, LayoutError>(())
        };
        base.iter().for_each(|(key, value)| overlay.push(key, value, &mut emit).unwrap());
        overlay.finish(&mut emit).unwrap();
        let mut rows = base;
        rows.insert(JournalKey::Header.bytes().to_vec(), vec![1, 0, 0, 0]);
        rows.insert(JournalKey::Block(0).bytes().to_vec(), block);
        prop_assert_eq!(decode(Linera016, &Table::from([(partition_key(&root), rows)])).unwrap(), expected);
    }
}

#[test]
fn what_no_table_can_hold_is_named() {
    let refused = |layout, root_key: &[u8], key: &[u8]| {
        let emit = &mut |_: &[u8], _: &[u8]| Ok::<_, LayoutError>(());
        let error = Encoder::new(layout).encode(root_key, key, b"", emit).err()?;
        assert_eq!(error.class(), ErrorClass::Refused);
        Some(error.to_string())
    };
    assert_eq!(refused(Linera015, b"", b""), None);
    assert_eq!(refused(Plain, b"", b""), None);
    let text = refused(Linera016, b"\x05", b"").unwrap();
    assert_eq!(
        text,
        "root key 05: an entry with an empty key, which layout linera-0.16 cannot hold in a table"
    );
    let (root, key) = (vec![1; ROOT_KEY_BYTES_MAX], vec![1; KEY_BYTES_MAX]);
    assert_eq!(refused(Linera016, &root, &key), None);
    assert_eq!(refused(Linera015, &root, &key[4..]), None);
    let text = refused(Linera015, &root, &key[3..]).unwrap();
    assert!(text.contains("65532") && text.contains("65531"), "{text}");
    assert!(refused(Plain, &[1; ROOT_KEY_BYTES_MAX + 1], &key).unwrap().contains("root key"));
    assert!(refused(Linera016, &root, &[1; KEY_BYTES_MAX + 1]).is_some());
}

#[test]
fn a_partition_of_somebody_else_is_an_error() {
    assert_eq!(root_key(&[0, 5]), Some(&[5][..]));
    assert_eq!(root_key(&[]), None);
    let error = decode(Linera016, &table("0105", &[("01", "")])).unwrap_err();
    let expected = "partition 0105: its key does not start with 00 as layout linera-0.16 has it; is it the right layout?";
    assert_eq!(error.to_string(), expected);
}

fn sample(rows: &[(&str, &str, &str)]) -> Sample {
    let row = |(partition, key, value): &(&str, &str, &str)| Row {
        partition_key: unhex(partition),
        key: unhex(key),
        value_head: unhex(value),
    };
    Sample { rows: rows.iter().map(row).collect() }
}

#[test]
fn the_layout_is_told_by_root_keys_and_values_together() {
    let chain_015 = chain_partition();
    let chain_016 = chain_015.replacen("00 00", "00 02", 1);
    let in_015 = [
        (&*chain_015, "", ""),
        (&chain_015, "0001 00000000", "01000000"),
        (&chain_015, "01 00000000", "00000002"),
        (&chain_015, "01 00000001", "aabb"),
        ("0005", "77 00000000", "00000001"),
    ];
    let in_016 = [(&*chain_016, "", ""), (&chain_016, "01 00000000", "aa"), ("0000", "04", "aabb")];
    assert_eq!(detect(&sample(&in_015)).unwrap(), Linera015);
    assert_eq!(detect(&sample(&in_016)).unwrap(), Linera016);
    check(Linera015, &sample(&in_015)).unwrap();
    check(Plain, &sample(&in_015)).unwrap();
    assert!(matches!(
        check(Linera016, &sample(&in_015)),
        Err(LayoutError::WrongLayout { asked: "linera-0.16", found: "linera-0.15" })
    ));
    let mixed = [&in_015[..], &in_016].concat();
    assert!(matches!(detect(&sample(&mixed)), Err(LayoutError::Undetectable { .. })));
    for between in [
        [(&*chain_016, "01 00000000", "00000001"), ("0000", "04 00000000", "00000001")],
        [(&*chain_015, "01", "00000001"), ("0005", "77", "00000001")],
    ] {
        let error = detect(&sample(&between)).unwrap_err();
        assert!(matches!(error, LayoutError::Unsupported { .. }), "{error}");
        assert_eq!(check(Linera015, &sample(&between)).unwrap_err().to_string(), error.to_string());
    }
}

#[test]
fn what_linera_did_not_write_has_no_layout() {
    assert!(matches!(detect(&Sample::default()), Err(LayoutError::Empty)));
    // A sentinel alone tells nothing.
    assert!(matches!(detect(&sample(&[(&chain_partition(), "", "")])), Err(LayoutError::Empty)));
    for rows in
        [("01aa", "01", "02"), ("00ff", "01 00000000", "00000001"), ("0005", "77 00000002", "00000001")]
    {
        let error = detect(&sample(&[("0005", "77 00000000", "00000001"), rows])).unwrap_err();
        assert!(error.to_string().contains("of 2 sampled rows, 1 look like linera-0.15"), "{error}");
        assert_eq!(error.class(), ErrorClass::Refused);
    }
}
