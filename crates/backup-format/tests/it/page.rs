//! Pages, against the `bcs` crate.

use backup_format::{
    FormatError, Level, ObjectId, Page, Reference, clear_ids, limits, page_is_full, read_clear_ids,
    split_clear_ids,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::laws;

fn reference() -> impl Strategy<Value = Reference> {
    let first_key = prop_oneof![vec(any::<u8>(), 0..6), vec(any::<u8>(), 1_000..1_024)];
    (any::<[u8; 32]>(), vec(any::<u8>(), 0..300), first_key, 0..16u64 << 20, 1..u64::MAX).prop_map(
        |(id, first_root, first_key, plain_len, entries)| Reference {
            id: ObjectId(id),
            first_root,
            first_key,
            plain_len,
            entries,
        },
    )
}

fn page() -> impl Strategy<Value = Page> {
    prop_oneof![
        vec(reference(), 1..6).prop_map(|references| Page { level: Level::Segments, references }),
        vec(reference(), 0..6).prop_map(|references| Page { level: Level::Root, references }),
    ]
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_and_is_what_bcs_encodes(page in page()) {
        let plaintext = page.encode().unwrap();
        let references = page.references.iter().map(|reference| {
            let Reference { id, first_root, first_key, plain_len, entries } = reference.clone();
            (id.0, first_root, first_key, plain_len, entries)
        });
        let twin: laws::Pages = (page.level as u8, references.collect());
        prop_assert_eq!(&plaintext, &bcs::to_bytes(&twin).unwrap());
        prop_assert_eq!(&Page::decode(&plaintext, page.level).unwrap(), &page);
        let other = if page.level == Level::Root { Level::Segments } else { Level::Root };
        prop_assert!(Page::decode(&plaintext, other).is_err());
        laws::page(&[&[page.level as u8], plaintext.as_slice()].concat());
    }

    #[test]
    fn damaged_pages_are_refused_or_are_other_pages(
        page in page(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = vec![page.level as u8];
        bytes.extend(page.encode().unwrap());
        laws::page(&bytes[..cut.index(bytes.len())]);
        laws::page(&[bytes.as_slice(), &[0]].concat());
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] ^= byte;
            laws::page(&bytes);
        }
    }
}

fn encoded(level: u8, lines: &[(&[u8], &[u8], u64, u64)]) -> Vec<u8> {
    let lines = lines
        .iter()
        .map(|(root, key, plain_len, entries)| ([7; 32], root.to_vec(), key.to_vec(), *plain_len, *entries));
    bcs::to_bytes::<laws::Pages>(&(level, lines.collect())).unwrap()
}

#[test]
fn what_is_no_page_is_refused_with_the_place() {
    let many = encoded(0, &vec![(&b""[..], &b""[..], 1, 1); 4_097]);
    let cases: [(Level, Vec<u8>, &str); 9] = [
        (Level::Segments, vec![], "malformed page at byte 0: expected one more byte, found the end"),
        (Level::Segments, encoded(1, &[]), "malformed page at byte 0: expected level 0, found 1"),
        (Level::Root, encoded(2, &[]), "malformed page at byte 0: expected level 1, found 2"),
        (
            Level::Segments,
            encoded(0, &[]),
            "malformed page at byte 1: expected 1 to 4096 references, found 0",
        ),
        (Level::Segments, many, "malformed page at byte 1: expected 1 to 4096 references, found 4097"),
        (
            Level::Root,
            b"\x01\xff\xff\xff\xff\x0f".to_vec(),
            "malformed page at byte 1: 4294967295 references cannot stand in the 0 bytes that are left",
        ),
        (
            Level::Segments,
            encoded(0, &[(b"", b"", 5, 0)]),
            "malformed page at byte 2: expected a reference with entries beneath, found one with none",
        ),
        (
            Level::Segments,
            encoded(0, &[(b"", b"", (512 << 20) + 1, 1)]),
            "page at byte 2: referred object of 536870913 bytes is longer than the limit of 536870912 bytes",
        ),
        (
            Level::Root,
            encoded(1, &[(b"", b"", (16 << 20) + 1, 1)]),
            "page at byte 2: referred object of 16777217 bytes is longer than the limit of 16777216 bytes",
        ),
    ];
    for (level, bytes, expected) in cases {
        assert_eq!(Page::decode(&bytes, level).unwrap_err().to_string(), expected);
    }
    let error = Page::decode(&encoded(0, &[(b"", &[0; 1_025], 5, 1)]), Level::Segments).unwrap_err();
    assert!(error.to_string().contains("first key of 1025 bytes is longer than the limit of 1024"));
}

#[test]
fn a_page_that_ends_where_it_must_is_below_its_ceiling() {
    let longest = Reference {
        id: ObjectId([0; 32]),
        first_root: vec![0; limits::ROOT_KEY_BYTES_MAX],
        first_key: Reference::first_key_of(&[0; 5_000]).to_vec(),
        plain_len: 1,
        entries: 1,
    };
    let mut page = Page { level: Level::Segments, references: Vec::new() };
    let mut bytes = 0;
    while !page_is_full(page.references.len(), bytes) {
        bytes += longest.encoded_len();
        page.references.push(longest.clone());
    }
    let plaintext = page.encode().unwrap();
    assert_eq!(plaintext.len() as u64, bytes + 2);
    assert_eq!(Page::decode(&plaintext, Level::Segments).unwrap(), page);
    assert!(page_is_full(4_096, 0) && !page_is_full(4_095, 0));
}

#[test]
fn a_root_page_above_its_ceiling_is_not_made() {
    let reference = Reference {
        id: ObjectId([0; 32]),
        first_root: vec![0; 65_000],
        first_key: Vec::new(),
        plain_len: 1,
        entries: 1,
    };
    let page = Page { level: Level::Root, references: vec![reference; 1_040] };
    let error = page.encode().unwrap_err();
    assert!(matches!(error, FormatError::TooLong { object: "page", .. }), "{error}");
}

#[test]
fn the_entries_beneath_never_overflow() {
    let reference = |entries| Reference {
        id: ObjectId([0; 32]),
        first_root: Vec::new(),
        first_key: Vec::new(),
        plain_len: 1,
        entries,
    };
    let page = |entries: [u64; 2]| Page { level: Level::Root, references: entries.map(reference).to_vec() };
    assert_eq!(page([3, 4]).entries(), 7);
    assert_eq!(page([u64::MAX, 4]).entries(), u64::MAX);
}

proptest! {
    #[test]
    fn the_ids_before_a_sealed_page_are_divided_from_it(page in page(), sealed in vec(any::<u8>(), 0..90)) {
        let clear = clear_ids(&page.references);
        let stored = [&clear[..], &sealed].concat();
        prop_assert_eq!(split_clear_ids(&stored).unwrap(), (&clear[..], &sealed[..]));
        let ids: Vec<_> = page.references.iter().map(|reference| reference.id).collect();
        prop_assert_eq!(read_clear_ids(&clear).collect::<Vec<_>>(), ids);
        for length in 0..clear.len() {
            prop_assert!(split_clear_ids(&stored[..length]).is_err());
        }
    }
}

#[test]
fn more_ids_than_there_are_bytes_are_refused() {
    for count in [1, u32::MAX] {
        let stored = [&count.to_le_bytes()[..], &[0; 31]].concat();
        assert!(split_clear_ids(&stored).unwrap_err().to_string().contains("31 are left"), "{count}");
    }
}
