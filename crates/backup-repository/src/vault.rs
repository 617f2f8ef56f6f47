//! What seals and what opens in an encrypted repository.
//!
//! Who writes has the repository key, and a data key that only recipients can unwrap. Who reads has the identity of one of them.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use backup_format::pack::WrappedKey;
use backup_format::{Config, Keys, Kind, Manifest, ObjectId, SealedInventory};
use backup_seal::{Aead, DataKey, Identities, KeyId, Recipients, RepositoryKey, SealError};
use bytes::Bytes;

use crate::codec::{Problem, Stored};
use crate::error::RepositoryError;
use crate::index::Location;
use crate::repository::Repository;
use crate::signed::{Signed, Statement};
use crate::store::{REPOSITORY_KEY, Store};

/// What reading needs.
pub(crate) const IDENTITY: &str = "the identity of a recipient";
/// What writing needs.
const KEY: &str = "the repository key";

/// The secrets of an encrypted repository that a process was given.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// The repository key, and those who may read what is written with it: what a writer needs.
    pub key: Option<(RepositoryKey, Arc<dyn Recipients>)>,
    /// The identities of recipients: what a reader needs.
    pub identities: Option<Arc<dyn Identities>>,
    /// How what is written is sealed; `None` means the way that is faster on this processor. Readers know both.
    pub aead: Option<Aead>,
}

impl Secrets {
    fn is_empty(&self) -> bool {
        self.key.is_none() && self.identities.is_none()
    }
}

/// Seals what one process writes.
#[derive(Debug)]
pub(crate) struct Sealer {
    key: DataKey,
    aead: Aead,
    wrapped: Arc<WrappedKey>,
    /// To be stored for the recipients, where that is missing.
    repository_key: (RepositoryKey, Arc<dyn Recipients>),
}

impl Sealer {
    fn new(
        (repository_key, recipients): (RepositoryKey, Arc<dyn Recipients>),
        aead: Option<Aead>,
    ) -> Result<Self, SealError> {
        let key = DataKey::generate()?;
        let wrapped = key.wrap(&*recipients, &repository_key.repository())?;
        let wrapped = Arc::new(WrappedKey { id: key.id().0, wrapped });
        let aead = aead.unwrap_or_else(Aead::fastest);
        Ok(Self { key, aead, wrapped, repository_key: (repository_key, recipients) })
    }
}

/// Opens what was sealed for the recipients of some identities.
#[derive(Debug)]
pub(crate) struct Opener {
    identities: Arc<dyn Identities>,
    repository: [u8; 16],
    known: Mutex<Known>,
}

/// What came of unwrapping data keys.
#[derive(Debug, Default)]
struct Known {
    unwrapped: HashMap<KeyId, DataKey>,
    /// Why what has this hash could not be unwrapped. What is wrong there may be right elsewhere under the same id of a key.
    refused: HashMap<blake3::Hash, SealError>,
}

impl Opener {
    /// `shared` are data keys that were unwrapped already.
    fn new(identities: Arc<dyn Identities>, repository: [u8; 16], shared: Vec<DataKey>) -> Self {
        let unwrapped = shared.into_iter().map(|key| (key.id(), key)).collect();
        let known = Mutex::new(Known { unwrapped, refused: HashMap::new() });
        Self { identities, repository, known }
    }

    /// Unwraps a data key, once.
    pub(crate) fn unwrap(&self, id: KeyId, wrapped: &[u8]) -> Result<DataKey, SealError> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = known().unwrapped.get(&id) {
            return Ok(key.clone());
        }
        let hash = blake3::hash(wrapped);
        if let Some(error) = known().refused.get(&hash) {
            return Err(error.clone());
        }
        let result = DataKey::unwrap(&*self.identities, &self.repository, id, wrapped);
        match &result {
            Ok(key) => drop(known().unwrapped.insert(id, key.clone())),
            Err(error) => drop(known().refused.insert(hash, error.clone())),
        }
        result
    }
}

/// Makes what the seal of a body covers beside it. All contexts have one length.
///
/// Of the id it has the first half: an index knows no more of a base. The whole id is checked when the plaintext is hashed.
fn context(kind: Kind, codec: u8, id: u128, plain_len: u64) -> Vec<u8> {
    let head = [b'k', b'v', b'b', b'2', kind as u8, codec];
    [head.as_slice(), &id.to_le_bytes(), &plain_len.to_le_bytes()].concat()
}

pub(crate) fn unfit(problem: impl Into<String>, source: Option<SealError>) -> RepositoryError {
    RepositoryError::Secret { problem: problem.into(), source }
}

/// Makes the error of a data key that cannot be unwrapped.
pub(crate) fn not_unwrapped(path: String, source: SealError) -> RepositoryError {
    let problem = match source {
        SealError::NoIdentity => {
            format!("the data key of {path} was not made for any of the identities that were given")
        }
        _ => format!("the data key of {path} cannot be unwrapped"),
    };
    unfit(problem, Some(source))
}

fn no_stored_key() -> RepositoryError {
    unfit(format!("there is no {REPOSITORY_KEY}; a repair restores it from a copy"), None)
}

impl Repository {
    /// Creates an encrypted repository where nothing is, with default targets. Its id is that of the key. The key itself is stored
    /// in `keys/repository.age`, for the same recipients. Where that fails and the config is there, the next backup stores it.
    ///
    /// # Errors
    ///
    /// As [`Repository::create`], and [`RepositoryError::Secret`] when the key cannot be wrapped.
    pub async fn create_encrypted(
        store: Store,
        key: &RepositoryKey,
        recipients: &Arc<dyn Recipients>,
    ) -> Result<Self, RepositoryError> {
        // Where a plugin of age is missing, nothing is begun.
        let failed = |source| unfit("the repository key cannot be wrapped for the recipients", Some(source));
        recipients.wrap(key.encode().as_bytes()).map_err(failed)?;
        let created = Self::create(store, Config::encrypted(key.repository(), key.check())).await?;
        let secrets = Secrets { key: Some((key.clone(), recipients.clone())), ..Secrets::default() };
        let unlocked = created.unlock(secrets).await?;
        unlocked.store_key(key, &**recipients).await?;
        Ok(unlocked)
    }

    /// Wraps a repository key for its recipients, and stores it in place of the one that is there. It is signed if there is a key to sign
    /// with.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Secret`] when it is not that of this repository, or cannot be wrapped; [`RepositoryError::Store`].
    pub async fn store_key(
        &self,
        key: &RepositoryKey,
        recipients: &dyn Recipients,
    ) -> Result<(), RepositoryError> {
        self.check_key(key)?;
        self.check_signs()?;
        let failed = |source| unfit("the repository key cannot be wrapped", Some(source));
        let wrapped = recipients.wrap(key.encode().as_bytes()).map_err(failed)?;
        let about = (ObjectId::of_file(&wrapped), 0);
        if let Some(signature) = self.sign(Statement::RepositoryKey, about, &wrapped)? {
            self.store.put(&Statement::RepositoryKey.path(about.0), signature.into()).await?;
        }
        self.store.put(REPOSITORY_KEY, wrapped.into()).await
    }

    /// Stores the repository key for its recipients where none is stored, as after a creation that was interrupted.
    pub(crate) async fn keep_stored_key(&self) -> Result<(), RepositoryError> {
        let Some(sealer) = &self.sealer else { return Ok(()) };
        match self.store.read(REPOSITORY_KEY, RepositoryKey::FILE_BYTES_MAX as u64).await? {
            Some(_) => Ok(()),
            None => self.store_key(&sealer.repository_key.0, &*sealer.repository_key.1).await,
        }
    }

    /// Copies what is stored for the recipients to another copy of this repository, where it is not there: the repository key, and data
    /// keys that were shared. Returns true if there was no repository key. It needs no secret.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Store`].
    pub async fn copy_stored_key(&self, to: &Self) -> Result<bool, RepositoryError> {
        self.copy_shared_keys(to).await?;
        match self.stored_key_for(&to.store).await? {
            Some(stored) => {
                let signature = Statement::RepositoryKey.path(ObjectId::of_file(&stored));
                if let Some(signed) = self.read_signature(&signature).await? {
                    to.store.put(&signature, signed.into()).await?;
                }
                to.store.put(REPOSITORY_KEY, stored.into()).await.map(|()| true)
            }
            None => Ok(false),
        }
    }

    /// Returns the repository key that is stored for the recipients, if there is one and another copy of this repository lacks it.
    pub(crate) async fn stored_key_for(&self, to: &Store) -> Result<Option<Bytes>, RepositoryError> {
        let limit = RepositoryKey::FILE_BYTES_MAX as u64;
        if !self.config.is_encrypted() || to.read(REPOSITORY_KEY, limit).await?.is_some() {
            return Ok(None);
        }
        self.store.read(REPOSITORY_KEY, limit).await
    }

    /// Takes the secrets that were given for this repository, and checks that they fit it.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Secret`] when they are for another repository, or this one is not encrypted: somebody may have put it in the
    /// place of one that was.
    pub async fn unlock(mut self, secrets: Secrets) -> Result<Self, RepositoryError> {
        if secrets.is_empty() {
            return Ok(self);
        }
        if !self.config.is_encrypted() {
            let problem = "it is not encrypted; what is written to it could be read by anybody";
            return Err(unfit(problem, None));
        }
        if let Some(identities) = secrets.identities {
            let key = self.read_key(&*identities).await?;
            self.keys = Some(Keys::derive_secret(key.secret()));
            let shared = self.shared_keys(&*identities).await?;
            self.opener = Some(Arc::new(Opener::new(identities, self.config.repository_id(), shared)));
        }
        if let Some(key) = secrets.key {
            self.check_key(&key.0)?;
            self.keys = Some(Keys::derive_secret(key.0.secret()));
            let sealer = Sealer::new(key, secrets.aead);
            let failed = |source| unfit("the data key cannot be wrapped for the recipients", Some(source));
            self.sealer = Some(Arc::new(sealer.map_err(failed)?));
        }
        Ok(self)
    }

    /// Reads the repository key that is stored for the recipients.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Secret`] when there is none, when it was not made for these identities, or is that of another repository.
    pub async fn read_key(&self, identities: &dyn Identities) -> Result<RepositoryKey, RepositoryError> {
        let Some(wrapped) = self.store.read(REPOSITORY_KEY, RepositoryKey::FILE_BYTES_MAX as u64).await?
        else {
            return Err(no_stored_key());
        };
        let failed = |source| {
            let problem = match source {
                SealError::NoIdentity => "the identities that were given are not those of its recipients",
                _ => "the repository key that is stored in keys/repository.age cannot be used",
            };
            unfit(problem, Some(source))
        };
        let text = identities.unwrap(&wrapped).map_err(failed)?;
        let key = RepositoryKey::decode(&text).map_err(failed)?;
        self.check_key(&key)?;
        Ok(key)
    }

    /// Says who signed the repository key that is stored for the recipients, and so who they are.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Untrusted`] when there are trusted keys, and none of them did; [`RepositoryError::Secret`] when no key is stored.
    pub async fn stored_key_signed(&self) -> Result<Signed, RepositoryError> {
        let limit = RepositoryKey::FILE_BYTES_MAX as u64;
        let Some(stored) = self.store.read(REPOSITORY_KEY, limit).await? else { return Err(no_stored_key()) };
        let about = (ObjectId::of_file(&stored), 0);
        self.check_signature(Statement::RepositoryKey, about, (&stored, true)).await
    }

    fn check_key(&self, key: &RepositoryKey) -> Result<(), RepositoryError> {
        let (found, expected) = (key.repository(), self.config.repository_id());
        if found != expected || self.config.key_check() != Some(key.check()) {
            let hex = |id: [u8; 16]| format!("{:032x}", u128::from_be_bytes(id));
            let problem = format!(
                "the repository key is that of repository {}, and this one is {}",
                hex(found),
                hex(expected)
            );
            return Err(unfit(problem, None));
        }
        Ok(())
    }

    /// Returns true if the content cannot be read: it is sealed, and no identity was given.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.config.is_encrypted() && self.opener.is_none()
    }

    /// Refuses what needs the content of dumps, where that is sealed and no identity was given.
    pub(crate) fn check_opens(&self, doing: &'static str) -> Result<(), RepositoryError> {
        if self.is_locked() { Err(RepositoryError::locked(doing, IDENTITY)) } else { Ok(()) }
    }

    /// Returns the keys that name objects and place cuts.
    pub(crate) fn keys(&self) -> Result<&Keys, RepositoryError> {
        let needs = "the repository key, or the identity of a recipient";
        self.keys.as_ref().ok_or_else(|| RepositoryError::locked("naming objects", needs))
    }

    /// Refuses to write dumps without the repository key.
    pub(crate) fn check_seals(&self) -> Result<(), RepositoryError> {
        match self.config.is_encrypted() && self.sealer.is_none() {
            true => Err(RepositoryError::locked("writing a dump", KEY)),
            false => Ok(()),
        }
    }

    /// Refuses what writes records of a job: keys stand in them.
    pub(crate) fn check_records(&self) -> Result<(), RepositoryError> {
        match self.config.is_encrypted() {
            true => Err(unfit(
                "a dump of an encrypted repository is made by one process: records of a job are not encrypted",
                None,
            )),
            false => Ok(()),
        }
    }

    /// Seals the stored bytes of an object, where the repository is encrypted. What is `clear` stands before them.
    pub(crate) fn seal(
        &self,
        (kind, id, plain_len): (Kind, ObjectId, u64),
        clear: &[u8],
        stored: Stored,
    ) -> Result<Stored, RepositoryError> {
        if !self.config.is_encrypted() {
            return Ok(stored);
        }
        let Some(sealer) = &self.sealer else {
            return Err(RepositoryError::locked("storing an object", KEY));
        };
        let codec = stored.codec.number(stored.base.is_some());
        let context = context(kind, codec, id.prefix(), plain_len);
        let sealed = sealer.key.seal(sealer.aead, &context, clear, &stored.bytes);
        let failed = |source| unfit(format!("{kind} {id} cannot be sealed"), Some(source));
        let seal = Some((sealer.aead.number(), sealer.wrapped.clone()));
        Ok(Stored { bytes: sealed.map_err(failed)?, seal, ..stored })
    }

    /// Unwraps the data key that a body is sealed with; `None` where nothing is.
    pub(crate) fn data_key(
        &self,
        place: &Location,
        key: Option<&Arc<WrappedKey>>,
    ) -> Result<Option<DataKey>, RepositoryError> {
        if place.seal.is_none() {
            return Ok(None);
        }
        let Some(opener) = &self.opener else {
            return Err(RepositoryError::locked("reading content", IDENTITY));
        };
        let key = key.ok_or(RepositoryError::Stopped)?;
        let path = || Store::pack_path(place.pack);
        opener.unwrap(KeyId(key.id), &key.wrapped).map(Some).map_err(|source| not_unwrapped(path(), source))
    }

    /// Opens the body of an object. `clear` is what stands before it.
    pub(crate) fn open_body(
        &self,
        place: &Location,
        key: Option<&DataKey>,
        (clear, sealed): (&[u8], &[u8]),
    ) -> Result<Vec<u8>, Problem> {
        let problem = |problem: &str| Problem { problem: problem.to_owned(), source: None };
        let (Some(key), Some((aead, _))) = (key, place.seal) else {
            return Err(problem("it is not sealed, as all is in an encrypted repository"));
        };
        let aead = Aead::from_number(aead).ok_or_else(|| problem("its aead is not known"))?;
        let codec = place.codec.number(place.is_patch());
        let context = context(place.kind(), codec, place.id, place.plain_len);
        key.open(aead, &context, clear, sealed).map_err(|error| problem(&error.to_string()))
    }

    /// Seals the inventory of a manifest, where the repository is encrypted.
    pub(crate) fn seal_manifest(&self, mut manifest: Manifest) -> Result<Manifest, RepositoryError> {
        let Some(sealer) = &self.sealer else {
            self.check_seals()?;
            return Ok(manifest);
        };
        let Some(inventory) = &manifest.inventory else { return Err(RepositoryError::Stopped) };
        let failed = |source| unfit("the manifest cannot be sealed", Some(source));
        let (context, plaintext) = (manifest.seal_context(), inventory.encode());
        let body = sealer.key.seal(sealer.aead, &context, &[], &plaintext).map_err(failed)?;
        let WrappedKey { id, wrapped } = &*sealer.wrapped;
        let (aead, wrapped) = (sealer.aead.number(), wrapped.clone());
        manifest.sealed = Some(SealedInventory { aead, key: *id, wrapped, body });
        manifest.requires.insert(0, Manifest::ENCRYPTED.to_owned());
        Ok(manifest)
    }

    /// Opens the inventory of a manifest, where the identities that were given can. Without one it stays sealed.
    pub(crate) fn open_manifest(&self, path: &str, manifest: &mut Manifest) -> Result<(), RepositoryError> {
        let damaged = |source| RepositoryError::Damaged { path: path.to_owned(), source };
        let field = |found: &str, expected| backup_format::FormatError::Field {
            file: "manifest",
            field: "sealed",
            found: found.to_owned(),
            expected,
        };
        if manifest.sealed.is_some() != self.config.is_encrypted() {
            let found = if manifest.sealed.is_some() { "there" } else { "missing" };
            return Err(damaged(field(found, "one in an encrypted repository, and none in others")));
        }
        let (Some(opener), Some(sealed)) = (&self.opener, &manifest.sealed) else { return Ok(()) };
        let key = match opener.unwrap(KeyId(sealed.key), &sealed.wrapped) {
            Err(SealError::NoIdentity) => return Ok(()),
            key => key.map_err(|source| not_unwrapped(path.to_owned(), source))?,
        };
        let opened = Aead::from_number(sealed.aead)
            .and_then(|aead| key.open(aead, &manifest.seal_context(), &[], &sealed.body).ok())
            .ok_or_else(|| damaged(field("altered", "what was sealed with this manifest")))?;
        manifest.open(&opened).map_err(damaged)
    }
}
