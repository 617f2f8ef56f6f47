//! Packs and their tables, against the `bcs` crate.

use backup_format::pack::{self, Codec, END_MAGIC, MAGIC, PackBuilder, TRAILER_BYTES, TableLine, Trailer};
use backup_format::{FormatError, Kind, ObjectId, limits};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::laws;

fn object() -> impl Strategy<Value = (TableLine, Vec<u8>)> {
    (any::<[u8; 32]>(), any::<bool>(), any::<bool>(), 0..600u64, vec(any::<u8>(), 0..300)).prop_map(
        |(id, page, zstd, plain_len, stored)| {
            let line = TableLine {
                kind: if page { Kind::Page } else { Kind::Segment },
                codec: if zstd { Codec::Zstd } else { Codec::Raw },
                id: ObjectId(id),
                plain_len: if zstd { plain_len } else { stored.len() as u64 },
                stored_len: stored.len() as u64,
            };
            (line, stored)
        },
    )
}

fn build(objects: &[(TableLine, Vec<u8>)]) -> (ObjectId, Vec<u8>) {
    let mut builder = PackBuilder::new(1 << 20);
    for (line, stored) in objects {
        builder.push(line.clone(), stored.clone());
    }
    let file = builder.finish();
    (file.name(), file.into_bytes())
}

fn open(file: &[u8]) -> Result<Vec<TableLine>, FormatError> {
    let trailer = Trailer::decode(file.last_chunk().unwrap(), file.len() as u64)?;
    let range = trailer.table_range();
    trailer.decode_table(&file[range.start as usize..range.end as usize])
}

proptest! {
    #[test]
    fn a_pack_gives_back_its_objects(objects in vec(object(), 1..8)) {
        let (name, file) = build(&objects);
        prop_assert_eq!(name.0, *blake3::hash(&file).as_bytes());
        pack::check_magic(&file).unwrap();
        let lines = open(&file).unwrap();
        let mut offset = 8;
        for (line, (pushed, stored)) in lines.iter().zip(&objects) {
            prop_assert_eq!(line, pushed);
            prop_assert_eq!(&file[offset..offset + stored.len()], stored);
            offset += stored.len();
        }
        prop_assert_eq!(lines.len(), objects.len());
        let twin: laws::Table = lines
            .iter()
            .map(|line| (line.kind as u8, line.codec as u8, 0, line.id.0, line.plain_len, line.stored_len))
            .collect();
        let table = &file[offset..file.len() - 16];
        prop_assert_eq!(table, bcs::to_bytes(&twin).unwrap());
        laws::pack_table(&[&[0], table].concat());
        laws::pack_table(&[&[1], &file[8..]].concat());
    }

    #[test]
    fn damaged_tables_are_refused_or_are_other_tables(
        objects in vec(object(), 1..4),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let bodies: usize = objects.iter().map(|(_, stored)| stored.len()).sum();
        let (_, file) = build(&objects);
        let mut table = file[8 + bodies..file.len() - 16].to_vec();
        table.insert(0, 0);
        laws::pack_table(&table[..cut.index(table.len())]);
        laws::pack_table(&[table.as_slice(), &[0]].concat());
        for (place, byte) in damage {
            let place = place.index(table.len());
            table[place] ^= byte;
            laws::pack_table(&table);
        }
    }

    #[test]
    fn any_other_byte_after_the_bodies_and_any_other_length_is_noticed(
        objects in vec(object(), 1..4), place in any::<prop::sample::Index>(), byte in 1..=255u8,
    ) {
        let bodies: usize = objects.iter().map(|(_, stored)| stored.len()).sum();
        let (_, file) = build(&objects);
        let mut damaged = file.clone();
        let place = 8 + bodies + place.index(file.len() - 8 - bodies);
        damaged[place] ^= byte;
        prop_assert!(open(&damaged).is_err());
        prop_assert!(open(&[&file[..8], &[0], &file[8..]].concat()).is_err());
        prop_assert!(bodies == 0 || open(&[&file[..8], &file[9..]].concat()).is_err());
    }
}

#[test]
fn a_pack_is_full_by_bytes_or_by_number_of_objects() {
    let line = |stored_len: u64| TableLine {
        kind: Kind::Segment,
        codec: Codec::Raw,
        id: ObjectId([0; 32]),
        plain_len: stored_len,
        stored_len,
    };
    let mut builder = PackBuilder::new(100);
    assert!(builder.is_empty() && !builder.is_full());
    assert_eq!(builder.push(line(99), vec![0; 99]), 8);
    assert!(!builder.is_empty() && !builder.is_full());
    assert_eq!(builder.push(line(1), vec![0]), 107);
    assert!(builder.is_full());
    assert!(!PackBuilder::new(u64::MAX).is_full());
    let mut builder = PackBuilder::new(100);
    for _ in 0..limits::PACK_OBJECTS_MAX {
        assert!(!builder.is_full());
        builder.push(line(0), Vec::new());
    }
    assert!(builder.is_full());
    assert_eq!(open(&builder.finish().into_bytes()).unwrap().len(), limits::PACK_OBJECTS_MAX);
}

fn trailer(table_len: u32, table: &[u8], magic: &[u8; 4]) -> [u8; TRAILER_BYTES as usize] {
    let hash = blake3::hash(table);
    [&table_len.to_le_bytes(), &hash.as_bytes()[..8], magic].concat().try_into().unwrap()
}

#[test]
fn what_is_no_end_of_a_pack_is_refused() {
    let cases = [
        (
            10,
            b"KVBQ",
            1_000,
            "malformed pack at byte 984: expected KVBP at the end; the file is truncated or no pack",
        ),
        (980, b"KVBP", 1_000, "malformed pack at byte 984: a table of 980 bytes does not fit a file of 1000"),
        (
            u32::MAX,
            b"KVBP",
            1 << 30,
            "pack at byte 1073741808: table of 4294967295 bytes is longer than the limit of 16777216 bytes",
        ),
        (
            10,
            b"KVBP",
            (1 << 30) + 1,
            "pack at byte 1073741809: file of 1073741825 bytes is longer than the limit of 1073741824 bytes",
        ),
        (10, b"KVBP", 3, "malformed pack at byte 0: a table of 10 bytes does not fit a file of 3"),
    ];
    for (table_len, magic, file_len, expected) in cases {
        let error = Trailer::decode(&trailer(table_len, b"", magic), file_len).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let error = pack::check_magic(b"KVB2PACK").unwrap_err();
    assert_eq!(error.to_string(), "malformed pack at byte 0: expected KVB1PACK at the start");
    assert!(pack::check_magic(&MAGIC[..7]).is_err());
    assert_eq!(END_MAGIC, b"KVBP");
}

#[test]
fn what_is_no_table_is_refused_with_the_place() {
    let good = (1, 0, 0, [7; 32], 5, 5);
    let decode = |table: &[u8], bodies: u64| {
        let file_len = bodies + table.len() as u64 + 24;
        let trailer = Trailer::decode(&trailer(table.len() as u32, table, b"KVBP"), file_len).unwrap();
        trailer.decode_table(table)
    };
    let cases: [(laws::Table, u64, &str); 9] = [
        (
            vec![],
            0,
            "malformed pack table at byte 1: 0 objects in 0 bytes; expected 51 bytes for each of 1 to 65536",
        ),
        (vec![good], 4, "malformed pack table at byte 0: bodies of 5 bytes, but the file has room for 4"),
        (
            vec![good, good],
            5,
            "malformed pack table at byte 0: bodies of 10 bytes, but the file has room for 5",
        ),
        (
            vec![good, (3, 0, 0, [7; 32], 5, 5)],
            10,
            "malformed pack table at byte 52: expected kind 1 (segment) or 2 (page), found 3",
        ),
        (
            vec![(1, 2, 0, [7; 32], 5, 5)],
            5,
            "malformed pack table at byte 1: expected codec 0 (raw) or 1 (zstd), found 2",
        ),
        (
            vec![(1, 0, 1, [7; 32], 5, 5)],
            5,
            "malformed pack table at byte 1: encrypted with XChaCha20-Poly1305, which version 1 cannot read",
        ),
        (vec![(1, 0, 2, [7; 32], 5, 5)], 5, "malformed pack table at byte 1: expected aead 0, found 2"),
        (
            vec![(1, 0, 0, [7; 32], 5, 6)],
            6,
            "malformed pack table at byte 1: a raw object has one length; found plain_len 5 and stored_len 6",
        ),
        (
            vec![(1, 1, 0, [7; 32], (512 << 20) + 1, 6)],
            6,
            "pack table at byte 1: plaintext of 536870913 bytes is longer than the limit of 536870912 bytes",
        ),
    ];
    for (table, bodies, expected) in cases {
        let error = decode(&bcs::to_bytes(&table).unwrap(), bodies).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let overflowing: laws::Table = vec![(1, 1, 0, [7; 32], 5, u64::MAX), (1, 1, 0, [7; 32], 5, 10)];
    assert!(decode(&bcs::to_bytes(&overflowing).unwrap(), 9).is_err());
    assert!(decode(b"\xff\xff\xff\xff\x0f", 5).is_err());
    let table = bcs::to_bytes(&vec![good]).unwrap();
    assert_eq!(decode(&table, 5).unwrap().len(), 1);
    let file_len = table.len() as u64 + 29;
    let wrong = Trailer::decode(&trailer(table.len() as u32, b"", b"KVBP"), file_len).unwrap();
    assert_eq!(
        wrong.decode_table(&table).unwrap_err().to_string(),
        "malformed pack table at byte 0: its hash is not the one in the trailer"
    );
}
