//! Damage of every kind is noticed, and named.

use std::sync::Arc;

use backup_format::ErrorClass;
use backup_repository::{DumpChoice, RepositoryError, VerifyOptions};
use backup_testkit::{Content, Spec};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::support::{back_up, dumped, files, namespace, reopen, repository};

async fn verify(store: &Arc<InMemory>) -> Result<(), RepositoryError> {
    let repository = reopen(store).await?;
    let dump = repository.dump(&DumpChoice::Latest).await?;
    repository.verify(&dump, &VerifyOptions::default()).await.map(drop)
}

async fn replaced(store: &InMemory, name: &Path, bytes: Vec<u8>) -> Arc<InMemory> {
    let copy = InMemory::new();
    for (other, content) in files(store).await {
        let content = if other == *name { bytes.clone() } else { content };
        copy.put(&other, content.into()).await.unwrap();
    }
    Arc::new(copy)
}

/// Verify must fail, with an error that is about damage or a file that cannot be what it says.
async fn assert_noticed(store: &Arc<InMemory>, what: &str) {
    let error = verify(store).await.expect_err(what);
    let expected = match &error {
        RepositoryError::Location { .. } | RepositoryError::NoDump { .. } => true,
        _ => error.class() == ErrorClass::Damaged,
    };
    assert!(expected, "{what}: {error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flip_of_any_byte_is_noticed() {
    let store = dumped().await;
    verify(&store).await.unwrap();
    let mut flips = 0;
    for (name, bytes) in files(&store).await {
        // Field names and blanks of the config are no content: a flip there is noticed, or changes nothing.
        if name.as_ref().starts_with("config") {
            continue;
        }
        for place in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << (place % 8);
            let damaged = Arc::new(store.fork());
            damaged.put(&name, flipped.into()).await.unwrap();
            assert_noticed(&damaged, &format!("{name} byte {place}")).await;
            flips += 1;
        }
    }
    assert!(flips > 5_000, "only {flips} flips");
}

/// Each page of the last dump has segments in packs of many dumps, and each pack has objects of several pages.
#[tokio::test(flavor = "multi_thread")]
async fn a_flip_in_any_pack_of_many_dumps_is_noticed() {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    let spec = Spec { partitions: 60, entries: 1..=30, value_bytes: 0..=90, ..Spec::default() };
    let content = Content::seeded(12, &spec);
    let namespace = namespace(&content);
    for round in 0..8_usize {
        let changed = content.iter().skip(round * 7).step_by(90);
        changed.for_each(|(root_key, key, _)| namespace.put(root_key, key, &[round as u8; 20]).unwrap());
        back_up(&repository, &namespace).await;
    }
    verify(&store).await.unwrap();
    let packs: Vec<_> = files(&store).await;
    let packs: Vec<_> = packs.into_iter().filter(|(name, _)| name.as_ref().starts_with("packs/")).collect();
    assert!(packs.len() > 30, "only {} packs", packs.len());
    for (name, bytes) in packs {
        // From the magic over objects of both kinds to the table and the trailer.
        let places = (0..bytes.len()).step_by(bytes.len() / 9 + 1).chain([bytes.len() - 1]);
        for place in places {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << (place % 8);
            let damaged = Arc::new(store.fork());
            damaged.put(&name, flipped.into()).await.unwrap();
            assert_noticed(&damaged, &format!("{name} byte {place}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flip_in_the_config_is_noticed_or_means_the_same() {
    let store = dumped().await;
    let name = Path::from("config.json");
    let bytes = store.get(&name).await.unwrap().bytes().await.unwrap().to_vec();
    let before = backup_format::Config::decode(&bytes).unwrap();
    for place in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << (place % 8);
        let same = backup_format::Config::decode(&flipped)
            .is_ok_and(|config| config.keys().unwrap().cut_key() == before.keys().unwrap().cut_key());
        let damaged = replaced(&store, &name, flipped).await;
        if verify(&damaged).await.is_ok() {
            assert!(same, "byte {place} of the config");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_or_extended_or_missing_file_is_noticed() {
    let store = dumped().await;
    for (name, bytes) in files(&store).await {
        if name.as_ref().starts_with("config") {
            continue;
        }
        for keep in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            let damaged = replaced(&store, &name, bytes[..keep].to_vec()).await;
            assert_noticed(&damaged, &format!("{name} cut to {keep}")).await;
        }
        let damaged = replaced(&store, &name, [bytes.as_slice(), b"\0"].concat()).await;
        assert_noticed(&damaged, &format!("{name} extended")).await;
        let damaged = store.fork();
        damaged.delete(&name).await.unwrap();
        assert_noticed(&Arc::new(damaged), &format!("{name} missing")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_two_swapped_files_are_noticed() {
    let store = dumped().await;
    let mut files = files(&store).await;
    // A copy of the config is read where the config is gone.
    files.retain(|(name, _)| !name.as_ref().starts_with("configs/"));
    for (left, left_bytes) in &files {
        for (right, right_bytes) in files.iter().filter(|(right, _)| right > left) {
            let swapped = replaced(&store, left, right_bytes.clone()).await;
            swapped.put(right, left_bytes.clone().into()).await.unwrap();
            assert_noticed_or_failed(&swapped, &format!("{left} and {right} swapped")).await;
        }
    }
}

async fn assert_noticed_or_failed(store: &Arc<InMemory>, what: &str) {
    verify(store).await.expect_err(what);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_with_other_names_are_ignored() {
    let store = dumped().await;
    for name in ["packs/README", "packs/x/y", "manifests/latest.json", "notes.txt", "packs/ABCD"] {
        store.put(&Path::from(name), "whatever".into()).await.unwrap();
    }
    verify(&store).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_manifest_makes_the_latest_dump_uncertain() {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    let namespace = namespace(&Content::partition(1, b"root", 50, 8..=40));
    let first = back_up(&repository, &namespace).await;
    let second = back_up(&repository, &namespace).await;
    store.put(&Path::from(format!("manifests/{}.json", second.dump)), "{}".into()).await.unwrap();
    let error = repository.dump(&DumpChoice::Latest).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Uncertain { .. }), "{error:?}");
    let named = repository.dump(&DumpChoice::Id(first.dump.to_string()[..12].to_owned())).await.unwrap();
    assert_eq!(named.id, first.dump);
}
