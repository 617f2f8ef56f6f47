//! The stored repository key is signed, so that nobody adds a recipient to it unnoticed.

use std::sync::Arc;

use backup_repository::{RepositoryError, Secrets, Signed};
use backup_seal::AgeRecipients;
use backup_sign::{KeyId, SecretKey, TrustedKeys};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::{Person, Vault, small, unlocked};

const STORED: &str = "keys/repository.age";

fn key(number: u8) -> Arc<SecretKey> {
    Arc::new(SecretKey::from_seed(KeyId([number; 8]), [number; 32].into()).unwrap())
}

fn trusting(repository: backup_repository::Repository) -> backup_repository::Repository {
    repository.with_trust(TrustedKeys::new(vec![key(1).public().clone()]).unwrap())
}

#[tokio::test]
async fn recipients_that_somebody_else_adds_to_the_stored_key_are_noticed_where_keys_are_trusted() {
    let (vault, _) = Vault::with(&small()).await;
    let reader = trusting(vault.locked().await);
    let unsigned = reader.stored_key_signed().await.unwrap_err();
    assert!(matches!(unsigned, RepositoryError::Untrusted { .. }), "{unsigned:?}");
    let operator = vault.writer().await.with_signer(key(1));
    operator.store_key(&vault.key, &*vault.recipients).await.unwrap();
    assert_eq!(reader.stored_key_signed().await.unwrap(), Signed::By(KeyId([1; 8])));
    let nobody = vault.locked().await.stored_key_signed().await.unwrap();
    assert_eq!(nobody, Signed::Unchecked(KeyId([1; 8])));

    // Who has the repository key wraps it for one more, and signs with a key of their own.
    let more = [vault.key.recipients(), &[Person::new().recipient]].concat();
    let recipients = AgeRecipients::parse(&more).unwrap();
    let forged = vault.key.clone().with_recipients(more).unwrap();
    for thief in [vault.writer().await, vault.writer().await.with_signer(key(2))] {
        thief.store_key(&forged, &recipients).await.unwrap();
        let refused = reader.stored_key_signed().await.unwrap_err();
        assert!(matches!(refused, RepositoryError::Untrusted { .. }), "{refused:?}");
    }
    let refused = trusting(vault.writer().await).store_key(&vault.key, &*vault.recipients).await.unwrap_err();
    assert!(matches!(refused, RepositoryError::Sign { .. }), "{refused:?}");
}

#[tokio::test]
async fn a_copy_takes_the_signature_of_the_stored_key_along() {
    let (vault, _) = Vault::with(&small()).await;
    let operator = vault.writer().await.with_signer(key(1));
    operator.store_key(&vault.key, &*vault.recipients).await.unwrap();
    let copy = Arc::new(vault.store.fork());
    for lost in [STORED, "keys/repository.age.minisig"] {
        copy.delete(&Path::from(lost)).await.unwrap();
    }
    let repaired = unlocked(&copy, Secrets::default()).await.unwrap();
    assert!(vault.locked().await.copy_stored_key(&repaired).await.unwrap());
    assert_eq!(trusting(repaired).stored_key_signed().await.unwrap(), Signed::By(KeyId([1; 8])));
}
