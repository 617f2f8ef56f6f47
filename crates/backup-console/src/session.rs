//! What all commands work with.

use std::ffi::OsStr;

use anyhow::Result;
use backup_repository::{Progress, Repository, Store, open_location};
use backup_sign::TrustedKeys;
use backup_sources::{Engines, Opening, Source, Target};

use crate::args::ConsoleArgs;
use crate::keys;
use crate::location::RepositoryLocation;
use crate::output::Output;
use crate::progress::{Counter, Meter};

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
        Ok(self.trusting(Repository::open(self.store(location, false)?).await?))
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
