//! The test vectors: what a second implementation says.

use std::fs;
use std::hash::Hasher;
use std::path::{Path, PathBuf};

use backup_format::pack::{self, Codec, PackBuilder, TableLine, Trailer};
use backup_format::{
    Config, Cut, Cutter, DigestBuilder, EntryBatch, Keys, Kind, Level, Limits, Manifest, ObjectId, Order,
    Page, Reference, Segment, put_bytes,
};
use serde_json::Value;
use siphasher::sip128::{Hasher128, SipHasher24};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// Reads a file of test vectors.
pub fn load(name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder().join(name)).unwrap()).unwrap()
}

/// Reads a string of hex.
pub fn hex(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// Reads the lists of a field.
pub fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().unwrap()
}

/// Reads partitions into a batch, in the order in which they stand.
pub fn batch(partitions: &[Value]) -> EntryBatch {
    let mut batch = EntryBatch::default();
    for partition in partitions {
        for entry in list(partition, "entries") {
            batch.push(&hex(&partition["root_key"]), &hex(&entry[0]), &hex(&entry[1]));
        }
    }
    batch
}

#[test]
fn keys_ids_and_hashes_are_those_of_the_vectors() {
    for case in load("keys.json").as_array().unwrap() {
        let keys = Keys::derive(&hex(&case["cut_salt"]).try_into().unwrap());
        assert_eq!(keys.cut_key().as_slice(), hex(&case["cut_key"]));
        for object in list(case, "ids") {
            let kind = Kind::from_number(object["kind"].as_u64().unwrap() as u8).unwrap();
            let (plaintext, id) = (hex(&object["plaintext"]), object["id"].as_str().unwrap());
            assert_eq!(keys.id(kind, &plaintext).to_string(), id);
            keys.check(kind, &plaintext, id.parse().unwrap()).unwrap();
        }
        for entry in list(case, "hashes") {
            let mut hashed = Vec::new();
            put_bytes(&mut hashed, &hex(&entry["root_key"]));
            hashed.extend(hex(&entry["key"]));
            let mut hasher = SipHasher24::new_with_key(keys.cut_key());
            hasher.write(&hashed);
            assert_eq!(hasher.finish128().as_bytes().as_slice(), hex(&entry["hash"]));
        }
    }
}

struct Repository {
    described: Value,
    config: Config,
    pack: Vec<u8>,
    manifest: Vec<u8>,
}

fn repository() -> Repository {
    let described = load("repository.json");
    let read = |path: String| fs::read(folder().join("repository").join(path)).unwrap();
    Repository {
        config: Config::decode(&read("config.json".to_owned())).unwrap(),
        pack: read(format!("packs/{}", described["pack"].as_str().unwrap())),
        manifest: read(format!("manifests/{}.json", described["manifest"].as_str().unwrap())),
        described,
    }
}

/// Looks an object up in the table of the only pack and returns its plaintext.
fn object(repository: &Repository, id: ObjectId) -> (Kind, Vec<u8>) {
    let pack = &repository.pack;
    let trailer = Trailer::decode(pack.last_chunk().unwrap(), pack.len() as u64).unwrap();
    let range = trailer.table_range();
    let mut offset = 8;
    for line in trailer.decode_table(&pack[range.start as usize..range.end as usize]).unwrap() {
        let stored = &pack[offset..offset + line.stored_len as usize];
        if line.id == id {
            // The frames of the vectors have one raw block at their end.
            let plaintext = stored[stored.len() - line.plain_len as usize..].to_vec();
            assert_eq!(line.codec == Codec::Zstd, stored.starts_with(b"\x28\xb5\x2f\xfd"));
            return (line.kind, plaintext);
        }
        offset += stored.len();
    }
    panic!("{id} is not there");
}

#[test]
fn the_repository_is_read() {
    let repository = repository();
    let (described, keys) = (&repository.described, repository.config.keys().unwrap());
    assert_eq!(described["manifest"], ObjectId::of_file(&repository.manifest).to_string());
    assert_eq!(described["pack"], ObjectId::of_file(&repository.pack).to_string());
    pack::check_magic(&repository.pack).unwrap();
    let manifest = Manifest::decode(&repository.manifest).unwrap();
    let read = |kind, id: ObjectId| {
        let (found, plaintext) = object(&repository, id);
        assert_eq!(found, kind);
        keys.check(kind, &plaintext, id).unwrap();
        plaintext
    };
    let root = Page::decode(&read(Kind::Page, manifest.root), Level::Root).unwrap();
    assert_eq!(
        (root.entries(), root.references.len() as u64),
        (manifest.inventory.as_ref().unwrap().entries, manifest.pages)
    );
    let (mut found, mut digest) = (EntryBatch::default(), DigestBuilder::default());
    let (mut segments, mut plain_bytes) = (0, 0);
    for page in &root.references {
        let page = Page::decode(&read(Kind::Page, page.id), Level::Segments).unwrap();
        for reference in &page.references {
            let plaintext = read(Kind::Segment, reference.id);
            let segment = Segment::decode(plaintext, manifest.order, &Limits::default()).unwrap();
            assert_eq!(segment.first(), (&reference.first_root[..], &reference.first_key[..]));
            assert_eq!(segment.entries(), reference.entries);
            segment.groups().for_each(|group| {
                digest.push(&group);
                found.push_run(group.root_key, group.into());
            });
            segments += 1;
            plain_bytes += segment.plaintext().len() as u64;
        }
    }
    assert_eq!(
        found.iter().collect::<Vec<_>>(),
        batch(list(described, "partitions")).iter().collect::<Vec<_>>()
    );
    assert_eq!((segments, plain_bytes), (manifest.segments, manifest.plain_bytes));
    assert_eq!(digest.finish(), manifest.inventory.as_ref().unwrap().digest_state());
    assert_eq!(described["digest"], manifest.inventory.as_ref().unwrap().digest.to_string());
}

#[test]
fn the_repository_is_written_again_bit_by_bit() {
    let repository = repository();
    let keys = repository.config.keys().unwrap();
    let entries = batch(list(&repository.described, "partitions"));
    let mut cutter = Cutter::new(&repository.config, &keys);
    let mut pages: Vec<Vec<EntryBatch>> = Vec::new();
    for (root, entry) in entries.iter() {
        match cutter.next(root, entry.key, entry.value.len()) {
            Cut::Page => pages.push(vec![EntryBatch::default()]),
            _ if pages.is_empty() => pages.push(vec![EntryBatch::default()]),
            Cut::Segment => pages.last_mut().unwrap().push(EntryBatch::default()),
            Cut::None => {}
        }
        pages.last_mut().unwrap().last_mut().unwrap().push(root, entry.key, entry.value);
    }
    let mut objects = Vec::new();
    let mut put = |kind, plaintext: Vec<u8>, first: (&[u8], &[u8]), entries| {
        let id = keys.id(kind, &plaintext);
        let plain_len = plaintext.len() as u64;
        objects.push((kind, id, plaintext));
        Reference { id, first_root: first.0.to_vec(), first_key: first.1.to_vec(), plain_len, entries }
    };
    let mut root = Page { level: Level::Root, references: Vec::new() };
    for segments in &pages {
        let references = segments
            .iter()
            .map(Segment::from_batch)
            .map(|segment| {
                put(Kind::Segment, segment.plaintext().to_vec(), segment.first(), segment.entries())
            })
            .collect();
        let page = Page { level: Level::Segments, references };
        let first = page.references[0].clone();
        let first = (&first.first_root[..], &first.first_key[..]);
        root.references.push(put(Kind::Page, page.encode().unwrap(), first, page.entries()));
    }
    let root = put(Kind::Page, root.encode().unwrap(), (b"", b""), root.entries());
    let (name, pack) = build(&objects);
    assert_eq!(repository.described["pack"], name.to_string());
    assert!(pack == repository.pack);
    let manifest = Manifest::decode(&repository.manifest).unwrap();
    assert_eq!(manifest.root, root.id);
    assert_eq!(manifest.order, Order::Plain);
    let (name, bytes) = manifest.encode().unwrap();
    assert_eq!(repository.described["manifest"], name.to_string());
    assert!(bytes == repository.manifest);
    let config = fs::read(folder().join("repository/config.json")).unwrap();
    assert!(repository.config.encode() == config);
}

/// Stores raw, and as frames of a raw block, by turns.
fn build(objects: &[(Kind, ObjectId, Vec<u8>)]) -> (ObjectId, Vec<u8>) {
    let mut builder = PackBuilder::new(16_384);
    for (index, (kind, id, plaintext)) in objects.iter().enumerate() {
        let codec = if index % 2 == 0 { Codec::Raw } else { Codec::Zstd };
        let plain_len = plaintext.len() as u64;
        let mut stored = Vec::new();
        if codec == Codec::Zstd {
            stored.extend_from_slice(b"\x28\xb5\x2f\xfd");
            match u8::try_from(plain_len) {
                Ok(length) => stored.extend_from_slice(&[0x20, length]),
                Err(_) => {
                    stored.extend_from_slice(&[&[0x60], &(plain_len as u16 - 256).to_le_bytes()[..]].concat())
                }
            }
            stored.extend_from_slice(&(plain_len as u32 * 8 + 1).to_le_bytes()[..3]);
        }
        stored.extend_from_slice(plaintext);
        let stored_len = stored.len() as u64;
        builder.push(TableLine { kind: *kind, codec, id: *id, plain_len, stored_len }, stored);
    }
    let file = builder.finish();
    (file.name(), file.into_bytes())
}

#[test]
fn any_other_byte_of_the_pack_or_the_manifest_is_noticed() {
    let repository = repository();
    let names = ["pack", "manifest"].map(|field| repository.described[field].as_str().unwrap().to_owned());
    for (name, bytes) in names.iter().zip([&repository.pack, &repository.manifest]) {
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            assert_ne!(*name, ObjectId::of_file(&damaged).to_string());
        }
    }
}
