//! What an engine says of itself, and how it opens namespaces.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use backup_format::{AmendTarget, DatabaseBackup, EngineError, Manifest, RestoreTarget, RetireTarget};

use crate::error::SourceError;
use crate::locator::Place;
use crate::opening::Opening;
use crate::option::EngineOption;

/// An engine that a program knows by its schemes.
///
/// An engine implements what its schemes say: [`Engine::open_source`] if one of them can be read, [`Engine::open_target`]
/// if one can be restored into. Nothing else is called.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Returns the engine's name for people: `RocksDB`.
    fn title(&self) -> &'static str;

    /// Returns the schemes by which namespaces of this engine are named.
    fn schemes(&self) -> &'static [Scheme];

    /// Returns the options that this engine knows, beside the layout.
    fn options(&self) -> &'static [EngineOption] {
        &[]
    }

    /// Checks what stands behind the scheme. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`SourceError::Locator`].
    fn check(&self, place: &Place) -> Result<(), SourceError> {
        place.path().map(drop)
    }

    /// Returns the directories of this machine that hold a namespace; none, the default, for one that lies elsewhere. Does no I/O.
    fn directories(&self, _place: &Place, _opening: &Opening) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Names the option of this engine, or the variable, that helps with an error of it; `None`, the default, where there is none.
    fn advice(&self, _error: &EngineError) -> Option<&'static str> {
        None
    }

    /// Names a namespace that is to be read: its read view is opened next.
    ///
    /// # Errors
    ///
    /// [`SourceError::Option`] for options that do not go together; else as the engine reports them.
    async fn open_source(
        &self,
        place: &Place,
        _opening: &Opening,
    ) -> Result<Box<dyn DatabaseBackup>, SourceError> {
        Err(SourceError::locator(format!("{place}: it can only be restored into")))
    }

    /// Opens a namespace that a dump is to be restored into, in the layout of `opening`, which is that of the dump.
    ///
    /// # Errors
    ///
    /// As [`Engine::open_source`].
    async fn open_target(
        &self,
        place: &Place,
        _dump: &Manifest,
        _opening: &Opening,
    ) -> Result<Box<dyn RestoreTarget>, SourceError> {
        Err(SourceError::locator(format!("{place}: it can only be read")))
    }

    /// Names a namespace whose entries are to be looked up, or changed in place. Every scheme that can be read is asked.
    ///
    /// # Errors
    ///
    /// [`SourceError::Locator`], the default, if the engine can do neither; else as [`Engine::open_source`].
    async fn open_amend(
        &self,
        place: &Place,
        _opening: &Opening,
    ) -> Result<Box<dyn AmendTarget>, SourceError> {
        Err(SourceError::locator(format!("{place}: its entries cannot be changed in place")))
    }

    /// Names a namespace that is to be retired when its last dump is made. Every scheme that can be read is asked.
    ///
    /// # Errors
    ///
    /// [`SourceError::Locator`], the default, if the engine cannot do that; else as [`Engine::open_source`].
    async fn open_retire(
        &self,
        place: &Place,
        _opening: &Opening,
    ) -> Result<Box<dyn RetireTarget>, SourceError> {
        let title = self.title();
        Err(SourceError::locator(format!(
            "{place}: {title} cannot be kept from opening it, so there is no last dump of it; make one without --last"
        )))
    }

    /// Returns the engine's own means to back up.
    ///
    /// # Errors
    ///
    /// [`SourceError::Locator`] if there are none; it says what to do instead.
    fn native(&self, place: &Place) -> Result<&dyn Native, SourceError> {
        let title = self.title();
        Err(SourceError::locator(format!(
            "{place}: {title} has no native backups; `kvbackup backup` and `restore` read and write it"
        )))
    }
}

/// A scheme, and what the program's help says of it.
#[derive(Clone, Copy, Debug)]
pub struct Scheme {
    names: &'static [&'static str],
    form: &'static str,
    source: Option<&'static str>,
    target: Option<&'static str>,
    kept: bool,
    detects_layout: bool,
}

impl Scheme {
    /// Describes a scheme by its names and by the form of its locators: `rocksdb:DIR/NAMESPACE`.
    ///
    /// The first name is the one that is shown. Nothing can be done with it yet.
    #[must_use]
    pub const fn new(names: &'static [&'static str], form: &'static str) -> Self {
        Self { names, form, source: None, target: None, kept: true, detects_layout: false }
    }

    /// Says that it can be read, and what it is then.
    #[must_use]
    pub const fn with_source(mut self, help: &'static str) -> Self {
        self.source = Some(help);
        self
    }

    /// Says that it can be restored into, and what it is then.
    #[must_use]
    pub const fn with_target(mut self, help: &'static str) -> Self {
        self.target = Some(help);
        self
    }

    /// Says that what is restored is gone when the program ends.
    #[must_use]
    pub const fn not_kept(mut self) -> Self {
        self.kept = false;
        self
    }

    /// Says that namespaces may be in one of several layouts, and that the engine detects which. Without this an engine has one
    /// layout of its own.
    #[must_use]
    pub const fn with_detected_layout(mut self) -> Self {
        self.detects_layout = true;
        self
    }

    /// Returns the names, without colons.
    #[must_use]
    pub fn names(&self) -> &'static [&'static str] {
        self.names
    }

    /// Returns the form of a locator.
    #[must_use]
    pub fn form(&self) -> &'static str {
        self.form
    }

    /// Returns what it is as a source, `None` if it cannot be read.
    #[must_use]
    pub fn source(&self) -> Option<&'static str> {
        self.source
    }

    /// Returns what it is as a target, `None` if it cannot be restored into.
    #[must_use]
    pub fn target(&self) -> Option<&'static str> {
        self.target
    }

    /// Returns true if what is restored outlives the program.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// Returns true if the engine detects the layout of what is read.
    #[must_use]
    pub fn detects_layout(&self) -> bool {
        self.detects_layout
    }
}

/// An engine's own means to back up and restore: files that only it can read.
#[async_trait]
pub trait Native: Send + Sync {
    /// Adds a namespace to a directory of backups.
    ///
    /// # Errors
    ///
    /// As the engine reports them.
    async fn back_up(
        &self,
        place: &Place,
        opening: &Opening,
        directory: &Path,
    ) -> Result<NativeBackup, SourceError>;

    /// Restores a backup, the latest if no `id` is given.
    ///
    /// # Errors
    ///
    /// As the engine reports them.
    async fn restore(
        &self,
        directory: &Path,
        id: Option<u32>,
        place: &Place,
    ) -> Result<NativeBackup, SourceError>;
}

/// A backup that an engine made by its own means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NativeBackup {
    /// Its number in the directory.
    pub id: u32,
    /// When it was made, in seconds since 1970.
    pub timestamp: i64,
    /// Number of its files.
    pub files: u32,
    /// Bytes of its files.
    pub bytes: u64,
}

impl NativeBackup {
    /// Describes a backup.
    #[must_use]
    pub fn new(id: u32, timestamp: i64, files: u32, bytes: u64) -> Self {
        Self { id, timestamp, files, bytes }
    }
}
