//! Dumps whose objects are right each, and that would cost far more to read than they are long.

use std::sync::Arc;

use backup_format::pack::{Codec, PackBuilder, TableLine};
use backup_format::{
    DigestState, EntryBatch, ErrorClass, Inventory, Keys, Kind, Level, Manifest, ObjectId, Page, Reference,
    Segment,
};
use backup_memory::MemoryNamespace;
use backup_repository::{Dump, Repository, RestoreOptions, Store, VerifyOptions};
use backup_testkit::{Faults, FaultyStore};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::support::{back_up, content, namespace, options, repository};

/// References of the forged root.
const REFERENCES: usize = 100_000;

/// Objects on their way into a pack.
struct Forger {
    keys: Keys,
    pack: PackBuilder,
}

impl Forger {
    fn new(repository: &Repository) -> Self {
        Self { keys: repository.config().keys().unwrap(), pack: PackBuilder::new(1 << 30) }
    }

    fn push(&mut self, kind: Kind, plaintext: Vec<u8>) -> (ObjectId, u64) {
        let (id, len) = (self.keys.id(kind, &plaintext), plaintext.len() as u64);
        let line = TableLine { kind, codec: Codec::Raw, id, plain_len: len, stored_len: len };
        self.pack.push(line, plaintext);
        (id, len)
    }

    /// A segment of one entry.
    fn segment(&mut self, root_key: &[u8], key: &[u8]) -> Reference {
        let mut batch = EntryBatch::default();
        batch.push(root_key, key, b"value");
        let (id, plain_len) = self.push(Kind::Segment, Segment::from_batch(&batch).plaintext().to_vec());
        let first_key = Reference::first_key_of(key).to_vec();
        Reference { id, first_root: root_key.to_vec(), first_key, plain_len, entries: 1 }
    }

    fn page(&mut self, segments: Vec<Reference>) -> Reference {
        let Reference { first_root, first_key, .. } = segments[0].clone();
        let page = Page { level: Level::Segments, references: segments };
        let (id, plain_len) = self.push(Kind::Page, page.encode().unwrap());
        Reference { id, first_root, first_key, plain_len, entries: page.entries() }
    }

    /// Stores the pack with a root that refers to these pages, and makes a dump of it.
    async fn dump(mut self, store: &InMemory, like: &Manifest, pages: Vec<Reference>, segments: u64) -> Dump {
        let root = Page { level: Level::Root, references: pages };
        let (id, _) = self.push(Kind::Page, root.encode().unwrap());
        let pack = self.pack.finish();
        store.put(&Path::from(format!("packs/{}", pack.name())), pack.into_bytes().into()).await.unwrap();
        let state = DigestState { partitions: 1, entries: root.entries(), ..DigestState::default() };
        let manifest = Manifest {
            root: id,
            inventory: Some(Inventory {
                annotations: like.inventory.clone().unwrap().annotations,
                ..state.into()
            }),
            pages: root.references.len() as u64,
            segments,
            ..like.clone()
        };
        Dump { id: manifest.encode().unwrap().0, manifest }
    }
}

/// Opens the repository so that its operations are counted.
async fn counted(store: &Arc<InMemory>) -> (Repository, Arc<Faults>) {
    let faults = Arc::new(Faults::none());
    let faulty: Arc<dyn ObjectStore> = Arc::new(FaultyStore::new(store.clone(), faults.clone()));
    (Repository::open(Store::new(faulty, Path::default())).await.unwrap(), faults)
}

/// Verify and restore must refuse the dump as damaged, with few requests.
async fn assert_refused_soon(store: &Arc<InMemory>, dump: &Dump, what: &str) {
    let (repository, faults) = counted(store).await;
    let target = MemoryNamespace::new("target");
    let verified = repository.verify(dump, &VerifyOptions::default()).await.map(drop);
    let restored = repository.restore(dump, &target, &RestoreOptions::default()).await.map(drop);
    for result in [verified, restored] {
        assert_eq!(result.unwrap_err().class(), ErrorClass::Damaged, "{what}");
    }
    assert!(faults.operations() < 200, "{what}: {} operations", faults.operations());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_refers_to_the_same_page_again_and_again_is_refused() {
    for key in [&b"key"[..], &[7; 3_000]] {
        let store: Arc<InMemory> = Arc::default();
        let repository = repository(&store).await;
        let like = back_up(&repository, &namespace(&content(50))).await.manifest;
        let mut forger = Forger::new(&repository);
        let segment = forger.segment(b"root", key);
        let page = forger.page(vec![segment.clone()]);
        // The root has at most 64 MiB.
        let count = if key.len() > 1_000 { REFERENCES / 2 } else { REFERENCES };
        let like = Manifest { plain_bytes: segment.plain_len * count as u64, ..like };
        let dump = forger.dump(&store, &like, vec![page; count], count as u64).await;
        assert_refused_soon(&store, &dump, "the same page").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_share_segments_are_refused() {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    let like = back_up(&repository, &namespace(&content(51))).await.manifest;
    let mut forger = Forger::new(&repository);
    let segments: Vec<_> =
        (0..400_u32).map(|number| forger.segment(b"root", &number.to_be_bytes())).collect();
    // Each page begins one segment later than the one before, and all have the rest in common.
    let pages: Vec<_> = (0..segments.len()).map(|from| forger.page(segments[from..].to_vec())).collect();
    let count = segments.len() as u64;
    let sum = count * (count + 1) / 2;
    let like = Manifest { plain_bytes: sum * segments[0].plain_len, ..like };
    let dump = forger.dump(&store, &like, pages, sum).await;
    assert_refused_soon(&store, &dump, "shared segments").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_of_many_pages_is_read_twice_at_most() {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    let source = MemoryNamespace::new("validator");
    for number in 0..6_000_u32 {
        source.put(b"one partition", &number.to_be_bytes(), &[7; 60]).unwrap();
    }
    let made = repository.backup(&source, options(2, 1)).await.unwrap();
    assert!(made.manifest.pages > 30, "{} pages", made.manifest.pages);
    let (repository, faults) = counted(&store).await;
    let dump = Dump { id: made.dump, manifest: made.manifest };
    let verified = repository.verify(&dump, &VerifyOptions::default()).await.unwrap();
    assert_eq!(verified.digest.unwrap().digest(), dump.manifest.inventory.as_ref().unwrap().digest);
    // Each page is read for its structure, for its segments, and as part of the partition; a run holds several segments.
    let most = dump.manifest.segments + dump.manifest.pages * 4 + made.new_packs * 3;
    assert!(faults.operations() < most, "{} operations, at most {most}", faults.operations());
}
