//! Manifests that are altered, exchanged or made by somebody else: what the seal notices, and what only signatures do.

use std::sync::Arc;

use backup_format::{ErrorClass, Manifest, SealedInventory};
use backup_repository::{Dump, DumpChoice, Repository, RepositoryError};
use backup_seal::{Aead, DataKey};
use backup_sign::{KeyId, SecretKey, TrustedKeys};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::{Vault, assert_restores, back_up, restored, small, text, write};
use crate::support::{content, files};

fn sign_key() -> Arc<SecretKey> {
    Arc::new(SecretKey::from_seed(KeyId([1; 8]), [1; 32].into()).unwrap())
}

fn trust() -> TrustedKeys {
    TrustedKeys::new(vec![sign_key().public().clone()]).unwrap()
}

/// Two signed dumps of different content.
async fn signed() -> (Vault, Dump, Dump) {
    let vault = Vault::new().await;
    let writer = vault.writer().await.with_signer(sign_key()).with_trust(trust());
    let first = back_up(&writer, &content(81)).await;
    let second = back_up(&writer, &content(82)).await;
    (vault, first, second)
}

/// Puts a manifest into the repository under its right name, and finds it again.
async fn found(vault: &Vault, reader: &Repository, manifest: &Manifest) -> Result<Dump, RepositoryError> {
    let (id, json) = manifest.encode().unwrap();
    write(&vault.store, &Path::from(format!("manifests/{id}.json")), json).await;
    reader.dump(&DumpChoice::Id(id.to_string())).await
}

/// What is changed in the manifest of the second dump, and whether a reader without trusted keys notices.
type Change = fn(&mut Manifest, &Manifest);

const NOTICED: &[(&str, Change)] = &[
    ("the sealed part of an older dump", |second, first| second.sealed = first.sealed.clone()),
    ("another sequence", |second, _| second.sequence += 1),
    ("the sequence of an older dump", |second, first| second.sequence = first.sequence),
    ("the root of an older dump", |second, first| second.root = first.root),
    ("another aead", |second, _| {
        let sealed = second.sealed.as_mut().unwrap();
        sealed.aead = 3 - sealed.aead;
    }),
    ("nothing sealed", |second, _| {
        second.sealed = None;
        second.requires.clear();
    }),
];

/// What the seal does not cover: only a signature does.
const UNNOTICED: &[(&str, Change)] = &[
    ("another namespace", |second, _| second.namespace = "other".to_owned()),
    ("another time", |second, _| second.finished = "2031-01-01T00:00:00Z".to_owned()),
    ("another origin", |second, _| second.source.origin = Some("validator".to_owned())),
    ("no dumps before it", |second, _| second.previous.clear()),
    ("a last dump", |second, _| second.last = true),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_whose_root_sequence_or_sealed_part_is_anothers_is_noticed() {
    let (vault, first, second) = signed().await;
    let (reader, trusting) = (vault.reader().await, vault.reader().await.with_trust(trust()));
    for (name, change) in NOTICED {
        let mut manifest = second.manifest.clone();
        change(&mut manifest, &first.manifest);
        let error = found(&vault, &reader, &manifest).await.map(drop).expect_err(name);
        assert_eq!(error.class(), ErrorClass::Damaged, "{name}: {error:?}");
        found(&vault, &trusting, &manifest).await.map(drop).expect_err(name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_clear_in_a_manifest_is_covered_by_the_signature_alone() {
    let (vault, first, second) = signed().await;
    let (reader, trusting) = (vault.reader().await, vault.reader().await.with_trust(trust()));
    for (name, change) in UNNOTICED {
        let mut manifest = second.manifest.clone();
        change(&mut manifest, &first.manifest);
        let dump = found(&vault, &reader, &manifest).await.expect(name);
        assert_restores(&reader, &dump, &content(82)).await;
        let error = found(&vault, &trusting, &manifest).await.map(drop).expect_err(name);
        assert!(matches!(error, RepositoryError::Untrusted { .. }), "{name}: {error:?}");
    }
}

/// An older manifest is a dump of its own: it is read as what it is, and does not become the latest.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_manifest_in_the_place_of_a_newer_one_is_noticed() {
    let (vault, first, second) = signed().await;
    let path = |dump: &Dump| Path::from(format!("manifests/{}.json", dump.id));
    let older = super::read(&vault.store, &path(&first)).await;
    write(&vault.store, &path(&second), older).await;
    let reader = vault.reader().await;
    let error = reader.dump(&DumpChoice::Id(second.id.to_string())).await.unwrap_err();
    assert!(matches!(error, RepositoryError::WrongName { .. }), "{error:?}");
    let error = reader.dump(&DumpChoice::Latest).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Uncertain { .. }), "{error:?}");
    // Taken away it is missed by who remembers the sequence.
    vault.store.delete(&path(&second)).await.unwrap();
    let dumps = reader.dumps().await.unwrap();
    assert_eq!(dumps.check_sequence(None, 2).unwrap_err().class(), ErrorClass::Damaged);
}

/// Who knows the recipients and writes to the store makes a manifest of its own for objects that are there.
async fn forged(vault: &Vault, old: &Manifest, sequence: u64) -> Manifest {
    let key = DataKey::generate().unwrap();
    let wrapped = key.wrap(&*vault.recipients, &vault.key.repository()).unwrap();
    let mut inventory = backup_format::Inventory::from(backup_format::DigestState::default());
    inventory.annotations.insert("remark".to_owned(), "forged".to_owned());
    let mut manifest = Manifest { sequence, inventory: None, ..old.clone() };
    let body = key.seal(Aead::XAes256Gcm, &manifest.seal_context(), &[], &inventory.encode()).unwrap();
    manifest.sealed = Some(SealedInventory { aead: 2, key: key.id().0, wrapped, body });
    manifest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_somebody_else_sealed_restores_nothing_and_is_refused_with_trusted_keys() {
    let (vault, first, _) = signed().await;
    let forged = forged(&vault, &first.manifest, 3).await;
    let trusting = vault.reader().await.with_trust(trust());
    let error = found(&vault, &trusting, &forged).await.map(drop).unwrap_err();
    assert!(matches!(error, RepositoryError::Untrusted { .. }), "{error:?}");
    // Without trusted keys it is listed; what is restored has another digest than it says.
    let reader = vault.reader().await;
    let dump = found(&vault, &reader, &forged).await.unwrap();
    let error = restored(&reader, &dump).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Damaged, "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_dump_of_another_repository_of_the_same_people_is_refused() {
    let people = (super::Person::new(), super::Person::new());
    let one = Vault::of([7; 16], people.clone()).await;
    let other = Vault::of([8; 16], people).await;
    let dump = back_up(&other.writer().await.with_signer(sign_key()), &small()).await;
    for (path, bytes) in files(&other.store).await {
        if ["packs/", "manifests/"].iter().any(|folder| path.as_ref().starts_with(folder)) {
            write(&one.store, &path, bytes).await;
        }
    }
    let choice = DumpChoice::Id(dump.id.to_string());
    let error = one.reader().await.dump(&choice).await.unwrap_err();
    assert!(text(&error).contains("the data key is of repository 08080808"), "{}", text(&error));
    let error = one.reader().await.with_trust(trust()).dump(&choice).await.map(drop).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused, "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_writes_the_same_bytes_again_changes_nothing() {
    let (vault, _, second) = signed().await;
    let store: &dyn ObjectStore = &*vault.store;
    for (path, bytes) in files(&vault.store).await {
        store.put(&path, bytes.into()).await.unwrap();
    }
    assert_restores(&vault.reader().await.with_trust(trust()), &second, &content(82)).await;
}
