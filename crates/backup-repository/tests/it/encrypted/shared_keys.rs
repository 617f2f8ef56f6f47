//! Those who become recipients later: what they can read, and how the past becomes readable for them.

use backup_repository::CopyOptions;

use super::*;

/// Stores the key for a new recipient alone; shares the past first, with the identities of these secrets.
async fn replace_recipients(vault: &Vault, new: &Person, secrets: Option<Secrets>) -> Option<(u64, u64)> {
    let given = vec![new.recipient.clone()];
    let recipients = AgeRecipients::parse(&given).unwrap();
    let key = vault.key.clone().with_recipients(given).unwrap();
    let mut shared = None;
    if let Some(secrets) = secrets {
        let reader = vault.unlocked(secrets).await.unwrap();
        shared = Some(reader.share_keys(&recipients).await.unwrap());
    }
    vault.writer().await.store_key(&key, &recipients).await.unwrap();
    shared
}

#[tokio::test]
async fn a_new_recipient_reads_the_past_only_if_it_is_shared() {
    for is_shared in [false, true] {
        let (vault, dump) = Vault::with(&small()).await;
        // Two runs, each with a data key of its own.
        let mut more = small();
        more.put(b"more", b"key", b"value");
        let second = back_up(&vault.writer().await, &more).await;
        let new = Person::new();
        let secrets = is_shared.then(|| vault.operations.secrets());
        let shared = replace_recipients(&vault, &new, secrets).await;
        assert_eq!(shared, is_shared.then_some((2, 0)));
        let reader = vault.unlocked(new.secrets()).await.unwrap();
        for (made, content) in [(&dump, &small()), (&second, &more)] {
            let found = reader.dumps().await.unwrap().good;
            let found = found.into_iter().find(|dump| dump.id == made.id).unwrap();
            assert_eq!(found.manifest.inventory.is_some(), is_shared);
            match is_shared {
                true => assert_restores(&reader, &found, content).await,
                false => {
                    let error = restored(&reader, &found).await.unwrap_err();
                    assert_eq!(error.class(), ErrorClass::Refused);
                }
            }
        }
    }
}

#[tokio::test]
async fn the_past_is_shared_by_those_alone_who_can_read_it() {
    let (vault, _) = Vault::with(&small()).await;
    let to = AgeRecipients::parse(&[Person::new().recipient]).unwrap();
    for locked in [vault.locked().await, vault.writer().await] {
        let error = locked.share_keys(&to).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Refused);
        assert!(error.to_string().contains("the identity of a recipient"), "{error}");
    }
    // One who reads only what is newer says how much could not be shared.
    let new = Person::new();
    replace_recipients(&vault, &new, None).await;
    let reader = vault.unlocked(new.secrets()).await.unwrap();
    assert_eq!(reader.share_keys(&to).await.unwrap(), (0, 1));
}

#[tokio::test]
async fn a_damaged_file_of_shared_keys_keeps_nobody_else_from_reading() {
    let (vault, dump) = Vault::with(&small()).await;
    let new = Person::new();
    replace_recipients(&vault, &new, Some(vault.operations.secrets())).await;
    let shared: Vec<_> = files(&vault.store)
        .await
        .into_iter()
        .filter(|(path, _)| path.to_string().starts_with("keys/"))
        .collect();
    assert_eq!(shared.len(), 2);
    let (path, bytes) =
        shared.into_iter().find(|(path, _)| !path.to_string().contains("repository")).unwrap();
    for damaged in [Vec::new(), b"age-encryption.org/v1\n".to_vec(), vec![0; 100_000], bytes[..90].to_vec()] {
        vault.store.put(&Path::from(path.to_string()), damaged.into()).await.unwrap();
        let reader = vault.unlocked(new.secrets()).await.unwrap();
        let found = reader.dumps().await.unwrap().good.remove(0);
        assert_eq!((found.id, found.manifest.inventory), (dump.id, None));
    }
    vault.store.put(&Path::from(path.to_string()), bytes.clone().into()).await.unwrap();
    let reader = vault.unlocked(new.secrets()).await.unwrap();
    assert_restores(&reader, &reader.dumps().await.unwrap().good.remove(0), &small()).await;
}

#[tokio::test]
async fn a_copy_of_the_repository_has_what_was_shared() {
    let (vault, dump) = Vault::with(&small()).await;
    let new = Person::new();
    replace_recipients(&vault, &new, Some(vault.operations.secrets())).await;
    let locked = vault.locked().await;
    let store: Arc<InMemory> = Arc::default();
    let copy = Repository::create(place(&store), locked.config().clone()).await.unwrap();
    let dumps = locked.dumps().await.unwrap().good;
    assert!(locked.copy_to(&copy, &dumps, &CopyOptions::default()).await.unwrap().whole);
    let reader = unlocked(&store, new.secrets()).await.unwrap();
    let found = reader.dumps().await.unwrap().good.remove(0);
    assert_eq!(found.id, dump.id);
    assert_restores(&reader, &found, &small()).await;
}
