//! Verifying all dumps: each segment once, and damage where it is.

use std::sync::Arc;

use backup_format::{Config, DigestState, ErrorClass, Inventory, LtHash};
use backup_memory::MemoryNamespace;
use backup_repository::{
    Dump, Repository, RestoreOptions, Store, Subset, VerifyAllReport, VerifyLevel, VerifyOptions,
};
use backup_testkit::{Content, Faults, FaultyStore, Spec};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::support::{back_up, files, namespace};

/// Dumps of a namespace that changes here and there in between.
struct Place {
    inner: Arc<InMemory>,
    store: FaultyStore,
    repository: Repository,
}

impl Place {
    async fn with_dumps(number: usize) -> Self {
        let inner: Arc<InMemory> = Arc::default();
        let store = FaultyStore::new(inner.clone(), Arc::new(Faults::none()));
        let config = Config::new([7; 16], [9; 16]).with_targets(4 << 10, 128 << 10, 64 << 10);
        let opened = Store::new(Arc::new(store.clone()), Path::default());
        let repository = Repository::create(opened, config).await.unwrap();
        let spec = Spec { partitions: 150, entries: 1..=80, value_bytes: 60..=400, ..Spec::default() };
        let content = Content::seeded(31, &spec);
        let namespace = namespace(&content);
        // One partition that is longer than a page.
        for key in 0..800_u32 {
            namespace.put(b"long", &key.to_be_bytes(), &[key as u8; 300]).unwrap();
        }
        let place = Self { inner, store, repository };
        for round in 0..number {
            change(&namespace, &content, round);
            back_up(&place.repository, &namespace).await;
        }
        place
    }

    async fn verify(&self, options: &VerifyOptions) -> VerifyAllReport {
        self.repository.verify_all(options).await.unwrap()
    }

    async fn dumps(&self) -> Vec<Dump> {
        self.repository.dumps().await.unwrap().good
    }
}

fn change(namespace: &MemoryNamespace, content: &Content, round: usize) {
    let value = vec![round as u8; 200];
    for (root_key, key, _) in content.iter().skip(round * 7).step_by(401) {
        namespace.put(root_key, key, &value).unwrap();
    }
    namespace.put(b"long", &(round as u32 * 97).to_be_bytes(), &value).unwrap();
    namespace.put(format!("new {round}").as_bytes(), b"key", &value).unwrap();
}

fn good(report: &VerifyAllReport) -> Vec<bool> {
    report.dumps.iter().map(|dump| dump.found.is_ok()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dumps_share_is_read_once_and_each_digest_is_computed() {
    let place = Place::with_dumps(5).await;
    let stored: u64 = files(&place.inner).await.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    let before = place.store.bytes_read();
    let report = place.verify(&VerifyOptions::default()).await;
    let read = place.store.bytes_read() - before;
    assert_eq!(good(&report), [true; 5]);
    for (verdict, dump) in report.dumps.iter().zip(place.dumps().await) {
        let found = verdict.found.as_ref().unwrap();
        assert_eq!(found.digest.as_ref().unwrap().digest(), dump.manifest.inventory.as_ref().unwrap().digest);
        assert_eq!((verdict.id, found.segments_read), (dump.id, dump.manifest.segments));
    }
    let all: u64 = place.dumps().await.iter().map(|dump| dump.manifest.segments).sum();
    assert!(report.segments_read * 3 < all, "{} of {all}", report.segments_read);
    // Beyond once: the ends of packs for the index, and pages.
    assert!(read < stored * 7 / 4, "read {read} bytes of {stored}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_found_in_all_dumps_that_have_it_and_stops_nothing() {
    let place = Place::with_dumps(3).await;
    let names: Vec<_> = files(&place.inner)
        .await
        .into_iter()
        .filter(|(name, _)| name.as_ref().starts_with("packs"))
        .collect();
    let mut seen = [false; 2];
    for (name, bytes) in &names {
        let mut bad = bytes.clone();
        bad[200] ^= 1;
        place.inner.put(name, bad.into()).await.unwrap();
        let report = place.verify(&VerifyOptions::default()).await;
        place.inner.put(name, bytes.clone().into()).await.unwrap();
        let mut bad = bytes.clone();
        bad[200] ^= 1;
        place.inner.put(name, bad.into()).await.unwrap();
        let mut expected = Vec::new();
        for dump in place.dumps().await {
            // A restore reads what the dump reaches, and nothing else.
            let target = MemoryNamespace::new("restored");
            let restored = place.repository.restore(&dump, &target, &RestoreOptions::default()).await;
            expected.push(restored.is_ok());
        }
        place.inner.put(name, bytes.clone().into()).await.unwrap();
        assert_eq!(good(&report), expected, "{name}");
        assert!(report.problems().all(|error| error.class() == ErrorClass::Damaged));
        assert!(report.problems().count() > 0, "{name}");
        seen[0] |= expected.contains(&true);
        seen[1] |= expected.contains(&false);
    }
    assert_eq!(seen, [true; 2], "some damage must be in some dumps only");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_whose_manifest_says_another_digest_is_bad_alone() {
    let place = Place::with_dumps(2).await;
    let mut manifest = place.dumps().await.remove(1).manifest;
    let before = manifest.inventory.take().unwrap();
    let state = DigestState { lthash: LtHash::default(), ..before.digest_state() };
    manifest.inventory = Some(Inventory { contents: before.contents, ..state.into() });
    let (id, json) = manifest.encode().unwrap();
    place.inner.put(&Path::from(format!("manifests/{id}.json")), json.into()).await.unwrap();
    place.inner.put(&Path::from(format!("manifests/{:064}.json", 0)), "{}".into()).await.unwrap();
    let report = place.verify(&VerifyOptions::default()).await;
    assert_eq!(report.dumps.len(), 4);
    for dump in &report.dumps {
        let is_bad = dump.id == id || dump.manifest.is_none();
        assert_eq!(dump.found.is_err(), is_bad, "{dump:?}");
    }
    let found = report.dumps.iter().find(|dump| dump.id == id).unwrap();
    assert!(found.found.as_ref().unwrap_err().to_string().contains("what its segments hold"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_all_add_up_and_structure_alone_reads_no_segment() {
    let place = Place::with_dumps(4).await;
    let (mut packs, mut digests) = (0, vec![0; 4]);
    for part in ["1/3", "2/3", "3/3"] {
        let subset: Option<Subset> = Some(part.parse().unwrap());
        let report = place.verify(&VerifyOptions { subset, ..VerifyOptions::default() }).await;
        packs += report.packs_read;
        for (count, dump) in digests.iter_mut().zip(&report.dumps) {
            *count += u32::from(dump.found.as_ref().unwrap().digest.is_some());
        }
    }
    assert_eq!((packs, digests), (place.repository.packs().await.unwrap().0, vec![1; 4]));
    let level = VerifyLevel::Structure;
    let report = place.verify(&VerifyOptions { level, ..VerifyOptions::default() }).await;
    assert_eq!((report.segments_read, report.packs_read, good(&report)), (0, 0, vec![true; 4]));
}
