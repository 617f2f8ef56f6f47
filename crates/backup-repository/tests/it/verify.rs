//! What verify reads.

use std::sync::Arc;

use backup_format::Config;
use backup_repository::{DumpChoice, Repository, Store, VerifyOptions};
use backup_testkit::{Content, Faults, FaultyStore, Spec};
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::support::{back_up, files, namespace};

#[tokio::test(flavor = "multi_thread")]
async fn nearly_all_of_a_pack_is_read_once() {
    let inner: Arc<InMemory> = Arc::default();
    let store = FaultyStore::new(inner.clone(), Arc::new(Faults::none()));
    let config = Config::new([7; 16], [9; 16]).with_targets(4 << 10, 512 << 10, 128 << 10);
    let repository = Repository::create(Store::new(Arc::new(store.clone()), Path::default()), config);
    let repository = repository.await.unwrap();
    let spec = Spec { partitions: 300, entries: 1..=90, value_bytes: 100..=500, ..Spec::default() };
    let content = Content::seeded(21, &spec);
    back_up(&repository, &namespace(&content)).await;

    let stored: u64 = files(&inner).await.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    let before = store.bytes_read();
    let dump = repository.dump(&DumpChoice::Latest).await.unwrap();
    let report = repository.verify(&dump, &VerifyOptions::default()).await.unwrap();
    let read = store.bytes_read() - before;
    assert_eq!(report.digest.as_ref().unwrap().digest(), content.digest());
    assert!(report.packs_read > 10 && report.pages > 3, "{report:?}");
    // Beyond once: the ends of packs for the index, pages, and packs that a page ends in.
    assert!((stored..stored * 7 / 4).contains(&read), "read {read} bytes of {stored}");
}
