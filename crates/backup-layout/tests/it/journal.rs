use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;

use backup_format::{ErrorClass, put_bytes, put_uleb};
use backup_layout::{Journal, JournalKey, LayoutError};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::{HexPairs, Rows, unhex};

const ROOM: usize = 1 << 20;

/// A block as linera has it: key prefixes, and what becomes of single keys.
#[derive(Clone, Debug, Default)]
struct Block {
    prefixes: Vec<Vec<u8>>,
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Block {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let list = |out: &mut Vec<u8>, length: usize| put_uleb(out, length as u32);
        list(&mut out, self.prefixes.len());
        self.prefixes.iter().for_each(|prefix| put_bytes(&mut out, prefix));
        let deletions = self.changes.iter().filter(|(_, value)| value.is_none());
        list(&mut out, deletions.clone().count());
        deletions.for_each(|(key, _)| put_bytes(&mut out, key));
        let insertions = self.changes.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        list(&mut out, insertions.clone().count());
        for (key, value) in insertions {
            put_bytes(&mut out, key);
            put_bytes(&mut out, value);
        }
        out
    }

    fn apply(&self, rows: &mut Rows) {
        rows.retain(|key, _| !self.prefixes.iter().any(|prefix| key.starts_with(prefix)));
        for (key, value) in &self.changes {
            match value {
                None => drop(rows.remove(key)),
                Some(value) => drop(rows.insert(key.clone(), value.clone())),
            }
        }
    }
}

/// The rows of a journal with these blocks.
fn journal_rows(blocks: &[Block]) -> Rows {
    let header = (JournalKey::Header.bytes().to_vec(), (blocks.len() as u32).to_le_bytes().to_vec());
    let numbered = (0..).zip(blocks);
    numbered
        .map(|(number, block)| (JournalKey::Block(number).bytes().to_vec(), block.encode()))
        .chain([header])
        .collect()
}

/// Reads all rows of a partition, those of its journal among them.
fn resolve(rows: &Rows, room: usize) -> Result<Rows, LayoutError> {
    let header = rows.get(&JournalKey::Header.bytes()[..]);
    let mut journal = Journal::new(b"\x00chain", header.map(Vec::as_slice), room)?;
    for (key, value) in rows {
        if let Some(JournalKey::Block(number)) = JournalKey::of(key) {
            journal.push_block(number, value)?;
        }
    }
    let mut overlay = journal.fold()?;
    let mut found = Vec::new();
    let mut emit = |key: &[u8], value: &[u8]| {
        found.push((key.to_vec(), value.to_vec()));
        Ok::<_, Infallible>(())
    };
    rows.iter().try_for_each(|(key, value)| overlay.push(key, value, &mut emit)).unwrap();
    overlay.finish(&mut emit).unwrap();
    assert!(found.is_sorted_by(|one, next| one.0 < next.0), "rows do not ascend: {found:x?}");
    Ok(found.into_iter().collect())
}

fn rows(pairs: HexPairs) -> Rows {
    pairs.iter().map(|(key, value)| (unhex(key), unhex(value))).collect()
}

#[test]
fn keys_are_those_that_linera_writes() {
    for (hex, key) in [
        ("0001 00000000", JournalKey::Header),
        ("0002 00000000", JournalKey::Block(0)),
        ("0002 03000000", JournalKey::Block(3)),
        ("0002 01020304", JournalKey::Block(0x0403_0201)),
    ] {
        assert_eq!(JournalKey::of(&unhex(hex)), Some(key));
        assert_eq!(key.bytes().to_vec(), unhex(hex));
    }
    for hex in [
        "",
        "00",
        "0001",
        "0001 00000001",
        "0001 0000000000",
        "0002 000000",
        "0003 00000000",
        "0102 00000000",
    ] {
        assert_eq!(JournalKey::of(&unhex(hex)), None, "{hex}");
    }
}

/// Printed by linera's own wrappers: the journal of a batch that deletes prefix 01 and inserts six keys.
#[test]
fn a_journal_of_linera_is_resolved() {
    let partition = rows(&[
        ("0001 00000000", "04000000"),
        ("0002 00000000", "010101 00 01 05 0200000000 05 00000001a2"),
        ("0002 01000000", "00 00 02 05 0300000000 05 00000001a3 05 0400000000 05 00000001a4"),
        ("0002 02000000", "00 00 02 05 0500000000 05 00000001a5 05 0600000000 05 00000001a6"),
        ("0002 03000000", "00 00 01 05 0700000000 05 00000001a7"),
        ("0100000000", "0000000101"),
        ("0199000000 00", "0000000102"),
        ("0400000000", "0000000103"),
        ("0800000000", "0000000104"),
    ]);
    let expected = rows(&[
        ("0200000000", "00000001a2"),
        ("0300000000", "00000001a3"),
        ("0400000000", "00000001a4"),
        ("0500000000", "00000001a5"),
        ("0600000000", "00000001a6"),
        ("0700000000", "00000001a7"),
        ("0800000000", "0000000104"),
    ]);
    assert_eq!(resolve(&partition, ROOM).unwrap(), expected);
}

/// linera loses five of the six keys, and a resolver of its journals must do the same.
#[test]
fn a_prefix_deletion_erases_what_later_blocks_inserted() {
    let partition = rows(&[
        ("0001 00000000", "04000000"),
        ("0002 00000000", "0100 00 01 02 0200 01 a2"),
        ("0002 01000000", "00 00 02 02 0300 01 a3 02 0400 01 a4"),
        ("0002 02000000", "00 00 02 02 0500 01 a5 02 0600 01 a6"),
        ("0002 03000000", "00 00 01 02 0700 01 a7"),
        ("09", "01"),
    ]);
    assert_eq!(resolve(&partition, ROOM).unwrap(), rows(&[("0200", "a2")]));
}

#[test]
fn blocks_without_a_header_are_garbage() {
    let partition = rows(&[("0002 00000000", "0100 00 00"), ("0002 01000000", "ff"), ("01", "aa")]);
    assert_eq!(resolve(&partition, 0).unwrap(), rows(&[("01", "aa")]));
}

#[test]
fn blocks_that_the_header_does_not_announce_are_garbage() {
    let partition = rows(&[
        ("0001 00000000", "01000000"),
        ("0002 00000000", "00 00 01 01 02 01 bb"),
        ("0002 01000000", "0100 00 00"),
        ("0002 00000100", "ff"),
        ("01", "aa"),
    ]);
    assert_eq!(resolve(&partition, ROOM).unwrap(), rows(&[("01", "aa"), ("02", "bb")]));
}

/// Short strings of few different bytes, so that many are prefixes of others, or empty.
fn bytes(min: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(select(vec![0x00, 0x01, 0x02, 0x80, 0xff]), min..=4)
}

fn block() -> impl Strategy<Value = Block> {
    let changes = btree_map(bytes(1), proptest::option::weighted(0.7, vec(any::<u8>(), 0..4)), 0..8);
    (btree_set(bytes(0), 0..3), changes).prop_map(|(prefixes, changes)| {
        let prefixes = prefixes.into_iter().collect();
        Block { prefixes, changes }
    })
}

/// Blocks of which only the first may delete the journal's own rows.
fn blocks() -> impl Strategy<Value = Vec<Block>> {
    vec(block(), 0..6).prop_map(|mut blocks| {
        for block in blocks.iter_mut().skip(1) {
            block.prefixes.retain(|prefix| !matches!(prefix[..], [] | [0] | [0, 2, ..]));
        }
        blocks
    })
}

proptest! {
    #[test]
    fn blocks_are_applied_from_the_last_to_the_first(
        before in btree_map(bytes(1), vec(any::<u8>(), 0..4), 0..20),
        blocks in blocks(),
    ) {
        let mut expected = before.clone();
        blocks.iter().rev().for_each(|block| block.apply(&mut expected));
        let mut partition = before;
        if !blocks.is_empty() {
            partition.extend(journal_rows(&blocks));
        }
        prop_assert_eq!(resolve(&partition, ROOM).unwrap(), expected);
    }

    #[test]
    fn a_journal_that_was_half_resolved_gives_the_same(
        before in btree_map(bytes(1), vec(any::<u8>(), 0..4), 0..20),
        blocks in blocks(),
    ) {
        let mut whole = before.clone();
        whole.extend(journal_rows(&blocks));
        for left in (1..blocks.len()).rev() {
            let (pending, applied) = blocks.split_at(left);
            let mut half = before.clone();
            applied.iter().rev().for_each(|block| block.apply(&mut half));
            half.extend(journal_rows(pending));
            prop_assert_eq!(resolve(&half, ROOM).unwrap(), resolve(&whole, ROOM).unwrap());
        }
    }

    #[test]
    fn any_bytes_are_a_block_or_an_error(
        header in vec(select(vec![0u8, 0, 0, 1, 2, 3]), 3..=5),
        values in vec(vec(select(vec![0u8, 0, 1, 1, 2, 3, 0x7f, 0x80, 0xff]), 0..24), 0..4),
    ) {
        let mut partition = Rows::from([(JournalKey::Header.bytes().to_vec(), header)]);
        let numbered = (0..).zip(values);
        partition.extend(numbered.map(|(number, value)| (JournalKey::Block(number).bytes().to_vec(), value)));
        let bytes: usize = partition.values().map(Vec::len).sum();
        if let Ok(found) = resolve(&partition, ROOM) {
            let found_bytes: usize = found.iter().map(|(key, value)| key.len() + value.len()).sum();
            prop_assert!(found_bytes <= bytes);
        }
    }

    #[test]
    fn a_block_that_is_cut_or_goes_on_is_an_error(block in block(), cut in any::<prop::sample::Index>()) {
        let encoded = block.encode();
        let with = |value: &[u8]| {
            let mut journal = Journal::new(b"chain", Some(&[1, 0, 0, 0]), ROOM).unwrap();
            journal.push_block(0, value).unwrap();
            journal.fold().map(drop)
        };
        let is_malformed = |result| matches!(result, Err(LayoutError::JournalBlock { block: 0, .. }));
        prop_assert!(with(&encoded).is_ok());
        let cut = with(&encoded[..cut.index(encoded.len())]);
        prop_assert!(is_malformed(cut));
        let longer = with(&[&encoded[..], &[0]].concat());
        prop_assert!(is_malformed(longer));
    }
}

#[test]
fn what_is_wrong_with_a_journal_is_named_with_its_block() {
    const HEADER: &str = "0001 00000000";
    let first = ("0002 00000000", "00 00 01 01 02 01 bb");
    let second = |value| ("0002 01000000", value);
    let cases: [(HexPairs, &str); 14] = [
        (
            &[(HEADER, "")],
            "the header of its journal is (empty); expected the number of blocks, 4 bytes little-endian and at least 1",
        ),
        (
            &[(HEADER, "00000000")],
            "the header of its journal is 00000000; expected the number of blocks, 4 bytes little-endian and at least 1",
        ),
        (
            &[(HEADER, "0100000000")],
            "the header of its journal is 0100000000; expected the number of blocks, 4 bytes little-endian and at least 1",
        ),
        (
            &[(HEADER, "ffffffff"), first],
            "block 1 of the 4294967295 blocks of its journal is missing; linera cannot load the partition either, take it from another copy of the database",
        ),
        (
            &[(HEADER, "02000000"), second("00 00 00")],
            "block 0 of the 2 blocks of its journal is missing; linera cannot load the partition either, take it from another copy of the database",
        ),
        (
            &[(HEADER, "02000000"), first, second("00 00")],
            "cannot read block 1 of its journal: malformed journal block at byte 2: expected one more byte, found the end",
        ),
        (
            &[(HEADER, "02000000"), first, second("ffffffff0f 00")],
            "cannot read block 1 of its journal: malformed journal block at byte 0: 4294967295 prefix deletions cannot stand in the 1 bytes that are left",
        ),
        (
            &[(HEADER, "02000000"), first, second("00 00 02 01 02 00")],
            "cannot read block 1 of its journal: malformed journal block at byte 2: 2 insertions cannot stand in the 3 bytes that are left",
        ),
        (
            &[(HEADER, "02000000"), first, second("00 01 00 00")],
            "block 1 of its journal has an operation on key or prefix (empty): it is empty",
        ),
        (
            &[(HEADER, "02000000"), first, second("00 01 06000100000000 00")],
            "block 1 of its journal has an operation on key or prefix 000100000000: it is one of the journal's own",
        ),
        (
            &[(HEADER, "02000000"), first, second("00 00 01 06000200000000 00")],
            "block 1 of its journal has an operation on key or prefix 000200000000: it is one of the journal's own",
        ),
        (
            &[(HEADER, "02000000"), first, second("00 01 01 07 01 01 07 00")],
            "block 1 of its journal has an operation on key or prefix 07: it stands there twice",
        ),
        (
            &[(HEADER, "02000000"), first, second("01 01 00 00 00")],
            "block 1 of its journal has an operation on key or prefix 00: it deletes blocks before they are applied",
        ),
        (
            &[(HEADER, "02000000"), first, second("02 02 0001 03 000200 00 00")],
            "block 1 of its journal has an operation on key or prefix 000200: it deletes blocks before they are applied",
        ),
    ];
    for (pairs, text) in cases {
        let error = resolve(&rows(pairs), ROOM).unwrap_err();
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        assert_eq!(format!("{error}{cause}"), format!("root key 00636861696e: {text}"));
        assert_eq!(error.class(), ErrorClass::Damaged);
    }
}

#[test]
fn a_journal_takes_no_more_memory_than_it_may() {
    let changes = (1..=100u8).map(|key| (vec![key], None)).collect();
    let partition = journal_rows(&[Block { prefixes: vec![Vec::new()], changes }]);
    let block = &partition[&JournalKey::Block(0).bytes()[..]];
    // The bytes of the block, and some for each operation.
    let needed = (0..).find(|room| resolve(&partition, *room).is_ok()).unwrap();
    assert!((block.len() + 1_000..block.len() + 4_000).contains(&needed), "{needed}");
    for room in [0, block.len() - 1, block.len(), needed - 1] {
        let error = resolve(&partition, room).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Refused);
        assert_eq!(
            error.to_string(),
            format!(
                "root key 00636861696e: its journal needs more than the limit of {room} bytes of memory; raise the limit"
            )
        );
    }
    let mut journal = Journal::new(b"chain", Some(&[1, 0, 0, 0]), block.len() - 1).unwrap();
    assert!(journal.push_block(0, block).is_err(), "the block was copied before its length was checked");
}
