//! Every single byte of a dump, changed in turn.

use std::sync::Arc;

use backup_format::{Config, ErrorClass, ObjectId};
use backup_memory::MemoryNamespace;
use backup_repository::{
    BackupOptions, DumpChoice, Repository, RepositoryError, Store, VerifyLevel, VerifyOptions,
};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

/// A repository in memory with one dump of several packs, pages and segments.
struct Sound {
    store: Arc<InMemory>,
    dump: ObjectId,
    digest: backup_format::Digest,
}

impl Sound {
    async fn new() -> Self {
        let store = Arc::new(InMemory::new());
        let config = Config::new([1; 16], [2; 16]).with_targets(128, 512, 1_024);
        let repository = Repository::create(at(&store), config).await.unwrap();
        let namespace = MemoryNamespace::new("small");
        for root in 0..8_u8 {
            for key in 0..6_u8 {
                let value: Vec<_> =
                    (0..20).map(|byte| byte ^ root.wrapping_mul(31) ^ key.wrapping_mul(7)).collect();
                namespace.put(&[root, root], &[key], &value).unwrap();
            }
        }
        let options = BackupOptions { allow_implausible: true, ..BackupOptions::default() };
        let made = repository.backup(&namespace, options).await.unwrap();
        assert!(
            made.new_packs > 1 && made.manifest.pages > 1 && made.manifest.segments > made.manifest.pages
        );
        Self { store, dump: made.dump, digest: made.manifest.inventory.as_ref().unwrap().digest }
    }

    async fn verify(&self) -> Result<backup_format::Digest, RepositoryError> {
        let repository = Repository::open(at(&self.store)).await?;
        let dump = repository.dump(&DumpChoice::Id(self.dump.to_string())).await?;
        let options = VerifyOptions { level: VerifyLevel::Content, ..VerifyOptions::default() };
        let report = repository.verify(&dump, &options).await?;
        Ok(report.digest.expect("all segments are read").digest())
    }

    async fn files(&self) -> Vec<(Path, Vec<u8>)> {
        let files: Vec<_> = self.store.list(None).try_collect().await.unwrap();
        let mut read = Vec::new();
        for file in files {
            let bytes = self.store.get(&file.location).await.unwrap().bytes().await.unwrap();
            read.push((file.location, bytes.to_vec()));
        }
        read
    }

    async fn write(&self, path: &Path, bytes: Vec<u8>) {
        self.store.put(path, bytes.into()).await.unwrap();
    }
}

fn at(store: &Arc<InMemory>) -> Store {
    Store::new(store.clone(), Path::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn any_byte_of_packs_and_manifest_that_is_changed_is_noticed() {
    let sound = Sound::new().await;
    assert_eq!(sound.verify().await.unwrap(), sound.digest);
    let mut changed = 0;
    for (path, bytes) in sound.files().await {
        if path.as_ref().starts_with("config") {
            continue;
        }
        for offset in 0..bytes.len() {
            for mask in [0x01, 0x20, 0xff] {
                let mut bad = bytes.clone();
                bad[offset] ^= mask;
                sound.write(&path, bad).await;
                let error = sound.verify().await.expect_err("an unnoticed change");
                let class = error.class();
                assert_eq!(class, ErrorClass::Damaged, "byte {offset} of {path} ^ {mask:02x}: {error}");
                changed += 1;
            }
        }
        sound.write(&path, bytes).await;
    }
    println!("{changed} changes, all noticed");
    assert!(changed > 10_000);
    assert_eq!(sound.verify().await.unwrap(), sound.digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_config_never_leads_to_other_content() {
    let sound = Sound::new().await;
    let config = Path::from("config.json");
    let (path, bytes) = sound.files().await.into_iter().find(|(path, _)| *path == config).unwrap();
    let mut noticed = 0;
    for offset in 0..bytes.len() {
        for mask in [0x01, 0x04, 0x20, 0xff] {
            let mut bad = bytes.clone();
            bad[offset] ^= mask;
            sound.write(&path, bad).await;
            // Names and targets are no part of the content, so some changes do no harm.
            match sound.verify().await {
                Ok(digest) => assert_eq!(digest, sound.digest, "byte {offset} ^ {mask:02x}"),
                Err(_) => noticed += 1,
            }
        }
    }
    assert!(noticed > bytes.len(), "only {noticed} changes were noticed");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_file_that_is_cut_short_or_goes_on_is_noticed() {
    let sound = Sound::new().await;
    for (path, bytes) in sound.files().await {
        if path.as_ref().starts_with("config") {
            continue;
        }
        for length in 0..bytes.len() {
            sound.write(&path, bytes[..length].to_vec()).await;
            assert!(sound.verify().await.is_err(), "{path} cut to {length} bytes");
        }
        for more in [&b"\n"[..], b"\0", &bytes] {
            sound.write(&path, [&bytes, more].concat()).await;
            assert!(sound.verify().await.is_err(), "{path} longer by {} bytes", more.len());
        }
        sound.write(&path, bytes).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_two_files_that_are_swapped_and_any_that_is_missing_are_noticed() {
    let sound = Sound::new().await;
    let mut files = sound.files().await;
    // The copy of the config is read where the config is gone, and has its bytes.
    files.retain(|(path, _)| !path.as_ref().starts_with("configs/"));
    for (number, (path, bytes)) in files.iter().enumerate() {
        for (other, other_bytes) in &files[number + 1..] {
            sound.write(path, other_bytes.clone()).await;
            sound.write(other, bytes.clone()).await;
            assert!(sound.verify().await.is_err(), "{path} and {other} swapped");
            sound.write(other, other_bytes.clone()).await;
        }
        sound.store.delete(path).await.unwrap();
        assert!(sound.verify().await.is_err(), "{path} is missing");
        sound.write(path, bytes.clone()).await;
    }
    assert_eq!(sound.verify().await.unwrap(), sound.digest);
}
