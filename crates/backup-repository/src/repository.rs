//! A repository: its config, its objects, its dumps.

use std::str::FromStr;
use std::sync::Arc;

use backup_format::{Config, Keys, Manifest, ObjectId, limits};
use futures::{StreamExt, TryStreamExt};

use crate::error::RepositoryError;
use crate::index::Index;
use crate::latest;
use crate::store::{CONFIG, Store};

/// Manifests are read this many at a time.
const READS: usize = 16;

/// An open repository.
#[derive(Clone, Debug)]
pub struct Repository {
    pub(crate) store: Arc<Store>,
    pub(crate) config: Arc<Config>,
    pub(crate) keys: Keys,
}

/// A dump that can be read, as far as its manifest goes.
#[derive(Clone, Debug)]
pub struct Dump {
    /// Its id: the name of its manifest.
    pub id: ObjectId,
    /// Its manifest.
    pub manifest: Manifest,
}

/// All dumps of a repository.
#[derive(Debug)]
pub struct Dumps {
    /// Those whose manifests are good, the earliest first.
    pub good: Vec<Dump>,
    /// Those whose manifests are damaged, with the reasons.
    pub damaged: Vec<(ObjectId, RepositoryError)>,
    /// Those whose manifests are of a later version of the format, with what they ask for.
    pub unsupported: Vec<(ObjectId, RepositoryError)>,
}

/// Which dump of a repository is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DumpChoice {
    /// The one that was finished last, where that is certain.
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
    /// [`RepositoryError::Location`] when there is none, [`RepositoryError::Damaged`] when its config is wrong.
    pub async fn open(store: Store) -> Result<Self, RepositoryError> {
        match Self::read(&store).await? {
            Some(config) => Ok(Self::with_config(store, config)),
            None => Err(RepositoryError::Location {
                location: store.to_string(),
                problem: "there is no config.json, so this is no repository; is the path right?".to_owned(),
            }),
        }
    }

    /// Opens the repository in a store, or creates one where nothing is, with default targets and random salts.
    ///
    /// # Errors
    ///
    /// As [`Repository::open`], and [`RepositoryError::Location`] when something other than a repository is there.
    pub async fn open_or_create(store: Store) -> Result<Self, RepositoryError> {
        if let Some(config) = Self::read(&store).await? {
            return Ok(Self::with_config(store, config));
        }
        let (mut name, mut salt) = ([0; 16], [0; 16]);
        for bytes in [&mut name, &mut salt] {
            getrandom::fill(bytes).map_err(|source| RepositoryError::Random { source })?;
        }
        match Self::create(store.clone(), Config::new(name, salt)).await {
            // Somebody else may have begun a moment earlier.
            Err(error @ RepositoryError::Location { .. }) => match Self::read(&store).await? {
                Some(config) => Ok(Self::with_config(store, config)),
                None => Err(error),
            },
            result => result,
        }
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
        Self::open(store).await
    }

    async fn read(store: &Store) -> Result<Option<Config>, RepositoryError> {
        let Some(json) = store.read(CONFIG, limits::MANIFEST_BYTES_MAX).await? else { return Ok(None) };
        let config = Config::decode(&json);
        config.map(Some).map_err(|source| RepositoryError::file(CONFIG.to_owned(), source))
    }

    fn with_config(store: Store, config: Config) -> Self {
        let keys = config.keys();
        Self { store: Arc::new(store), config: Arc::new(config), keys }
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
        let ids = self.store.manifests().await?;
        let mut read = futures::stream::iter(ids)
            .map(|(id, _)| async move { Ok::<_, RepositoryError>((id, self.read_manifest(id).await)) })
            .buffered(READS);
        let mut dumps = Dumps { good: Vec::new(), damaged: Vec::new(), unsupported: Vec::new() };
        while let Some((id, manifest)) = read.try_next().await? {
            match manifest {
                Ok(manifest) => dumps.good.push(Dump { id, manifest }),
                Err(error @ RepositoryError::Store { .. }) => return Err(error),
                Err(error @ RepositoryError::Unsupported { .. }) => dumps.unsupported.push((id, error)),
                Err(error) => dumps.damaged.push((id, error)),
            }
        }
        latest::sort(&mut dumps.good);
        Ok(dumps)
    }

    /// Reads the manifest of one dump.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::NoDump`] when there is no such dump, or the digits fit several; when the latest is meant,
    /// [`RepositoryError::Uncertain`] while any manifest cannot be read, and [`RepositoryError::NoLatest`] when the dumps are of
    /// several namespaces or origins, or a time is not plausible; [`RepositoryError::Damaged`], [`RepositoryError::WrongName`] or
    /// [`RepositoryError::Unsupported`] when that of the dump is.
    pub async fn dump(&self, choice: &DumpChoice) -> Result<Dump, RepositoryError> {
        match choice {
            DumpChoice::Latest => latest::choose(self.dumps().await?),
            DumpChoice::Id(digits) => {
                let all = self.store.manifests().await?;
                let fitting: Vec<_> =
                    all.iter().filter(|(id, _)| id.to_string().starts_with(digits)).collect();
                match fitting.as_slice() {
                    [(id, _)] => Ok(Dump { id: *id, manifest: self.read_manifest(*id).await? }),
                    [] => Err(no_dump(format!(
                        "there is no dump {digits} in this repository; list shows those there are"
                    ))),
                    _ => {
                        Err(no_dump(format!("{} dumps begin with {digits}; give more digits", fitting.len())))
                    }
                }
            }
        }
    }

    /// Checks that the repository is the one that was opened, and still has these packs in their lengths.
    pub(crate) async fn check_unchanged(&self, packs: &[(ObjectId, u64)]) -> Result<(), RepositoryError> {
        let changed = |problem| Err(RepositoryError::Changed { problem });
        match Self::read(&self.store).await {
            Ok(Some(config)) if config == *self.config => {}
            Ok(None) => return changed(format!("{} has no {CONFIG}", self.store)),
            Ok(Some(_)) | Err(RepositoryError::Damaged { .. } | RepositoryError::Unsupported { .. }) => {
                return changed(format!("{CONFIG} is another one"));
            }
            Err(error) => return Err(error),
        }
        // They are listed in the order of their names.
        let found = self.store.packs().await?;
        let missing = packs.iter().find(|pack| found.binary_search(pack).is_err());
        match missing {
            Some((pack, len)) => changed(format!("{} of {len} bytes is not there", Store::pack_path(*pack))),
            None => Ok(()),
        }
    }

    async fn read_manifest(&self, id: ObjectId) -> Result<Manifest, RepositoryError> {
        let path = Store::manifest_path(id);
        let Some(json) = self.store.read(&path, limits::MANIFEST_BYTES_MAX).await? else {
            return Err(no_dump(format!("{path} is gone")));
        };
        match ObjectId::of_file(&json) {
            found if found == id => {}
            found => return Err(RepositoryError::WrongName { path, found }),
        }
        Manifest::decode(&json).map_err(|source| RepositoryError::file(path, source))
    }

    pub(crate) async fn index(&self) -> Result<Arc<Index>, RepositoryError> {
        Index::load(&self.store).await.map(Arc::new)
    }
}

pub(crate) fn no_dump(problem: String) -> RepositoryError {
    RepositoryError::NoDump { problem }
}
