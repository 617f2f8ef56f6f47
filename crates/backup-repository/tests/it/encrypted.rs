//! Encrypted repositories: who can do what with which key, and what who writes to the store cannot do.

mod creation;
mod flips;
mod foreign;
mod manifests;
mod objects;
mod plaintext;
mod rounds;
mod sealed_pack;
mod shared_keys;
mod sketch;
mod stored_key;
mod without_keys;

use std::sync::Arc;

use backup_format::{Config, DatabaseBackup, ErrorClass};
use backup_memory::MemoryNamespace;
use backup_repository::{Dump, Repository, RepositoryError, RestoreOptions, Secrets, Store};
use backup_seal::{AgeIdentities, AgeRecipients, Identities, Recipients, RepositoryKey};
use backup_testkit::{Content, Spec};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::support::{SEGMENT, files};

/// Somebody who can read.
#[derive(Clone)]
struct Person {
    recipient: String,
    identities: Arc<dyn Identities>,
}

impl Person {
    fn new() -> Self {
        let (file, recipient) = AgeIdentities::generate();
        let identities = AgeIdentities::decode(file.as_bytes()).expect("it was just made");
        Self { recipient, identities: Arc::new(identities) }
    }

    fn secrets(&self) -> Secrets {
        Secrets { identities: Some(self.identities.clone()), ..Secrets::default() }
    }
}

/// An encrypted repository, and those who use it.
struct Vault {
    store: Arc<InMemory>,
    key: RepositoryKey,
    recipients: Arc<dyn Recipients>,
    operations: Person,
    offline: Person,
}

impl Vault {
    async fn new() -> Self {
        Self::of([7; 16], (Person::new(), Person::new())).await
    }

    /// Makes one that these two can read.
    async fn of(repository: [u8; 16], persons: (Person, Person)) -> Self {
        Self::with_targets(repository, persons, [SEGMENT, 8 << 10, 4 << 10]).await
    }

    async fn with_targets(
        repository: [u8; 16],
        (operations, offline): (Person, Person),
        [segment, page, pack]: [u64; 3],
    ) -> Self {
        let given = vec![operations.recipient.clone(), offline.recipient.clone()];
        let recipients: Arc<dyn Recipients> = Arc::new(AgeRecipients::parse(&given).unwrap());
        let key = RepositoryKey::generate(repository, given).unwrap();
        let vault = Self { store: Arc::default(), key, recipients, operations, offline };
        let config = Config::encrypted(vault.key.repository(), vault.key.check());
        let config = config.with_targets(segment, page, pack);
        let created = Repository::create(place(&vault.store), config).await.unwrap();
        created.store_key(&vault.key, &*vault.recipients).await.unwrap();
        vault
    }

    /// A repository in whose packs a dump of `content` lies.
    async fn with(content: &Content) -> (Self, Dump) {
        let vault = Self::new().await;
        let dump = back_up(&vault.writer().await, content).await;
        (vault, dump)
    }

    fn key_only(&self) -> Secrets {
        Secrets { key: Some((self.key.clone(), self.recipients.clone())), ..Secrets::default() }
    }

    /// What a node has: the repository key.
    async fn writer(&self) -> Repository {
        self.unlocked(self.key_only()).await.unwrap()
    }

    /// What operations have: an identity.
    async fn reader(&self) -> Repository {
        self.unlocked(self.operations.secrets()).await.unwrap()
    }

    /// What a machine has that prunes: nothing.
    async fn locked(&self) -> Repository {
        self.unlocked(Secrets::default()).await.unwrap()
    }

    async fn unlocked(&self, secrets: Secrets) -> Result<Repository, RepositoryError> {
        unlocked(&self.store, secrets).await
    }
}

async fn unlocked(store: &Arc<InMemory>, secrets: Secrets) -> Result<Repository, RepositoryError> {
    Repository::open(place(store)).await?.unlock(secrets).await
}

fn place(store: &Arc<InMemory>) -> Store {
    let store: Arc<dyn ObjectStore> = store.clone();
    Store::new(store, Path::default())
}

/// A few packs with objects of both kinds.
fn small() -> Content {
    let spec = Spec { partitions: 6, entries: 4..=10, value_bytes: 20..=60, ..Spec::default() };
    Content::seeded(31, &spec)
}

async fn back_up(repository: &Repository, content: &Content) -> Dump {
    let made = crate::support::back_up(repository, &crate::support::namespace(content)).await;
    Dump { id: made.dump, manifest: made.manifest }
}

/// Restores, and returns what is there then.
async fn restored(repository: &Repository, dump: &Dump) -> Result<Content, RepositoryError> {
    let target = MemoryNamespace::new("restored");
    repository.restore(dump, &target, &RestoreOptions::default()).await?;
    let mut found = Content::default();
    let snapshot = target.snapshot().await.unwrap();
    for (root_key, key, value) in backup_testkit::read_all(&*snapshot).await.unwrap() {
        found.put(&root_key, &key, &value);
    }
    Ok(found)
}

async fn assert_restores(repository: &Repository, dump: &Dump, content: &Content) {
    let found = restored(repository, dump).await.unwrap();
    assert_eq!(content.difference(&found), None);
}

/// What who restores sees: the error and its causes.
fn text(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Reads must not give what was altered: they fail, or give what was there before.
async fn assert_not_fooled(repository: &Repository, dump: &Dump, content: &Content, what: &str) -> bool {
    match restored(repository, dump).await {
        Ok(found) => {
            assert_eq!(content.difference(&found), None, "{what}");
            false
        }
        Err(error) => {
            let class = error.class();
            assert!(matches!(class, ErrorClass::Damaged | ErrorClass::Refused), "{what}: {error:?}");
            true
        }
    }
}

async fn write(store: &InMemory, path: &Path, bytes: impl Into<Vec<u8>>) {
    store.put(path, bytes.into().into()).await.unwrap();
}

async fn read(store: &InMemory, path: &Path) -> Vec<u8> {
    store.get(path).await.unwrap().bytes().await.unwrap().to_vec()
}

/// Paths of the files below a folder.
async fn paths(store: &InMemory, folder: &str) -> Vec<Path> {
    let all = files(store).await.into_iter().map(|(path, _)| path);
    all.filter(|path| path.as_ref().starts_with(folder)).collect()
}
