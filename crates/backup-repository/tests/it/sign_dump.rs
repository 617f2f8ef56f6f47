//! Dumps that were made without a key are signed afterwards, one by one.

use std::sync::Arc;

use backup_format::{ErrorClass, ObjectId};
use backup_repository::{DumpChoice, Repository, RepositoryError, Signed};
use backup_sign::{KeyId, SecretKey, TrustedKeys};
use backup_testkit::Content;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::support::{back_up, namespace, reopen, repository};

fn key(number: u8) -> Arc<SecretKey> {
    Arc::new(SecretKey::from_seed(KeyId([number; 8]), [number; 32].into()).unwrap())
}

fn trusting(repository: Repository, number: u8) -> Repository {
    repository.with_trust(TrustedKeys::new(vec![key(number).public().clone()]).unwrap())
}

/// A dump that nobody signed.
async fn dumped() -> (Arc<InMemory>, ObjectId) {
    let store: Arc<InMemory> = Arc::default();
    let made =
        back_up(&repository(&store).await, &namespace(&Content::partition(1, b"root", 5, 8..=9))).await;
    (store, made.dump)
}

#[tokio::test]
async fn an_unsigned_dump_counts_once_it_is_signed_and_is_signed_once() {
    let (store, id) = dumped().await;
    let operator = trusting(reopen(&store).await.unwrap().with_signer(key(1)), 1);
    let refused = operator.dump(&DumpChoice::Id(id.to_string())).await.unwrap_err();
    assert!(matches!(refused, RepositoryError::Untrusted { .. }), "{refused:?}");
    let signed = operator.sign_dump(&id.to_string()[..8], false).await.unwrap();
    assert_eq!((signed.dump.id, signed.before, signed.is_new), (id, Signed::No, true));
    assert_eq!(operator.signed(id).await.unwrap(), Signed::By(KeyId([1; 8])));
    let path = Path::from(format!("manifests/{id}.json.minisig"));
    let written = store.get(&path).await.unwrap().meta.last_modified;
    let again = operator.sign_dump(&id.to_string(), false).await.unwrap();
    assert_eq!((again.before, again.is_new), (Signed::By(KeyId([1; 8])), false));
    assert_eq!(store.get(&path).await.unwrap().meta.last_modified, written);
}

#[tokio::test]
async fn the_signature_of_another_key_stays_unless_it_is_to_be_replaced() {
    let (store, id) = dumped().await;
    let by = async |number: u8| reopen(&store).await.unwrap().with_signer(key(number));
    by(1).await.sign_dump(&id.to_string(), false).await.unwrap();
    let error = by(2).await.sign_dump(&id.to_string(), false).await.unwrap_err();
    assert!(
        error.class() == ErrorClass::Refused && error.to_string().contains("0101010101010101"),
        "{error}"
    );
    let replaced = by(2).await.sign_dump(&id.to_string(), true).await.unwrap();
    assert_eq!((replaced.before, replaced.is_new), (Signed::Unchecked(KeyId([1; 8])), true));
    let reader = trusting(reopen(&store).await.unwrap(), 2);
    assert_eq!(reader.signed(id).await.unwrap(), Signed::By(KeyId([2; 8])));
}

#[tokio::test]
async fn a_bad_signature_under_the_own_key_is_none_and_is_replaced_when_that_is_asked_for() {
    let (store, id) = dumped().await;
    let operator = reopen(&store).await.unwrap().with_signer(key(1));
    let path = Path::from(format!("manifests/{id}.json.minisig"));
    let of_another = key(1).sign(b"something else", "kvbackup").unwrap().encode();
    store.put(&path, of_another.into()).await.unwrap();
    operator.sign_dump(&id.to_string(), false).await.unwrap_err();
    operator.sign_dump(&id.to_string(), true).await.unwrap();
    store.put(&path, "no signature".into()).await.unwrap();
    let signed = operator.sign_dump(&id.to_string(), false).await.unwrap();
    assert_eq!((signed.before, signed.is_new), (Signed::Unreadable, true));
    assert_eq!(trusting(operator, 1).signed(id).await.unwrap(), Signed::By(KeyId([1; 8])));
}

#[tokio::test]
async fn nothing_is_signed_without_a_key_that_counts_nor_what_cannot_be_read() {
    let (store, id) = dumped().await;
    let reader = reopen(&store).await.unwrap();
    let foreign = trusting(reader.clone().with_signer(key(2)), 1);
    for refused in [&reader, &foreign] {
        let error = refused.sign_dump(&id.to_string(), true).await.unwrap_err();
        assert!(matches!(error, RepositoryError::Sign { .. }), "{error:?}");
    }
    let operator = reader.with_signer(key(1));
    let error = operator.sign_dump("00000000", true).await.unwrap_err();
    assert!(matches!(error, RepositoryError::NoDump { .. }), "{error:?}");
    store.put(&Path::from(format!("manifests/{id}.json")), "{}".into()).await.unwrap();
    let error = operator.sign_dump(&id.to_string(), true).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Damaged, "{error:?}");
}
