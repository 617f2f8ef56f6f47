//! What a backup makes, and that it can be had back.

use std::collections::BTreeSet;
use std::sync::Arc;

use backup_memory::MemoryNamespace;
use backup_repository::{
    Compression, DigestOptions, DumpChoice, RestoreOptions, Subset, VerifyOptions, digest,
};
use backup_testkit::Content;
use object_store::memory::InMemory;

use crate::support::{back_up, content, files, namespace, options, repository};

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_restores_to_the_same_digest() {
    let content = content(1);
    let repository = repository(&Arc::default()).await;
    let report = back_up(&repository, &namespace(&content)).await;
    assert_eq!(report.manifest.inventory.as_ref().unwrap().digest, content.digest());
    assert!(report.manifest.pages > 4, "only {} pages: the test would see little", report.manifest.pages);

    let dump = repository.dump(&DumpChoice::Latest).await.unwrap();
    assert_eq!(dump.id, report.dump);
    let verified = repository.verify(&dump, &VerifyOptions::default()).await.unwrap();
    assert_eq!(verified.digest.unwrap().digest(), content.digest());
    assert_eq!(verified.segments_read, report.manifest.segments);

    let target = MemoryNamespace::new("restored");
    repository.restore(&dump, &target, &RestoreOptions::default()).await.unwrap();
    let restored = digest(&target, &DigestOptions::default()).await.unwrap();
    assert_eq!(restored.state.digest(), content.digest());
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_segments_are_the_same_for_any_number_of_workers_and_ranges() {
    for content in [content(2), Content::partition(2, b"one", 4_000, 8..=40), Content::default()] {
        let namespace = namespace(&content);
        let mut roots = BTreeSet::new();
        for workers in 1..=4 {
            for ranges in 1..=8 {
                let repository = repository(&Arc::default()).await;
                let options =
                    backup_repository::BackupOptions { allow_implausible: true, ..options(workers, ranges) };
                let report = repository.backup(&namespace, options).await.unwrap();
                assert_eq!(
                    report.manifest.inventory.as_ref().unwrap().digest,
                    content.digest(),
                    "{workers} workers, {ranges} ranges"
                );
                assert_eq!(report.manifest.inventory.as_ref().unwrap().entries, content.entries());
                let dump = repository.dump(&DumpChoice::Latest).await.unwrap();
                repository.verify(&dump, &VerifyOptions::default()).await.unwrap();
                roots.insert(report.manifest.root);
            }
        }
        assert_eq!(roots.len(), 1, "cuts depend on workers or ranges");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_do_not_depend_on_the_codec() {
    let namespace = namespace(&content(3));
    let mut roots = BTreeSet::new();
    for compression in [Compression::None, Compression::Zstd(-5), Compression::Zstd(1), Compression::Zstd(22)]
    {
        let repository = repository(&Arc::default()).await;
        let options = backup_repository::BackupOptions { compression, ..options(2, 1) };
        roots.insert(repository.backup(&namespace, options).await.unwrap().manifest.root);
        let dump = repository.dump(&DumpChoice::Latest).await.unwrap();
        repository.verify(&dump, &VerifyOptions::default()).await.unwrap();
    }
    assert_eq!(roots.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_dump_of_the_same_content_stores_no_object() {
    let namespace = namespace(&content(4));
    let repository = repository(&Arc::default()).await;
    let first = back_up(&repository, &namespace).await;
    let second = back_up(&repository, &namespace).await;
    assert!(first.new_objects > 100);
    assert_eq!((second.new_objects, second.new_packs), (0, 0));
    assert_eq!(second.manifest.root, first.manifest.root);
    assert_ne!(second.dump, first.dump);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_changed_value_stores_few_objects_again() {
    let content = content(5);
    let namespace = namespace(&content);
    let repository = repository(&Arc::default()).await;
    let first = back_up(&repository, &namespace).await;
    let (root_key, key, _) = content.iter().nth(1_000).unwrap();
    namespace.put(root_key, key, b"another value").unwrap();
    let second = back_up(&repository, &namespace).await;
    // A segment or two, its page, the root.
    assert!((3..=5).contains(&second.new_objects), "{} of {}", second.new_objects, first.new_objects);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_writes_nothing_and_counts_the_same() {
    let namespace = namespace(&content(6));
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    let before = files(&store).await;
    let options = backup_repository::BackupOptions { dry_run: true, ..options(2, 2) };
    let dry = repository.backup(&namespace, options).await.unwrap();
    assert_eq!(files(&store).await, before);
    let real = back_up(&repository, &namespace).await;
    assert_eq!((dry.manifest.root, dry.new_objects), (real.manifest.root, real.new_objects));
}

#[tokio::test(flavor = "multi_thread")]
async fn subsets_together_read_everything() {
    let repository = repository(&Arc::default()).await;
    let report = back_up(&repository, &namespace(&content(7))).await;
    let dump = repository.dump(&DumpChoice::Latest).await.unwrap();
    let (mut packs, mut segments) = (0, 0);
    for part in 1..=3 {
        let subset: Subset = format!("{part}/3").parse().unwrap();
        let options = VerifyOptions { subset: Some(subset), ..VerifyOptions::default() };
        let verified = repository.verify(&dump, &options).await.unwrap();
        packs += verified.packs_read;
        segments += verified.segments_read;
        assert!(verified.digest.is_none());
    }
    assert_eq!((packs, segments), (report.new_packs, report.manifest.segments));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_namespace_is_implausible_unless_allowed() {
    let repository = repository(&Arc::default()).await;
    let empty = MemoryNamespace::new("empty");
    let error = repository.backup(&empty, options(2, 1)).await.unwrap_err();
    assert_eq!(error.class(), backup_format::ErrorClass::Refused);
    assert!(repository.dumps().await.unwrap().good.is_empty());
    let allowed = backup_repository::BackupOptions { allow_implausible: true, ..options(2, 1) };
    let report = repository.backup(&empty, allowed).await.unwrap();
    assert_eq!((report.manifest.inventory.as_ref().unwrap().entries, report.manifest.pages), (0, 0));
    let dump = repository.dump(&DumpChoice::Latest).await.unwrap();
    let target = MemoryNamespace::new("restored");
    repository.restore(&dump, &target, &RestoreOptions::default()).await.unwrap();
    assert_eq!(target.name(), "restored");
}
