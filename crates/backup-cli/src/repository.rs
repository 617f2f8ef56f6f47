//! Opening repositories, and finding dumps in them.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use backup_console::{DumpArgs, Problem, RepositoryLocation, Session, Signer};
use backup_format::Config;
use backup_repository::{Dump, Repository, RepositoryError, Store};
use backup_seal::{Recipients, RepositoryKey};
use object_store::memory::InMemory;

/// Makes an empty repository of a version where nothing is. What is created can be read by its owner alone.
pub(crate) async fn create(
    location: &RepositoryLocation,
    version: u64,
    session: &Session,
) -> Result<Repository> {
    let empty = is_empty_place(location)?;
    let store = session.store(location, empty)?;
    match Repository::open(store.clone()).await {
        Err(RepositoryError::Location { .. }) => Ok(Repository::create_version(store, version).await?),
        opened => {
            let version = opened?.config().version();
            let text =
                format!("{location} is a repository of version {version} already; nothing was written");
            Err(Problem::Refused(text).into())
        }
    }
}

/// Makes an empty encrypted repository where nothing is.
pub(crate) async fn create_encrypted(
    location: &RepositoryLocation,
    (key, recipients): (&RepositoryKey, &Arc<dyn Recipients>),
    session: &Session,
) -> Result<Repository> {
    let empty = is_empty_place(location)?;
    let store = session.store(location, empty)?;
    match Repository::open(store.clone()).await {
        Err(RepositoryError::Location { .. }) => {
            Ok(Repository::create_encrypted(store, key, recipients).await?)
        }
        opened => {
            opened?;
            Err(Problem::Refused(format!("{location} is a repository already; nothing was written")).into())
        }
    }
}

/// Returns true unless it is known that there is no repository of this key.
pub(crate) async fn may_be_of(location: &RepositoryLocation, key: &RepositoryKey, session: &Session) -> bool {
    let Ok(store) = session.store(location, false) else { return true };
    match Repository::open(store).await {
        Ok(opened) => opened.config().repository_id() == key.repository(),
        Err(RepositoryError::Location { .. }) => false,
        Err(_) => true,
    }
}

/// A repository that a dump goes into.
pub(crate) struct Destination {
    /// The repository.
    pub(crate) repository: Repository,
    /// Whether this run has made it.
    is_new: bool,
    /// Its directory, if this run has made that too.
    directory: Option<PathBuf>,
}

impl Destination {
    /// Opens a repository, or creates one where nothing is. What is created can be read by its owner alone. For a dry run
    /// what is not there yet is made in memory.
    pub(crate) async fn open(
        location: &RepositoryLocation,
        dry_run: bool,
        session: &Session,
    ) -> Result<Self> {
        Self::open_with(location, dry_run, None, session).await
    }

    /// Does the same, and makes a repository that is created a copy of this one: with its config, and with what is stored for its recipients.
    pub(crate) async fn open_like(
        location: &RepositoryLocation,
        dry_run: bool,
        source: &Repository,
        session: &Session,
    ) -> Result<Self> {
        Self::open_with(location, dry_run, Some(source), session).await
    }

    async fn open_with(
        location: &RepositoryLocation,
        dry_run: bool,
        source: Option<&Repository>,
        session: &Session,
    ) -> Result<Self> {
        let config = source.map(|source| source.config().clone());
        if dry_run {
            return Ok(Self {
                repository: open_for_dry_run(location, config, session).await?,
                is_new: false,
                directory: None,
            });
        }
        let empty = is_empty_place(location)?;
        let directory = location.directory().filter(|directory| !directory.exists());
        if empty {
            check_creates(location, config.as_ref(), session)?;
        }
        let store = session.store(location, empty)?;
        let (repository, is_new) = match Repository::open(store.clone()).await {
            Err(RepositoryError::Location { .. }) => {
                check_creates(location, config.as_ref(), session)?;
                (create_like(store, config).await?, true)
            }
            opened => (opened?, false),
        };
        if let Some(source) = source.filter(|source| source.config() == repository.config()) {
            source.copy_stored_key(&repository).await?;
        }
        Ok(Self { repository: session.unlocked(repository).await?, is_new, directory })
    }

    /// Removes a repository that this run has made, because nothing is to be stored in it.
    pub(crate) async fn remove_if_new(self) {
        if self.is_new {
            let removed = self.repository.remove_if_unused().await.unwrap_or(false);
            if let (true, Some(directory)) = (removed, self.directory) {
                drop(std::fs::remove_dir(directory));
            }
        }
    }

    /// Signs what is written.
    pub(crate) fn signed_by(self, signer: &Signer) -> Self {
        Self { repository: signer.of(self.repository), ..self }
    }

    /// Passes a result on. After an error, a repository that this run has made is removed if nothing was stored in it.
    pub(crate) async fn keep_or_remove<T>(self, result: Result<T, RepositoryError>) -> Result<T> {
        if result.is_err() {
            // The error of the dump says more than one about this could.
            self.remove_if_new().await;
        }
        Ok(result?)
    }
}

/// Refuses to make a repository that is not encrypted for somebody who gives secrets of one that is.
fn check_creates(location: &RepositoryLocation, config: Option<&Config>, session: &Session) -> Result<()> {
    let secrets = session.secrets()?;
    let expects_encrypted = secrets.key.is_some() || secrets.identities.is_some();
    if expects_encrypted && !config.is_some_and(Config::is_encrypted) {
        let text = format!(
            "{location} is no repository, and what a backup makes is not encrypted, though a key of an encrypted one was given; \
             nothing was written. `kvbackup init` makes an encrypted one"
        );
        return Err(Problem::Refused(text).into());
    }
    Ok(())
}

async fn create_like(store: Store, config: Option<Config>) -> Result<Repository, RepositoryError> {
    match config {
        Some(config) => Repository::create(store, config).await,
        None => Repository::open_or_create(store).await,
    }
}

async fn open_for_dry_run(
    location: &RepositoryLocation,
    config: Option<Config>,
    session: &Session,
) -> Result<Repository> {
    if is_empty_place(location)? {
        let nothing = Store::new(Arc::new(InMemory::new()), object_store::path::Path::default());
        return Ok(create_like(nothing, config).await?);
    }
    session.repository(location).await
}

/// Finds the dump that is meant.
pub(crate) async fn find(repository: &Repository, args: &DumpArgs) -> Result<Dump> {
    Ok(repository.dump(&args.choice()).await?)
}

/// Checks that the newest dump of the namespace of a dump has at least this sequence, if one is expected.
pub(crate) async fn check_sequence(repository: &Repository, dump: &Dump, least: Option<u64>) -> Result<()> {
    if let Some(least) = least {
        repository.dumps().await?.check_sequence(Some(&dump.manifest.namespace), least)?;
    }
    Ok(())
}

/// Returns true if a repository may be made there: in a directory that is missing or empty. What stores elsewhere hold
/// is looked at when they are opened.
fn is_empty_place(location: &RepositoryLocation) -> Result<bool> {
    let Some(directory) = location.directory() else { return Ok(false) };
    match directory.read_dir() {
        Ok(mut files) => Ok(files.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error).with_context(|| format!("opening repository {location}")),
    }
}

/// Keeps what this process creates from now on from everybody but its owner.
pub(crate) fn keep_private() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
}
