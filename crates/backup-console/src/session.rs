//! What all commands work with.

use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::Result;
use backup_repository::{Progress, Repository, Secrets, Store, open_location};
use backup_sign::TrustedKeys;
use backup_sources::{Engines, Opening, Source, Target};

use crate::args::ConsoleArgs;
use crate::keys;
use crate::location::RepositoryLocation;
use crate::output::Output;
use crate::progress::{Counter, Meter};
use crate::secrets;
use crate::times::Times;

/// The engines of a program, the options of engines that were given, where progress goes, and how stores are treated.
#[derive(Clone)]
#[non_exhaustive]
pub struct Session {
    /// The engines of the program.
    pub engines: Engines,
    /// The options of engines that were given.
    pub opening: Opening,
    /// What pumps send their events to.
    pub progress: Progress,
    /// Where counts go that are no events of pumps.
    pub counter: Counter,
    /// Whose signatures count; `None`: signatures are not checked.
    pub trust: Option<TrustedKeys>,
    console: ConsoleArgs,
}

impl Session {
    /// Puts together what was given on the command line, and reads the keys to trust. Progress is shown while `meter` lives.
    ///
    /// # Errors
    ///
    /// A key cannot be read, or `KVBACKUP_TRUST` names none.
    pub fn new(engines: &Engines, opening: Opening, console: &ConsoleArgs, meter: &Meter) -> Result<Self> {
        Ok(Self {
            engines: engines.clone(),
            opening,
            progress: meter.progress(),
            counter: meter.counter(),
            trust: keys::trusted(&console.trust)?,
            console: console.clone(),
        })
    }

    /// Returns what prints results before the command is done.
    #[must_use]
    pub fn output(&self) -> Output {
        Output::new(self.console.json, self.counter.clone())
    }

    /// Returns how times are written for people.
    #[must_use]
    pub fn times(&self) -> Times {
        Times::new(self.console.utc)
    }

    /// Returns the source that a command names.
    ///
    /// # Errors
    ///
    /// As [`Engines::source`].
    pub fn source(&self, locator: &OsStr) -> Result<Source> {
        Ok(self.engines.source(locator)?)
    }

    /// Returns the target that a command names.
    ///
    /// # Errors
    ///
    /// As [`Engines::target`].
    pub fn target(&self, locator: &OsStr) -> Result<Target> {
        Ok(self.engines.target(locator)?)
    }

    /// Opens the store of a repository, which need not be there. `create` makes its directory.
    ///
    /// # Errors
    ///
    /// As [`open_location`].
    pub fn store(&self, location: &RepositoryLocation, create: bool) -> Result<Store> {
        // Variables that are no text cannot be settings of a store.
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let ConsoleArgs { limit_upload, limit_download, store_patience, .. } = self.console;
        let store = open_location(location.as_os_str(), create, variables)?;
        let store = store.with_progress(self.progress.clone()).with_rates(limit_upload, limit_download);
        Ok(if location.directory().is_none() { store.with_patience(store_patience) } else { store })
    }

    /// Opens a repository that is there.
    ///
    /// # Errors
    ///
    /// As the repository reports them.
    pub async fn repository(&self, location: &RepositoryLocation) -> Result<Repository> {
        self.unlocked(Repository::open(self.store(location, false)?).await?).await
    }

    /// Opens a repository that is only read: without the key that writes, which may be that of another one.
    ///
    /// # Errors
    ///
    /// As [`Session::repository`].
    pub async fn repository_to_read(&self, location: &RepositoryLocation) -> Result<Repository> {
        let repository = self.trusting(Repository::open(self.store(location, false)?).await?);
        let secrets = Secrets { key: None, ..self.secrets()? };
        Ok(if repository.config().is_encrypted() { repository.unlock(secrets).await? } else { repository })
    }

    /// Reads what opens and what writes encrypted repositories; nothing, if nothing was named.
    ///
    /// # Errors
    ///
    /// A file cannot be read or is none, and [`Problem::Refused`](crate::Problem::Refused) when others than its owner may read it.
    pub fn secrets(&self) -> Result<Secrets> {
        secrets::read(&self.console.identity, self.repository_key_file().as_deref())
    }

    /// Returns the file of the repository key that was named, on the command line or else in the environment.
    #[must_use]
    pub fn repository_key_file(&self) -> Option<PathBuf> {
        secrets::key_file(self.console.repository_key.as_deref())
    }

    /// Returns the file that remembers which dumps were seen, if one was named on the command line or in `KVBACKUP_STATE`.
    #[must_use]
    pub fn state_file(&self) -> Option<PathBuf> {
        let variable =
            || std::env::var_os("KVBACKUP_STATE").filter(|path| !path.is_empty()).map(PathBuf::from);
        self.console.state.clone().or_else(variable)
    }

    /// Gives a repository that was opened the secrets and the keys to trust, if there are such.
    ///
    /// # Errors
    ///
    /// Secrets do not fit the repository.
    pub async fn unlocked(&self, repository: Repository) -> Result<Repository> {
        Ok(self.trusting(repository).unlock(self.secrets()?).await?)
    }

    /// Takes only dumps that are signed by the trusted keys, if there are such.
    #[must_use]
    pub fn trusting(&self, repository: Repository) -> Repository {
        match &self.trust {
            Some(keys) => repository.with_trust(keys.clone()),
            None => repository,
        }
    }
}
