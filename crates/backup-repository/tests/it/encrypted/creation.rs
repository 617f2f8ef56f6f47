//! A creation that is interrupted anywhere can be begun again, or what was begun can be used.

use std::sync::Arc;

use backup_repository::{RepairOptions, Repository, RepositoryError, Store};
use backup_testkit::{Fault, Faults, FaultyStore};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::{Vault, assert_restores, back_up, place, small, text, unlocked};

const STORED: &str = "keys/repository.age";

async fn create(
    vault: &Vault,
    store: &Arc<InMemory>,
    faults: Arc<Faults>,
) -> Result<Repository, RepositoryError> {
    let faulty: Arc<dyn ObjectStore> = Arc::new(FaultyStore::new(store.clone(), faults));
    let store = Store::new(faulty, Path::default());
    Repository::create_encrypted(store, &vault.key, &vault.recipients).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_request_a_creation_fails_at_the_repository_is_usable_or_can_be_created() {
    let (vault, content) = (Vault::new().await, small());
    let faults = Arc::new(Faults::none());
    create(&vault, &Arc::default(), faults.clone()).await.unwrap();
    let (mut begun, mut anew) = (0, 0);
    for fault in [Fault::Before, Fault::After] {
        for number in 0..faults.operations() {
            let store: Arc<InMemory> = Arc::default();
            let failing = Arc::new(Faults::nth(number, fault).lasting());
            create(&vault, &store, failing).await.expect_err("the store is gone");
            let writer = match unlocked(&store, vault.key_only()).await {
                Ok(writer) => {
                    begun += 1;
                    writer
                }
                Err(error) => {
                    assert!(matches!(error, RepositoryError::Location { .. }), "{error:?}");
                    anew += 1;
                    create(&vault, &store, Arc::new(Faults::none())).await.unwrap()
                }
            };
            let dump = back_up(&writer, &content).await;
            let reader = unlocked(&store, vault.operations.secrets()).await.unwrap();
            assert_restores(&reader, &dump, &content).await;
        }
    }
    assert!(begun > 0 && anew > 0, "{begun} {anew}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_key_that_was_lost_is_named_and_comes_back_with_a_backup_or_a_repair() {
    let content = small();
    let (vault, dump) = Vault::with(&content).await;
    let copy = Arc::new(vault.store.fork());
    vault.store.delete(&Path::from(STORED)).await.unwrap();
    let error = vault.unlocked(vault.operations.secrets()).await.unwrap_err();
    assert_eq!(text(&error), "there is no keys/repository.age; a repair restores it from a copy");
    let store = Arc::new(vault.store.fork());
    back_up(&unlocked(&store, vault.key_only()).await.unwrap(), &content).await;
    assert_restores(&unlocked(&store, vault.operations.secrets()).await.unwrap(), &dump, &content).await;
    let good = Repository::open(place(&copy)).await.unwrap();
    let options = RepairOptions::default();
    let repaired = Repository::repair(place(&vault.store), Some(&good), &options).await.unwrap();
    assert!(repaired.key_copied && repaired.lost.is_empty(), "{repaired:?}");
    assert_restores(&vault.reader().await, &dump, &content).await;
    let repaired = Repository::repair(place(&vault.store), Some(&good), &options).await.unwrap();
    assert!(repaired.is_untouched(), "{repaired:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_without_any_key_puts_back_packs_and_manifests() {
    let content = small();
    let (vault, dump) = Vault::with(&content).await;
    let good = Repository::open(place(&Arc::new(vault.store.fork()))).await.unwrap();
    let mut gone = super::paths(&vault.store, "packs/").await;
    gone.extend(super::paths(&vault.store, "manifests/").await);
    for path in &gone {
        vault.store.delete(path).await.unwrap();
    }
    let options = RepairOptions::default();
    let repaired = Repository::repair(place(&vault.store), Some(&good), &options).await.unwrap();
    assert!(repaired.lost.is_empty(), "{repaired:?}");
    assert_eq!(repaired.packs.len() + repaired.manifests.len(), gone.len());
    assert_restores(&vault.reader().await, &dump, &content).await;
}
