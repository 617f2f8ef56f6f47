//! A repository that somebody put in the place of another one.

use std::sync::Arc;

use backup_format::{Config, ErrorClass};
use backup_repository::{DumpChoice, Repository, RepositoryError, Secrets, Store};
use backup_seal::{AgeRecipients, RepositoryKey};
use backup_sign::{KeyId, SecretKey, TrustedKeys};
use backup_testkit::{Faults, FaultyStore};
use object_store::memory::InMemory;
use object_store::path::Path;

use super::{Person, Vault, back_up, place, read, restored, small, text, unlocked, write};
use crate::support::{files, namespace, options, repository};

fn refused<T>(result: Result<T, RepositoryError>, says: &str) {
    let error = result.map(drop).expect_err(says);
    assert_eq!(error.class(), ErrorClass::Refused, "{error:?}");
    assert!(text(&error).contains(says), "{}", text(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_a_key_or_an_identity_takes_no_repository_that_is_not_encrypted() {
    let vault = Vault::new().await;
    let plain: Arc<InMemory> = Arc::default();
    repository(&plain).await;
    let says = "it is not encrypted; what is written to it could be read by anybody";
    refused(unlocked(&plain, vault.key_only()).await, says);
    refused(unlocked(&plain, vault.operations.secrets()).await, says);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_another_repository_is_refused_before_anything_is_read() {
    let (vault, _) = Vault::with(&small()).await;
    let stranger = Vault::of([8; 16], (Person::new(), Person::new())).await;
    refused(vault.unlocked(stranger.key_only()).await, "the repository key is that of repository 0808");
    // And another secret for the same repository.
    let twin = Vault::of([7; 16], (Person::new(), Person::new())).await;
    refused(vault.unlocked(twin.key_only()).await, "the repository key is");
    let says = "the identities that were given are not those of its recipients";
    refused(vault.unlocked(stranger.operations.secrets()).await, says);
}

/// Returns how many requests it takes to find that secrets are wrong.
async fn requests(vault: &Vault, secrets: Secrets) -> (u64, String) {
    let faults = Arc::new(Faults::none());
    let faulty = Arc::new(FaultyStore::new(vault.store.clone(), faults.clone()));
    let opened = Repository::open(Store::new(faulty, Path::default())).await.unwrap();
    let before = faults.operations();
    let error = opened.unlock(secrets).await.unwrap_err();
    (faults.operations() - before, text(&error))
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_secrets_are_found_at_the_start_and_the_message_tells_nothing_of_the_right_ones() {
    let (vault, _) = Vault::with(&small()).await;
    let wrong = Vault::of([7; 16], (Person::new(), Person::new())).await;
    let (reads, by_identity) = requests(&vault, wrong.operations.secrets()).await;
    assert_eq!(reads, 1);
    let (reads, by_key) = requests(&vault, wrong.key_only()).await;
    assert_eq!(reads, 0);
    let secrets = [&vault, &wrong].map(|vault| {
        let hex: String = vault.key.secret().iter().map(|byte| format!("{byte:02x}")).collect();
        [hex, vault.operations.recipient.clone(), vault.offline.recipient.clone()]
    });
    for message in [by_identity, by_key] {
        for secret in secrets.iter().flatten() {
            assert!(!message.contains(&secret[..16]), "{message}");
        }
    }
}

/// Puts `keys/repository.age` and the config of one repository into another one.
async fn replace_key(vault: &Vault, stranger: &Vault, with_config: bool) {
    let paths = [Path::from("keys/repository.age"), Path::from("config.json")];
    for path in &paths[..if with_config { 2 } else { 1 }] {
        write(&vault.store, path, read(&stranger.store, path).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_key_that_was_replaced_is_refused() {
    let (vault, _) = Vault::with(&small()).await;
    let people = (vault.operations.clone(), vault.offline.clone());
    // Who knows the recipients can wrap something for them.
    let stranger = Vault::of([7; 16], people.clone()).await;
    replace_key(&vault, &stranger, false).await;
    refused(vault.unlocked(vault.operations.secrets()).await, "the repository key is");
    // What is wrapped need not be a key.
    let recipients = AgeRecipients::parse(std::slice::from_ref(&people.0.recipient)).unwrap();
    let wrap = |text: &[u8]| backup_seal::Recipients::wrap(&recipients, text).unwrap();
    for rubbish in [wrap(b""), wrap(b"rubbish\n"), wrap(&[0; 60_000]), b"rubbish".to_vec(), vec![0; 60_000]] {
        write(&vault.store, &Path::from("keys/repository.age"), rubbish).await;
        let says = "the repository key that is stored in keys/repository.age cannot be used";
        refused(vault.unlocked(vault.operations.secrets()).await, says);
    }
    // One that is too long is not read.
    write(&vault.store, &Path::from("keys/repository.age"), vec![0; 1 << 20]).await;
    let error = vault.unlocked(vault.operations.secrets()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Damaged, "{error:?}");
}

/// An identity alone says what can be opened, and nothing of who wrote it.
#[tokio::test(flavor = "multi_thread")]
async fn a_whole_repository_of_somebody_who_knows_the_recipients_is_refused_by_the_key_and_by_trusted_keys() {
    let (vault, dump) = Vault::with(&small()).await;
    let people = (vault.operations.clone(), vault.offline.clone());
    let stranger = Vault::of([7; 16], people).await;
    replace_key(&vault, &stranger, true).await;
    let forged = back_up(&stranger.writer().await, &small()).await;
    for (path, bytes) in files(&stranger.store).await {
        write(&vault.store, &path, bytes).await;
    }
    let reader = vault.reader().await;
    assert_eq!(restored(&reader, &forged).await.unwrap(), small());
    // What was there before is noticed: its ids are of another key.
    assert_eq!(restored(&reader, &dump).await.unwrap_err().class(), ErrorClass::Damaged);
    refused(vault.unlocked(vault.key_only()).await, "the repository key is");
    let key = SecretKey::from_seed(KeyId([1; 8]), [1; 32].into()).unwrap();
    let trusting = reader.with_trust(TrustedKeys::new(vec![key.public().clone()]).unwrap());
    refused(trusting.dump(&DumpChoice::Id(forged.id.to_string())).await, "it is not signed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_replaced_while_it_is_written_gets_no_dump() {
    let vault = Vault::new().await;
    let writer = vault.writer().await;
    let plain = Config::new([7; 16], [9; 16]).with_targets(512, 8 << 10, 4 << 10);
    write(&vault.store, &Path::from("config.json"), plain.encode()).await;
    let error = writer.backup(&namespace(&small()), options(2, 1)).await.unwrap_err();
    let expected = matches!(error, RepositoryError::Changed { .. } | RepositoryError::ConfigLost { .. });
    assert!(expected, "{error:?}");
    assert!(super::paths(&vault.store, "manifests/").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn new_recipients_read_what_is_written_from_then_on_and_the_old_ones_what_was_before() {
    let (vault, before) = Vault::with(&small()).await;
    let (new, spare) = (Person::new(), Person::new());
    let given = vec![new.recipient.clone(), spare.recipient.clone()];
    let recipients: Arc<dyn backup_seal::Recipients> = Arc::new(AgeRecipients::parse(&given).unwrap());
    let key: RepositoryKey = vault.key.clone().with_recipients(given).unwrap();
    vault.writer().await.store_key(&key, &*recipients).await.unwrap();
    let secrets = Secrets { key: Some((key, recipients)), ..Secrets::default() };
    let content = crate::support::content(91);
    let after = back_up(&vault.unlocked(secrets).await.unwrap(), &content).await;
    let reader = vault.unlocked(new.secrets()).await.unwrap();
    super::assert_restores(&reader, &after, &content).await;
    let says = "was not made for any of the identities that were given";
    refused(restored(&reader, &before).await, says);
    // Both identities together read all. The old one alone does not even get the repository key, but for who kept it.
    refused(vault.unlocked(vault.operations.secrets()).await, "are not those of its recipients");
    // A list shows what it can open, and the rest as it stands in clear.
    let dumps = reader.dumps().await.unwrap();
    assert_eq!((dumps.good.len(), dumps.damaged.len()), (2, 0));
    let opened: Vec<_> = dumps.good.iter().map(|dump| dump.manifest.inventory.is_some()).collect();
    assert_eq!(opened, [false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_with_something_else_in_it_gets_no_encrypted_repository() {
    let vault = Vault::new().await;
    let store: Arc<InMemory> = Arc::default();
    write(&store, &Path::from("something"), "else").await;
    let created = Repository::create_encrypted(place(&store), &vault.key, &vault.recipients).await;
    assert!(matches!(created.unwrap_err(), RepositoryError::Location { .. }));
    assert_eq!(files(&store).await.len(), 1);
}
