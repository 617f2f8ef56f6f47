//! Packs of version 2, and their tables.

use std::sync::Arc;

use backup_format::pack::{
    self, Codec, Object, PackBuilder, PackVersion, Seal, TableLine, Trailer, WrappedKey,
};
use backup_format::{FormatError, Kind, ObjectId};
use proptest::collection::vec;
use proptest::prelude::*;

fn object() -> impl Strategy<Value = (Object, Vec<u8>)> {
    let ids = (any::<[u8; 32]>(), prop::option::of(any::<[u8; 32]>()));
    (ids, any::<bool>(), any::<bool>(), 0..600u64, vec(any::<u8>(), 0..300)).prop_map(
        |((id, base), page, zstd, plain_len, stored)| {
            let base = base.filter(|base| *base != id).map(ObjectId);
            let is_whole = base.is_none();
            let line = TableLine {
                kind: if page && is_whole { Kind::Page } else { Kind::Segment },
                codec: if zstd { Codec::Zstd } else { Codec::Raw },
                id: ObjectId(id),
                plain_len: if zstd || !is_whole { plain_len } else { stored.len() as u64 },
                stored_len: stored.len() as u64,
            };
            (Object { line, base, seal: None }, stored)
        },
    )
}

fn build(objects: &[(Object, Vec<u8>)], salt: [u8; 16]) -> (ObjectId, Vec<u8>) {
    let mut builder = PackBuilder::with_salt(1 << 20, salt);
    for (object, stored) in objects {
        builder.push_object(object.clone(), stored.clone());
    }
    let file = builder.finish();
    (file.name(), file.into_bytes())
}

fn open(file: &[u8], version: PackVersion) -> Result<Vec<Object>, FormatError> {
    let trailer = Trailer::decode_version(version, file.last_chunk().unwrap(), file.len() as u64)?;
    let range = trailer.table_range();
    trailer.decode_objects(&file[range.start as usize..range.end as usize])
}

proptest! {
    #[test]
    fn a_pack_gives_back_its_objects_and_its_name_depends_on_the_salt(objects in vec(object(), 1..8), salt: [u8; 16]) {
        let (name, file) = build(&objects, salt);
        prop_assert_eq!(name, ObjectId::of_file(&file));
        prop_assert_eq!(&file[..8], pack::MAGIC_2);
        prop_assert_eq!(&file[8..24], &salt);
        PackVersion::V2.check_magic(&file).unwrap();
        prop_assert!(PackVersion::V1.check_magic(&file).is_err());
        let found = open(&file, PackVersion::V2).unwrap();
        let mut offset = PackVersion::V2.head_bytes() as usize;
        for (found, (pushed, stored)) in found.iter().zip(&objects) {
            prop_assert_eq!(found, pushed);
            prop_assert_eq!(&file[offset..offset + stored.len()], stored);
            offset += stored.len();
        }
        prop_assert_eq!(found.len(), objects.len());
        prop_assert!(open(&file, PackVersion::V1).is_err());
        prop_assert_ne!(build(&objects, salt.map(|byte| byte ^ 1)).0, name);
    }

    #[test]
    fn damaged_tables_are_noticed(objects in vec(object(), 1..4), place in any::<prop::sample::Index>(), byte in 1..=255u8) {
        let bodies: usize = objects.iter().map(|(_, stored)| stored.len()).sum();
        let (_, file) = build(&objects, [3; 16]);
        let mut damaged = file.clone();
        let place = 24 + bodies + place.index(file.len() - 24 - bodies);
        damaged[place] ^= byte;
        prop_assert!(open(&damaged, PackVersion::V2).is_err());
    }

    #[test]
    fn any_table_is_refused_or_read(table in vec(prop_oneof![0..4u8, any::<u8>()], 0..200)) {
        drop(decode(&table, 5));
    }
}

fn decode(table: &[u8], bodies: u64) -> Result<Vec<Object>, FormatError> {
    let file_len = bodies + table.len() as u64 + 40;
    let hash = blake3::hash(table);
    let trailer = [&(table.len() as u32).to_le_bytes(), &hash.as_bytes()[..8], b"KVBP"].concat();
    let trailer = trailer.as_slice().try_into().unwrap();
    Trailer::decode_version(PackVersion::V2, trailer, file_len)?.decode_objects(table)
}

/// A table of no keys and one line.
fn table(head: &[u8], [plain_len, stored_len]: [u64; 2]) -> Vec<u8> {
    [&[0, 1], head, &[7; 32], &plain_len.to_le_bytes(), &stored_len.to_le_bytes()].concat()
}

fn patch(codec: u8, base: u8) -> Vec<u8> {
    [&[1, codec][..], &[base; 32], &[0, 0, 0]].concat()
}

#[test]
fn what_is_no_table_is_refused_with_the_place() {
    assert_eq!(decode(&table(&[1, 0, 0, 0, 0], [5, 5]), 5).unwrap()[0].base, None);
    assert_eq!(decode(&table(&patch(2, 9), [50, 5]), 5).unwrap()[0].base, Some(ObjectId([9; 32])));
    let long = 8 << 20;
    let cases = [
        (vec![1, 1], 0, "1 keys in 1 bytes; expected at most 1024 keys"),
        (vec![0x81, 8, 1], 0, "1025 keys in 1 bytes; expected at most 1024 keys"),
        (vec![0, 0], 0, "0 objects in 0 bytes; expected at least 53 bytes for each of 1 to 65536"),
        (vec![0, 2], 0, "2 objects in 0 bytes"),
        (
            table(&[1, 0, 1, 0, 0], [5, 5]),
            5,
            "expected aead 0 with key 0, or 1 or 2 with a key of the table; found 1 with key 0 of 0",
        ),
        (table(&[1, 0, 0, 1, 0], [5, 5]), 5, "found 0 with key 1 of 0"),
        (table(&[3, 0, 0, 0, 0], [5, 5]), 5, "expected kind 1 (segment) or 2 (page), found 3"),
        (
            table(&[1, 4, 0, 0, 0], [5, 5]),
            5,
            "expected codec 0 (raw), 1 (zstd), 2 (patch) or 3 (patch in zstd), found 4",
        ),
        (
            table(&[1, 0, 0, 0, 0], [5, 6]),
            6,
            "a raw object has one length; found plain_len 5 and stored_len 6",
        ),
        (table(&[1, 0, 0, 0, 0], [5, 5]), 6, "bodies of 5 bytes, but the file has room for 6"),
        (table(&patch(3, 7), [5, 5]), 5, "is stored as a patch of 0707"),
        (
            [&[0, 1, 2][..], &patch(3, 9)[1..], &[7; 32], &[5; 16]].concat(),
            5,
            "page 0707070707070707070707070707070707070707070707070707070707070707 is stored as a patch",
        ),
        (
            table(&patch(3, 9), [long, 5]),
            5,
            "plaintext of a patched segment of 8388608 bytes is longer than the limit",
        ),
        (
            table(&patch(2, 9), [5, long]),
            long,
            "patch of 8388608 bytes is longer than the limit of 8388607 bytes",
        ),
        ([table(&patch(2, 9), [50, 5]), vec![0]].concat(), 5, "expected the end, 1 more bytes follow"),
    ];
    for (table, bodies, expected) in cases {
        let error = decode(&table, bodies).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}: {expected}");
    }
}

#[test]
#[should_panic(expected = "a pack of version 1 has no patches")]
fn a_pack_of_version_1_takes_no_patch() {
    let line = TableLine {
        kind: Kind::Segment,
        codec: Codec::Raw,
        id: ObjectId([1; 32]),
        plain_len: 9,
        stored_len: 0,
    };
    PackBuilder::new(1).push_object(Object { line, base: Some(ObjectId([2; 32])), seal: None }, Vec::new());
}

fn key(byte: u8) -> Arc<WrappedKey> {
    Arc::new(WrappedKey { id: [byte; 32], wrapped: vec![byte; 300] })
}

#[test]
fn a_pack_holds_each_data_key_once_and_says_which_object_it_opens() {
    let line = |id, kind, stored_len| TableLine {
        kind,
        codec: Codec::Raw,
        id: ObjectId([id; 32]),
        plain_len: 0,
        stored_len,
    };
    let keys = [key(1), key(2)];
    let mut pack = PackBuilder::with_salt(1 << 20, [0; 16]);
    let objects = [(5, Kind::Segment, 40, 0), (6, Kind::Segment, 41, 1), (7, Kind::Page, 76, 0)];
    for (id, kind, len, number) in objects {
        pack.push_sealed((line(id, kind, len), None), (2, &keys[number]), vec![id; len as usize]);
    }
    let file = pack.finish().into_bytes();
    let trailer = Trailer::decode_version(PackVersion::V2, file.last_chunk().unwrap(), file.len() as u64);
    let trailer = trailer.unwrap();
    let range = trailer.table_range();
    let table = trailer.decode_all(&file[range.start as usize..range.end as usize]).unwrap();
    assert_eq!(table.keys, keys.map(|key| (*key).clone()));
    let seals: Vec<_> = table.objects.iter().map(|object| object.seal.unwrap()).collect();
    assert_eq!(seals, [0, 1, 0].map(|key| Seal { aead: 2, key }));
}

#[test]
fn what_is_shorter_than_its_seal_is_refused() {
    for (kind, least) in [(1, 40_u64), (2, 44)] {
        for (len, accepted) in [(least - 1, false), (least, true)] {
            let key = [&[1][..], &[9; 32], &[0]].concat();
            let table = [key, vec![1], vec![kind, 0, 2, 0, 0], vec![7; 32], vec![0; 8]].concat();
            let table = [table, len.to_le_bytes().to_vec()].concat();
            assert_eq!(decode(&table, len).is_ok(), accepted, "kind {kind}, {len} bytes");
        }
    }
}

#[test]
fn many_keys_close_a_pack() {
    let mut pack = PackBuilder::with_salt(u64::MAX, [0; 16]);
    let line = |id| TableLine {
        kind: Kind::Segment,
        codec: Codec::Raw,
        id: ObjectId([id; 32]),
        plain_len: 0,
        stored_len: 40,
    };
    let mut pushed = 0_u16;
    while !pack.is_full() {
        let [high, low] = pushed.to_le_bytes();
        let id = [[high, low]; 16].concat().try_into().unwrap();
        let key = Arc::new(WrappedKey { id, wrapped: vec![0; 2_000] });
        pack.push_sealed((line(low), None), (2, &key), vec![0; 40]);
        pushed += 1;
    }
    assert_eq!(pushed, 525, "1 MiB of wrapped keys");
}
