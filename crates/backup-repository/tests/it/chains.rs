//! Chains of patches that are wrong: by malice, or by damage.

use std::sync::Arc;

use backup_format::pack::{Codec, Object, PackBuilder, TableLine};
use backup_format::{
    DigestBuilder, EntryBatch, ErrorClass, Inventory, Keys, Kind, Level, Manifest, ObjectId, Order, Page,
    Reference, Segment, patch,
};
use backup_memory::MemoryNamespace;
use backup_repository::{
    Dump, Repository, RepositoryError, RestoreOptions, StatsOptions, VerifyLevel, VerifyOptions,
};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::patches;
use crate::support::{content, namespace, options};

const TARGETS: [u64; 3] = [4 << 10, 64 << 10, 32 << 10];

/// A segment of one partition; the number makes it another one.
pub fn segment(number: u32) -> Segment {
    let mut batch = EntryBatch::default();
    for key in 0..20_u32 {
        let value = if key == 7 { number } else { 0 };
        batch.push(b"root", &key.to_be_bytes(), &value.to_be_bytes());
    }
    Segment::from_batch(&batch)
}

/// Objects on their way into one pack of version 2.
pub struct Forger {
    keys: Keys,
    pack: PackBuilder,
}

impl Forger {
    pub fn new(repository: &Repository, salt: u8) -> Self {
        let pack = PackBuilder::with_salt(1 << 30, [salt; 16]);
        Self { keys: repository.config().keys().unwrap(), pack }
    }

    pub fn id(&self, segment: &Segment) -> ObjectId {
        self.keys.id(Kind::Segment, segment.plaintext())
    }

    pub fn whole(&mut self, kind: Kind, plaintext: &[u8]) -> ObjectId {
        let (id, len) = (self.keys.id(kind, plaintext), plaintext.len() as u64);
        let line = TableLine { kind, codec: Codec::Raw, id, plain_len: len, stored_len: len };
        self.pack.push(line, plaintext.to_vec());
        id
    }

    /// Stores a segment as a patch with these bytes of a base.
    fn patch(&mut self, segment: &Segment, base: ObjectId, codec: Codec, body: Vec<u8>) -> ObjectId {
        let (id, plain_len) = (self.id(segment), segment.plaintext().len() as u64);
        let line = TableLine { kind: Kind::Segment, codec, id, plain_len, stored_len: body.len() as u64 };
        self.pack.push_object(Object { line, base: Some(base), seal: None }, body);
        id
    }

    /// Stores a segment as the patch that it is of another one.
    pub fn honest(&mut self, segment: &Segment, base: &Segment) -> ObjectId {
        let body = patch::make(base, segment, Order::Plain).unwrap();
        self.patch(segment, self.id(base), Codec::Raw, body)
    }

    /// Returns the name that the pack has when nothing more is added.
    pub fn name(self) -> ObjectId {
        self.pack.finish().name()
    }

    /// Stores the pack.
    pub async fn store(self, store: &InMemory) -> ObjectId {
        let pack = self.pack.finish();
        let name = pack.name();
        store.put(&Path::from(format!("packs/{name}")), pack.into_bytes().into()).await.unwrap();
        name
    }

    /// Stores the pack, with a dump of nothing but this segment.
    pub async fn dump(mut self, store: &InMemory, like: &Manifest, found: &Segment) -> Dump {
        let (first_root, first_key) = (b"root".to_vec(), 0_u32.to_be_bytes().to_vec());
        let plain_len = found.plaintext().len() as u64;
        let reference =
            Reference { id: self.id(found), first_root, first_key, plain_len, entries: found.entries() };
        let page = Page { level: Level::Segments, references: vec![reference.clone()] }.encode().unwrap();
        let (id, len) = (self.whole(Kind::Page, &page), page.len() as u64);
        let root =
            Page { level: Level::Root, references: vec![Reference { id, plain_len: len, ..reference }] };
        let root = self.whole(Kind::Page, &root.encode().unwrap());
        self.store(store).await;
        let mut digest = DigestBuilder::default();
        found.groups().for_each(|group| digest.push(&group));
        let state = digest.finish();
        let manifest = Manifest {
            requires: vec![Manifest::PATCHES.to_owned()],
            root,
            inventory: Some(Inventory {
                annotations: like.inventory.clone().unwrap().annotations,
                ..state.into()
            }),
            pages: 1,
            segments: 1,
            plain_bytes: plain_len,
            ..like.clone()
        };
        let (id, json) = manifest.encode().unwrap();
        store.put(&Path::from(format!("manifests/{id}.json")), json.into()).await.unwrap();
        Dump { id, manifest }
    }
}

/// A repository of version 2, and a manifest to make others like.
pub async fn started() -> (Arc<InMemory>, Repository, Manifest) {
    let store: Arc<InMemory> = Arc::default();
    let repository = patches::repository(&store, TARGETS).await;
    let like = repository.backup(&namespace(&content(60)), options(2, 1)).await.unwrap().manifest;
    (store, repository, like)
}

/// All that reads the dump refuses it as damaged, and says this.
async fn assert_refused(repository: &Repository, dump: &Dump, says: &str) -> RepositoryError {
    let target = MemoryNamespace::new("target");
    let restored = repository.restore(dump, &target, &RestoreOptions::default()).await.unwrap_err();
    let verified = repository.verify(dump, &VerifyOptions::default()).await.unwrap_err();
    for error in [restored, verified] {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(source) = cause {
            text += &format!(": {source}");
            cause = source.source();
        }
        assert_eq!(error.class(), ErrorClass::Damaged, "{text}");
        assert!(text.contains(says), "{text}; expected {says}");
    }
    repository.verify(dump, &VerifyOptions::default()).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_64_patches_is_read_and_one_of_65_is_refused() {
    for (links, is_good) in [(64, true), (65, false)] {
        let (store, repository, like) = started().await;
        let mut forger = Forger::new(&repository, 5);
        forger.whole(Kind::Segment, segment(0).plaintext());
        for number in 1..=links {
            forger.honest(&segment(number), &segment(number - 1));
        }
        let dump = forger.dump(&store, &like, &segment(links)).await;
        if is_good {
            repository.verify(&dump, &VerifyOptions::default()).await.unwrap();
            let target = MemoryNamespace::new("target");
            repository.restore(&dump, &target, &RestoreOptions::default()).await.unwrap();
            assert_eq!(repository.stats(&StatsOptions::default()).await.unwrap().longest_chain, 64);
        } else {
            let says = "more than 64 patches follow each other, or they go in a circle";
            assert_refused(&repository, &dump, says).await;
            let level = VerifyLevel::Structure;
            let options = VerifyOptions { level, ..VerifyOptions::default() };
            repository.verify(&dump, &options).await.unwrap_err();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn patches_that_go_in_a_circle_are_refused_and_counted() {
    let (store, repository, like) = started().await;
    let mut forger = Forger::new(&repository, 5);
    let segments: Vec<_> = (0..3).map(segment).collect();
    for (index, found) in segments.iter().enumerate() {
        forger.honest(found, &segments[(index + 1) % 3]);
    }
    let dump = forger.dump(&store, &like, &segments[0]).await;
    assert_refused(&repository, &dump, "they go in a circle").await;
    let error = repository.stats(&StatsOptions::default()).await.unwrap_err();
    assert!(matches!(error, RepositoryError::BadChain { .. }), "{error:?}");
    // The same segments whole, in another pack, make it good.
    let mut other = PackBuilder::with_salt(1 << 30, [6; 16]);
    let keys = repository.config().keys().unwrap();
    let (id, plaintext) = (keys.id(Kind::Segment, segments[1].plaintext()), segments[1].plaintext());
    let (plain_len, stored_len) = (plaintext.len() as u64, plaintext.len() as u64);
    let line = TableLine { kind: Kind::Segment, codec: Codec::Raw, id, plain_len, stored_len };
    other.push(line, plaintext.to_vec());
    let pack = other.finish();
    store.put(&Path::from(format!("packs/{}", pack.name())), pack.into_bytes().into()).await.unwrap();
    repository.verify(&dump, &VerifyOptions::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_is_missing_or_a_page_is_named() {
    let (store, repository, like) = started().await;
    let mut forger = Forger::new(&repository, 5);
    forger.honest(&segment(1), &segment(0));
    let base = forger.id(&segment(0)).to_string();
    let dump = forger.dump(&store, &like, &segment(1)).await;
    let error =
        assert_refused(&repository, &dump, &format!("the base {}.. is in no pack", &base[..32])).await;
    assert!(matches!(error, RepositoryError::BadChain { .. }), "{error:?}");

    let (store, repository, like) = started().await;
    let mut forger = Forger::new(&repository, 5);
    let body = patch::make(&segment(0), &segment(1), Order::Plain).unwrap();
    forger.patch(&segment(1), like.root, Codec::Raw, body);
    let dump = forger.dump(&store, &like, &segment(1)).await;
    let root = like.root.to_string();
    assert_refused(&repository, &dump, &format!("the base {}.. is a page", &root[..32])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn patches_that_say_they_are_huge_or_give_something_else_are_refused() {
    let zeros = zstd_frame(512 << 20);
    let good = patch::make(&segment(0), &segment(1), Order::Plain).unwrap();
    let other = patch::make(&segment(0), &segment(2), Order::Plain).unwrap();
    let longer = {
        let mut batch = EntryBatch::default();
        batch.push(b"root", b"", &[7; 4_000]);
        patch::make(&segment(0), &Segment::from_batch(&batch), Order::Plain).unwrap()
    };
    let cases = [
        (Codec::Zstd, zeros, "a patch of 536870912 bytes is longer than the 8388607 that are left for it"),
        (Codec::Zstd, b"none".to_vec(), "expected a zstd frame"),
        (Codec::Raw, b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\0".to_vec(), "entries less than the step takes"),
        (Codec::Raw, longer, "its patch gives one of"),
        (Codec::Raw, other, "its content"),
        (Codec::Raw, [good.as_slice(), b"\0"].concat(), "1 more bytes follow"),
    ];
    for (codec, body, says) in cases {
        let (store, repository, like) = started().await;
        let mut forger = Forger::new(&repository, 5);
        let base = forger.whole(Kind::Segment, segment(0).plaintext());
        forger.patch(&segment(1), base, codec, body);
        let dump = forger.dump(&store, &like, &segment(1)).await;
        let error = assert_refused(&repository, &dump, says).await;
        assert!(matches!(error, RepositoryError::BadObject { .. }), "{error:?}");
    }
}

/// A frame that says it holds so many zeros.
fn zstd_frame(len: u32) -> Vec<u8> {
    let blocks = len >> 17;
    let mut frame = [&b"\x28\xb5\x2f\xfd\xa0"[..], &len.to_le_bytes()].concat();
    for block in 1..=blocks {
        // A block of one byte that is repeated 2^17 times.
        let header = (1 << 17) << 3 | 1 << 1 | u32::from(block == blocks);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_in_a_base_is_named_and_a_copy_of_it_is_used() {
    let (store, repository, like) = started().await;
    let mut forger = Forger::new(&repository, 5);
    forger.honest(&segment(1), &segment(0));
    forger.honest(&segment(2), &segment(1));
    let dump = forger.dump(&store, &like, &segment(2)).await;
    // The base in a pack of its own, with a flipped bit in the last value.
    let plaintext = segment(0).plaintext().to_vec();
    let (id, len) =
        (repository.config().keys().unwrap().id(Kind::Segment, &plaintext), plaintext.len() as u64);
    let line = TableLine { kind: Kind::Segment, codec: Codec::Raw, id, plain_len: len, stored_len: len };
    let put = async |salt: u8, damaged: bool| {
        let mut pack = PackBuilder::with_salt(1 << 30, [salt; 16]);
        pack.push(line.clone(), plaintext.clone());
        let pack = pack.finish();
        let name = pack.name();
        let mut bytes = pack.into_bytes();
        if damaged {
            bytes[24 + plaintext.len() - 1] ^= 1;
        }
        store.put(&Path::from(format!("packs/{name}")), bytes.into()).await.unwrap();
        name
    };
    let pack = put(1, true).await;
    let base = id.to_string();
    let says = format!("its base {}.. in packs/{pack} at byte 24 is wrong", &base[..32]);
    let target = MemoryNamespace::new("target");
    let error = repository.restore(&dump, &target, &RestoreOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains(&says), "{error}");
    assert!(matches!(error, RepositoryError::BadChain { .. }), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Damaged);

    for salt in 2..6 {
        put(salt, false).await;
    }
    let target = MemoryNamespace::new("target");
    repository.restore(&dump, &target, &RestoreOptions::default()).await.unwrap();
}
