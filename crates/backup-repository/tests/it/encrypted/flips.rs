//! Every byte of every file counts, also where whoever altered it corrected all hashes that need no key.

use backup_format::pack::TRAILER_BYTES;
use backup_format::{ErrorClass, ObjectId};
use backup_repository::{Dump, DumpChoice, Repository, RepositoryError, VerifyOptions};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::sealed_pack::with_right_hashes;
use super::{Vault, assert_not_fooled, paths, read, small, text, write};

async fn verify(repository: &Repository, dump: &Dump) -> Result<(), RepositoryError> {
    repository.verify(dump, &VerifyOptions::default()).await.map(drop)
}

fn flipped(bytes: &[u8], place: usize) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    flipped[place] ^= 1 << (place % 8);
    flipped
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flip_of_any_byte_of_a_pack_is_noticed_with_and_without_an_identity() {
    let (vault, dump) = Vault::with(&small()).await;
    let (reader, locked) = (vault.reader().await, vault.locked().await);
    for path in paths(&vault.store, "packs/").await {
        let good = read(&vault.store, &path).await;
        for place in 0..good.len() {
            write(&vault.store, &path, flipped(&good, place)).await;
            for repository in [&reader, &locked] {
                let error = verify(repository, &dump).await.expect_err("a flip");
                assert_eq!(error.class(), ErrorClass::Damaged, "{path} byte {place}: {error:?}");
            }
        }
        write(&vault.store, &path, good).await;
    }
    verify(&reader, &dump).await.unwrap();
}

/// Then only the seal is left, and for the table what is read by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_flip_of_any_byte_of_a_pack_with_right_hashes_gives_no_other_content() {
    let content = small();
    let (vault, dump) = Vault::with(&content).await;
    // It has unwrapped the data key, so that wrapped ones are not looked at: those are flipped below.
    let reader = vault.reader().await;
    verify(&reader, &dump).await.unwrap();
    for path in paths(&vault.store, "packs/").await {
        let good = read(&vault.store, &path).await;
        vault.store.delete(&path).await.unwrap();
        let bodies =
            super::sealed_pack::decode(&good).iter().map(|object| object.stored.len()).sum::<usize>();
        for place in 0..good.len() {
            let (name, bad) = with_right_hashes(flipped(&good, place));
            let altered = Path::from(format!("packs/{name}"));
            write(&vault.store, &altered, bad).await;
            let what = format!("{path} byte {place}");
            let noticed = assert_not_fooled(&reader, &dump, &content, &what).await;
            let in_body = (24..24 + bodies).contains(&place);
            assert!(noticed || !in_body, "{what}: a flip in a body was not noticed");
            vault.store.delete(&altered).await.unwrap();
        }
        write(&vault.store, &path, good).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flip_of_any_byte_of_a_wrapped_key_gives_no_other_content() {
    let content = small();
    let (vault, dump) = Vault::with(&content).await;
    let path = paths(&vault.store, "packs/").await.remove(0);
    let good = read(&vault.store, &path).await;
    let key = super::sealed_pack::decode(&good)[0].key.clone().unwrap();
    let wrapped = find(&good, &key.wrapped);
    let kid = find(&good, &key.id);
    vault.store.delete(&path).await.unwrap();
    for place in (kid..kid + 32).chain(wrapped..wrapped + key.wrapped.len()) {
        let (name, bad) = with_right_hashes(flipped(&good, place));
        let altered = Path::from(format!("packs/{name}"));
        write(&vault.store, &altered, bad).await;
        // Who opens manifests first knows the data key from there: so it reads the pack first.
        let reader = vault.reader().await;
        assert_not_fooled(&reader, &dump, &content, &format!("byte {place} of the key")).await;
        vault.store.delete(&altered).await.unwrap();
    }
}

fn find(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).position(|window| window == part).expect("it is there")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flip_of_any_byte_of_a_manifest_gives_no_other_content() {
    let content = small();
    let (vault, dump) = Vault::with(&content).await;
    let reader = vault.reader().await;
    let path = Path::from(format!("manifests/{}.json", dump.id));
    let good = read(&vault.store, &path).await;
    for place in 0..good.len() {
        let bad = flipped(&good, place);
        write(&vault.store, &path, bad.clone()).await;
        let error = reader.dump(&DumpChoice::Id(dump.id.to_string())).await.expect_err("a flip");
        assert!(matches!(error, RepositoryError::WrongName { .. }), "byte {place}: {error:?}");
        // And under its right name, where a signature would have been wrong.
        let name = ObjectId::of_file(&bad);
        let altered = Path::from(format!("manifests/{name}.json"));
        write(&vault.store, &altered, bad).await;
        match reader.dump(&DumpChoice::Id(name.to_string())).await {
            Ok(dump) => {
                assert_not_fooled(&reader, &dump, &content, &format!("byte {place}")).await;
            }
            Err(error) => {
                let class = error.class();
                let expected = matches!(class, ErrorClass::Damaged | ErrorClass::Refused);
                assert!(expected, "byte {place}: {error:?}");
            }
        }
        vault.store.delete(&altered).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flip_of_any_byte_of_the_stored_key_or_the_config_is_refused_or_means_the_same() {
    let content = small();
    let (vault, dump) = Vault::with(&content).await;
    for path in ["keys/repository.age", "config.json"].map(Path::from) {
        let good = read(&vault.store, &path).await;
        for place in 0..good.len() {
            write(&vault.store, &path, flipped(&good, place)).await;
            match vault.unlocked(vault.operations.secrets()).await {
                Ok(reader) => {
                    assert!(path.as_ref() == "config.json", "byte {place} of {path} does not count");
                    assert_not_fooled(&reader, &dump, &content, &format!("byte {place} of {path}")).await;
                }
                Err(error) => {
                    let class = error.class();
                    let expected = matches!(class, ErrorClass::Damaged | ErrorClass::Refused);
                    assert!(expected, "byte {place} of {path}: {error:?}");
                    assert!(!text(&error).is_empty());
                }
            }
        }
        write(&vault.store, &path, good).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_key_or_pack_is_noticed() {
    let (vault, dump) = Vault::with(&small()).await;
    let path = Path::from("keys/repository.age");
    let good = read(&vault.store, &path).await;
    for keep in 0..good.len() {
        write(&vault.store, &path, &good[..keep]).await;
        let error = vault.unlocked(vault.operations.secrets()).await.expect_err("a part of a key");
        assert!(text(&error).contains("keys/repository.age cannot be used"), "{keep}: {error:?}");
    }
    write(&vault.store, &path, good).await;
    let path = paths(&vault.store, "packs/").await.remove(0);
    let good = read(&vault.store, &path).await;
    let reader = vault.reader().await;
    for keep in (0..good.len()).step_by(7).chain(good.len() - TRAILER_BYTES as usize..good.len()) {
        write(&vault.store, &path, &good[..keep]).await;
        let error = verify(&reader, &dump).await.expect_err("a part of a pack");
        assert_eq!(error.class(), ErrorClass::Damaged, "{keep}: {error:?}");
    }
}
