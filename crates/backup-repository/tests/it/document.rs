//! The encrypted example of `docs/FORMAT.md`: what is written there is enough to read it.

use std::collections::BTreeMap;

use backup_format::pack::{Codec, PackVersion, Trailer};
use backup_format::{
    Inventory, Keys, Kind, Level, Limits, Manifest, ObjectId, Order, Page, Segment, read_clear_ids,
    split_clear_ids,
};
use backup_seal::{Aead, AgeIdentities, DataKey, Identities, KeyId, RepositoryKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/FORMAT.md");

/// The block of section 21: its fields, and the bytes of the pack.
fn example() -> (BTreeMap<String, String>, Vec<u8>) {
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    let (_, rest) = document.split_once("```encrypted\n").unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    let (fields, dump) = block.rsplit_once("\n\n").unwrap();
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut name = "";
    for line in fields.lines().filter(|line| !line.is_empty()) {
        let (head, value) = line.split_at(12);
        name = if head.trim().is_empty() { name } else { head.trim() };
        *found.entry(name.to_owned()).or_default() += value.trim();
    }
    let hex: String = dump.lines().map(|line| &line[6..]).collect();
    (found, hex::decode(hex).unwrap())
}

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    hex::decode(hex).unwrap().try_into().unwrap()
}

fn identity(fields: &BTreeMap<String, String>) -> AgeIdentities {
    AgeIdentities::decode(fields["identity"].as_bytes()).unwrap()
}

#[test]
fn the_repository_key_is_what_age_gives() {
    let (fields, _) = example();
    let wrapped = STANDARD.decode(&fields["repository"]).unwrap();
    let text = identity(&fields).unwrap(&wrapped).unwrap();
    let key = RepositoryKey::decode(&text).unwrap();
    assert_eq!(*key.secret(), bytes(&fields["secret"]));
    assert_eq!(key.check(), bytes(&fields["key_check"]));
    assert_eq!((key.repository(), key.recipients().len()), ([3; 16], 1));
}

#[test]
fn the_pack_can_be_read_as_the_document_says() {
    let (fields, file) = example();
    assert_eq!(ObjectId::of_file(&file), fields["pack"].parse().unwrap());
    PackVersion::V2.check_magic(&file).unwrap();
    let trailer = Trailer::decode_version(PackVersion::V2, file.last_chunk().unwrap(), file.len() as u64);
    let trailer = trailer.unwrap();
    let range = trailer.table_range();
    let table = trailer.decode_all(&file[range.start as usize..range.end as usize]).unwrap();
    let [wrapped] = table.keys.as_slice() else { panic!("one key") };
    let identity = identity(&fields);
    let key = DataKey::unwrap(&identity, &[3; 16], KeyId(wrapped.id), &wrapped.wrapped).unwrap();
    assert_eq!(key.id(), DataKey::from_bytes(bytes(&fields["data key"]).into()).id());
    let keys = Keys::derive_secret(&bytes(&fields["secret"]));
    let mut offset = 24;
    let mut opened = Vec::new();
    for object in &table.objects {
        let line = &object.line;
        let body = &file[offset..offset + line.stored_len as usize];
        offset += body.len();
        assert_eq!((line.codec, object.seal.map(|seal| (seal.aead, seal.key))), (Codec::Raw, Some((2, 0))));
        let (clear, sealed) =
            if line.kind == Kind::Page { split_clear_ids(body).unwrap() } else { body.split_at(0) };
        let head = [b"kvb2", &[line.kind as u8, 0][..], &line.id.0[..16], &line.plain_len.to_le_bytes()];
        let plaintext = key.open(Aead::XAes256Gcm, &head.concat(), clear, sealed).unwrap();
        keys.check(line.kind, &plaintext, line.id).unwrap();
        opened.push((line.id, clear.to_vec(), plaintext));
    }
    assert_eq!((offset, opened.len()), (range.start as usize, 3));
    let references = |number: usize, level| {
        let (_, clear, plaintext) = &opened[number];
        let page = Page::decode(plaintext, level).unwrap();
        let ids: Vec<_> = page.references.iter().map(|reference| reference.id).collect();
        assert_eq!(read_clear_ids(clear).collect::<Vec<_>>(), ids);
        ids
    };
    assert_eq!(references(2, Level::Root), [opened[1].0]);
    assert_eq!(references(1, Level::Segments), [opened[0].0]);
    let segment = Segment::decode(opened[0].2.clone(), Order::Plain, &Limits::default()).unwrap();
    assert_eq!(segment.last(), (&b"other"[..], &b""[..]));
}

#[test]
fn the_inventory_can_be_opened_as_the_document_says() {
    let (fields, _) = example();
    let key = DataKey::from_bytes(bytes(&fields["data key"]).into());
    let sealed = STANDARD.decode(&fields["sealed"]).unwrap();
    let root: ObjectId = fields["root"].parse().unwrap();
    let context = [b"kvb2 manifest", root.0.as_slice(), &1_u64.to_le_bytes()].concat();
    let plaintext = key.open(Aead::XAes256Gcm, &context, &[], &sealed).unwrap();
    let inventory = Inventory::decode(&plaintext).unwrap();
    assert_eq!((inventory.partitions, inventory.entries), (2, 3));
    assert_eq!(inventory.digest.to_string(), fields["digest"]);
    assert_eq!(Manifest::ENCRYPTED, "age1");
}
