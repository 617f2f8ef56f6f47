//! A repository: its config, its objects, its dumps.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use backup_format::{Config, FormatError, Inventory, Keys, Manifest, ObjectId, limits};
use backup_sign::{SecretKey, TrustedKeys};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};

use crate::clock::Clock;
use crate::config_copy;
use crate::error::RepositoryError;
use crate::index::Index;
use crate::latest;
use crate::signed::{Signed, Statement};
use crate::store::{CONFIG, Store};
use crate::tombstone;
use crate::twice::read_twice;
use crate::vault::{IDENTITY, Opener, Sealer};
use crate::warning::Unusable;

/// How often the config is read until two readings are equal.
const CONFIG_READINGS: u32 = 5;
/// Manifests are read this many at a time.
pub(crate) const READS: usize = 16;

/// An open repository.
#[derive(Clone, Debug)]
pub struct Repository {
    pub(crate) store: Arc<Store>,
    pub(crate) config: Arc<Config>,
    /// What names objects and places cuts; `None` where it is encrypted and nobody gave its key.
    pub(crate) keys: Option<Keys>,
    pub(crate) sealer: Option<Arc<Sealer>>,
    pub(crate) opener: Option<Arc<Opener>>,
    pub(crate) clock: Clock,
    /// Whose signatures count; `None`: none is checked.
    pub(crate) trust: Option<Arc<TrustedKeys>>,
    pub(crate) signer: Option<Arc<SecretKey>>,
}

/// A dump that can be read, as far as its manifest goes.
#[derive(Clone, Debug)]
pub struct Dump {
    /// Its id: the name of its manifest.
    pub id: ObjectId,
    /// Its manifest.
    pub manifest: Manifest,
}

impl Dump {
    /// Returns what is in the dump.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Secret`] where that is sealed, and was not opened.
    pub fn inventory(&self) -> Result<&Inventory, RepositoryError> {
        inventory_of(&self.manifest)
    }
}

/// Returns what is in the dump of a manifest, unless that is sealed and was not opened.
pub(crate) fn inventory_of(manifest: &Manifest) -> Result<&Inventory, RepositoryError> {
    let locked = || RepositoryError::locked("reading what is in a dump", IDENTITY);
    manifest.inventory.as_ref().ok_or_else(locked)
}

/// All dumps of a repository.
#[derive(Debug, Default)]
pub struct Dumps {
    /// Those whose manifests are good, by namespace; of each namespace the earliest first.
    pub good: Vec<Dump>,
    /// The good ones that say they were finished more than five minutes from now: a clock was wrong.
    pub future: Vec<ObjectId>,
    /// Those whose manifests are damaged, with the reasons.
    pub damaged: Vec<(ObjectId, RepositoryError)>,
    /// Those whose manifests are of a later version of the format, with what they ask for.
    pub unsupported: Vec<(ObjectId, RepositoryError)>,
    /// Those that no trusted key signed, with the reasons; empty without trusted keys.
    pub untrusted: Vec<(ObjectId, RepositoryError)>,
    /// Who signed the good ones.
    pub signed: BTreeMap<ObjectId, Signed>,
}

impl Dumps {
    /// Returns the good dumps, if there are no others.
    ///
    /// # Errors
    ///
    /// What `error` makes of the numbers of others, and of what is wrong with the first of them.
    pub(crate) fn certain(
        self,
        error: impl FnOnce(Unusable, Box<RepositoryError>) -> RepositoryError,
    ) -> Result<Vec<Dump>, RepositoryError> {
        let unusable = self.unusable();
        match self.damaged.into_iter().chain(self.unsupported).chain(self.untrusted).next() {
            Some((_, source)) => Err(error(unusable, Box::new(source))),
            None => Ok(self.good),
        }
    }

    /// Counts those that are not good.
    pub(crate) fn unusable(&self) -> Unusable {
        Unusable {
            damaged: self.damaged.len(),
            unsupported: self.unsupported.len(),
            untrusted: self.untrusted.len(),
        }
    }
}

/// Which dump of a repository is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DumpChoice {
    /// The one that follows all others, where that is certain: no other dump names it as previous, and its sequence is the
    /// largest of those. Times decide only between dumps of earlier programs, which have no sequence.
    #[default]
    Latest,
    /// The one whose id begins with these hex digits.
    Id(String),
}

impl FromStr for DumpChoice {
    type Err = String;

    /// Reads `latest`, or 4 to 64 lower-case hex digits.
    fn from_str(text: &str) -> Result<Self, String> {
        let hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match text {
            "latest" => Ok(Self::Latest),
            _ if hex && (4..=64).contains(&text.len()) => Ok(Self::Id(text.to_owned())),
            _ => Err(format!("{text:?}: expected latest, or the first 4 to 64 hex digits of a dump's id")),
        }
    }
}

impl Repository {
    /// Opens the repository in a store.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Location`] when there is none, [`RepositoryError::ConfigLost`] when there is one without a good config.
    pub async fn open(store: Store) -> Result<Self, RepositoryError> {
        match Self::find(&store).await? {
            Some(config) => Ok(Self::with_config(store, config)),
            None => Err(RepositoryError::Location {
                location: store.to_string(),
                problem: "there is no config.json, so this is no repository; is the path right?".to_owned(),
            }),
        }
    }

    /// Opens the repository in a store, or creates one of [`Config::DEFAULT_VERSION`] where nothing is, with default targets and random
    /// salts.
    ///
    /// # Errors
    ///
    /// As [`Repository::open`], and [`RepositoryError::Location`] when something other than a repository is there.
    pub async fn open_or_create(store: Store) -> Result<Self, RepositoryError> {
        if let Some(config) = Self::find(&store).await? {
            return Ok(Self::with_config(store, config));
        }
        match Self::create_version(store.clone(), Config::DEFAULT_VERSION).await {
            // Somebody else may have begun a moment earlier.
            Err(error @ RepositoryError::Location { .. }) => match Self::read(&store).await? {
                Some(config) => Ok(Self::with_config(store, config)),
                None => Err(error),
            },
            result => result,
        }
    }

    /// Creates a repository of a version, one of [`Config::VERSIONS`], where nothing is, with default targets and random salts.
    ///
    /// # Errors
    ///
    /// As [`Repository::create`].
    pub async fn create_version(store: Store, version: u64) -> Result<Self, RepositoryError> {
        let (mut name, mut salt) = ([0; 16], [0; 16]);
        for bytes in [&mut name, &mut salt] {
            getrandom::fill(bytes).map_err(|source| RepositoryError::Random { source })?;
        }
        Self::create(store, Config::new(name, salt).with_version(version)).await
    }

    /// Creates a repository with this config where nothing is. When somebody else creates one there at the same time, that
    /// one is opened, whatever its config.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Location`] when something is there.
    pub async fn create(store: Store, config: Config) -> Result<Self, RepositoryError> {
        if !store.is_empty().await? {
            return Err(RepositoryError::Location {
                location: store.to_string(),
                problem: "there are files, but no config.json; choose an empty place for a new repository"
                    .to_owned(),
            });
        }
        store.create(CONFIG, config.encode().into()).await?;
        let created = Self::open(store).await?;
        created.keep_config_copy().await?;
        Ok(created)
    }

    /// Reads the config; says what happened where it is lost.
    async fn find(store: &Store) -> Result<Option<Config>, RepositoryError> {
        let damage = match Self::read(store).await {
            Ok(None) => None,
            Err(error @ RepositoryError::Damaged { .. }) => Some(error),
            found => return found,
        };
        let is_missing = damage.is_none();
        match config_copy::explain(store, damage).await? {
            None => Ok(None),
            // What speaks of a repository may be of one that somebody else created after the first look.
            Some(lost) if is_missing => Self::read(store).await?.map_or(Err(lost), |config| Ok(Some(config))),
            Some(lost) => Err(lost),
        }
    }

    pub(crate) async fn read(store: &Store) -> Result<Option<Config>, RepositoryError> {
        let Some(json) = Self::read_config(store).await? else { return Ok(None) };
        let config = Config::decode(&json);
        config.map(Some).map_err(|source| RepositoryError::file(CONFIG.to_owned(), source))
    }

    /// Reads the config until the same bytes came twice: it has no hash, and a wrong salt would make a dump that nobody can
    /// read.
    pub(crate) async fn read_config(store: &Store) -> Result<Option<Bytes>, RepositoryError> {
        let mut before = store.read(CONFIG, limits::MANIFEST_BYTES_MAX).await?;
        for reading in 1..=CONFIG_READINGS {
            if before.is_none() {
                return Ok(None);
            }
            let json = store.read(CONFIG, limits::MANIFEST_BYTES_MAX).await?;
            if json == before {
                if reading > 1 {
                    store.progress().read_again(CONFIG);
                }
                return Ok(json);
            }
            before = json;
        }
        let problem = format!("{CONFIG} came differently {CONFIG_READINGS} times");
        let source = FormatError::Malformed { object: "config", offset: 0, problem };
        let path = CONFIG.to_owned();
        let source = Box::new(RepositoryError::Damaged { path: path.clone(), source });
        Err(RepositoryError::Transit { path, source })
    }

    pub(crate) fn with_config(store: Store, config: Config) -> Self {
        let keys = config.keys();
        let (store, config) = (Arc::new(store), Arc::new(config));
        Self {
            store,
            config,
            keys,
            sealer: None,
            opener: None,
            clock: Clock::default(),
            trust: None,
            signer: None,
        }
    }

    /// Takes another clock than that of the system, for all that is done with the result.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Returns the config.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Reads all manifests.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Store`]; a manifest that cannot be read is no error, but listed as such.
    pub async fn dumps(&self) -> Result<Dumps, RepositoryError> {
        let (ids, signatures) = self.store.manifests_and_signatures().await?;
        let mut read = futures::stream::iter(ids)
            .map(|id| {
                let is_listed = signatures.contains(&id);
                async move { Ok::<_, RepositoryError>((id, self.signed_manifest(id, is_listed).await)) }
            })
            .buffered(READS);
        let mut dumps = Dumps::default();
        while let Some((id, manifest)) = read.try_next().await? {
            match manifest {
                Ok((manifest, signed)) => {
                    dumps.good.push(Dump { id, manifest });
                    dumps.signed.insert(id, signed);
                }
                Err(error @ (RepositoryError::Store { .. } | RepositoryError::Transit { .. })) => {
                    return Err(error);
                }
                // It was forgotten after it was listed.
                Err(RepositoryError::NoDump { .. }) => {}
                Err(error @ RepositoryError::Unsupported { .. }) => dumps.unsupported.push((id, error)),
                Err(error @ RepositoryError::Untrusted { .. }) => dumps.untrusted.push((id, error)),
                Err(error) => dumps.damaged.push((id, error)),
            }
        }
        latest::sort(&mut dumps.good);
        let now = self.clock.now();
        let future = dumps.good.iter().filter(|dump| latest::is_from_the_future(&dump.manifest, now));
        dumps.future = future.map(|dump| dump.id).collect();
        Ok(dumps)
    }

    /// Lists the packs; returns their number and the sum of their lengths. Where there is no dump, they are what an unfinished
    /// backup has left, and the next one uses them.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Store`].
    pub async fn packs(&self) -> Result<(u64, u64), RepositoryError> {
        let packs = self.store.packs().await?;
        Ok((packs.len() as u64, packs.iter().map(|(_, len)| *len).fold(0, u64::saturating_add)))
    }

    /// Removes the repository if nothing was ever stored in it but its config. Returns true if it did. A backup that
    /// begins at that moment notices, and makes no dump.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Store`].
    pub async fn remove_if_unused(self) -> Result<bool, RepositoryError> {
        let is_unused = self.store.holds_only_config().await?;
        if is_unused {
            self.remove_config().await?;
        }
        Ok(is_unused)
    }

    /// Reads the manifest of one dump.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::NoDump`] when there is no such dump, or the digits fit several. When the latest is meant,
    /// [`RepositoryError::Uncertain`] while any manifest cannot be read, and [`RepositoryError::NoLatest`] when the dumps are of
    /// several namespaces or origins, or another one may be later. [`RepositoryError::Damaged`], [`RepositoryError::WrongName`] or
    /// [`RepositoryError::Unsupported`] when that of the dump is. [`RepositoryError::Untrusted`] when no trusted key signed it.
    pub async fn dump(&self, choice: &DumpChoice) -> Result<Dump, RepositoryError> {
        match choice {
            DumpChoice::Latest => latest::choose(self.dumps().await?, self.clock.now()),
            DumpChoice::Id(digits) => {
                let (ids, signatures) = self.store.manifests_and_signatures().await?;
                let id = choose(ids.into_iter(), digits, ("dump", "list"))?;
                let (manifest, _) = self.signed_manifest(id, signatures.contains(&id)).await?;
                Ok(Dump { id, manifest })
            }
        }
    }

    /// Checks that the repository is the one that was opened.
    pub(crate) async fn check_unchanged(&self) -> Result<(), RepositoryError> {
        let changed = |problem| Err(RepositoryError::Changed { problem });
        match Self::read(&self.store).await {
            Ok(Some(config)) if config == *self.config => Ok(()),
            Ok(None) => changed(format!("{} has no {CONFIG}", self.store)),
            Ok(Some(_)) | Err(RepositoryError::Damaged { .. } | RepositoryError::Unsupported { .. }) => {
                changed(format!("{CONFIG} is another one"))
            }
            Err(error) => Err(error),
        }
    }

    /// Reads a manifest, and checks who signed it. Where no keys are trusted, a signature counts only if it is listed.
    pub(crate) async fn signed_manifest(
        &self,
        id: ObjectId,
        is_listed: bool,
    ) -> Result<(Manifest, Signed), RepositoryError> {
        let path = Store::manifest_path(id);
        let Some((manifest, json)) = self.read_manifest(&path, id).await? else {
            return Err(no_dump(format!("{path} is gone")));
        };
        let place = (id, manifest.sequence);
        let signed = self.check_signature(Statement::Dump, place, (&json, is_listed)).await?;
        Ok((manifest, signed))
    }

    /// Reads the manifest of a dump, and its bytes; `None` if there is no such file.
    pub(crate) async fn read_manifest(
        &self,
        path: &str,
        id: ObjectId,
    ) -> Result<Option<(Manifest, Bytes)>, RepositoryError> {
        let read = || self.store.read(path, limits::MANIFEST_BYTES_MAX);
        let decode = |json: Option<Bytes>| async move {
            let Some(json) = json else { return Ok(None) };
            match ObjectId::of_file(&json) {
                found if found == id => {}
                found => return Err(RepositoryError::WrongName { path: path.to_owned(), found }),
            }
            let manifest = Manifest::decode(&json);
            let mut manifest = manifest.map_err(|source| RepositoryError::file(path.to_owned(), source))?;
            self.open_manifest(path, &mut manifest)?;
            Ok(Some((manifest, json)))
        };
        read_twice(&self.store, path, read, decode).await
    }

    pub(crate) async fn index(&self) -> Result<Arc<Index>, RepositoryError> {
        Index::load(&self.store, self.config.pack_version()).await.map(Arc::new)
    }

    /// Reads the tables of all packs, and which of them a new dump must not rely on.
    pub(crate) async fn writer_index(&self) -> Result<Arc<Index>, RepositoryError> {
        let mut index = Index::load(&self.store, self.config.pack_version()).await?;
        index.condemn(&tombstone::condemned(&self.store).await?);
        Ok(Arc::new(index))
    }
}

/// Finds the one id that begins with these digits. `shows` is the command that shows what there is.
pub(crate) fn choose(
    ids: impl Iterator<Item = ObjectId>,
    digits: &str,
    (what, shows): (&str, &str),
) -> Result<ObjectId, RepositoryError> {
    let fitting: Vec<ObjectId> = ids.filter(|id| id.to_string().starts_with(digits)).collect();
    match fitting.as_slice() {
        [id] => Ok(*id),
        [] => Err(no_dump(format!(
            "there is no {what} {digits} in this repository; {shows} shows those there are"
        ))),
        _ => Err(no_dump(format!("{} dumps begin with {digits}; give more digits", fitting.len()))),
    }
}

pub(crate) fn no_dump(problem: String) -> RepositoryError {
    RepositoryError::NoDump { problem }
}
