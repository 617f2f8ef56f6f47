//! Namespaces by name: parsed, and not opened yet.

use std::fmt;
use std::path::{Path, PathBuf};

use backup_format::{AmendTarget, Manifest, RestoreTarget, RetireTarget};
use backup_layout::Layout;

use crate::engine::{Engine, NativeBackup, Scheme};
use crate::error::SourceError;
use crate::layout::{one_layout, target_layout};
use crate::locator::Place;
use crate::opened::Opened;
use crate::opening::Opening;
use crate::registry::Engines;

/// A place, the engine of its scheme, and the layout that the locator names.
#[derive(Clone)]
pub(crate) struct Located {
    pub(crate) engines: Engines,
    pub(crate) engine: &'static dyn Engine,
    pub(crate) place: Place,
    pub(crate) layout: Option<Layout>,
}

impl Located {
    pub(crate) fn scheme(&self) -> &'static str {
        self.place.scheme()
    }

    /// Checks that the engine knows all options, and returns the layout that was named.
    fn check(&self, opening: &Opening) -> Result<Option<Layout>, SourceError> {
        let known = |name: &str| self.engine.options().iter().any(|option| option.name() == name);
        if let Some(foreign) = opening.given().find(|name| !known(name)) {
            let titles = self.engines.titles_with(foreign);
            let place = &self.place;
            return Err(SourceError::option(format!(
                "--{foreign} is for {titles}, and {place} is none of it"
            )));
        }
        one_layout(self.layout, opening.layout())
    }
}

/// A namespace that is to be read.
#[derive(Clone)]
pub struct Source(pub(crate) Located, pub(crate) &'static Scheme);

impl Source {
    /// Checks that the engine knows all options, and that one layout is named at most. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`SourceError::Option`].
    pub fn check(&self, opening: &Opening) -> Result<(), SourceError> {
        self.0.check(opening).map(drop)
    }

    /// Returns true if the engine detects the layout: it can, and none was named, in the locator or in `opening`.
    ///
    /// # Errors
    ///
    /// As [`Source::check`].
    pub fn detects_layout(&self, opening: &Opening) -> Result<bool, SourceError> {
        Ok(self.0.check(opening)?.is_none() && self.1.detects_layout())
    }

    /// Returns the directories of this machine that the namespace lies in; none if it lies elsewhere. Does no I/O.
    #[must_use]
    pub fn directories(&self, opening: &Opening) -> Vec<PathBuf> {
        self.0.engine.directories(&self.0.place, opening)
    }

    /// Opens a read view of the namespace. The layout of the locator and that of `opening` must be the same, if both are
    /// named.
    ///
    /// # Errors
    ///
    /// [`SourceError::Option`] for options of other engines and two layouts; else as the engine reports them.
    pub async fn open(&self, opening: &Opening) -> Result<Opened, SourceError> {
        let layout = self.0.check(opening)?;
        let opening = opening.clone().with_layout(layout);
        Opened::open(self.0.engine.open_source(&self.0.place, &opening).await?).await
    }

    /// Names the namespace to look entries up in it, or to change some in place.
    ///
    /// # Errors
    ///
    /// [`SourceError::Locator`] if the engine cannot do that, [`SourceError::Option`] for options of other engines and two
    /// layouts; else as the engine reports them.
    pub async fn amend(&self, opening: &Opening) -> Result<Box<dyn AmendTarget>, SourceError> {
        let layout = self.0.check(opening)?;
        self.0.engine.open_amend(&self.0.place, &opening.clone().with_layout(layout)).await
    }

    /// Names the namespace to retire it when its last dump is made.
    ///
    /// # Errors
    ///
    /// [`SourceError::Locator`] if the engine cannot do that; else as [`Source::amend`].
    pub async fn retire(&self, opening: &Opening) -> Result<Box<dyn RetireTarget>, SourceError> {
        let layout = self.0.check(opening)?;
        self.0.engine.open_retire(&self.0.place, &opening.clone().with_layout(layout)).await
    }

    /// Opens the namespace to compare it with a dump: in the dump's layout, unless another one is named.
    ///
    /// # Errors
    ///
    /// As [`Source::open`].
    pub async fn open_compared(&self, dump: &Manifest, opening: &Opening) -> Result<Opened, SourceError> {
        let named = self.0.check(opening)?;
        // A layout that only a later version knows cannot be that of what is compared, so it is detected.
        let layout = named.or_else(|| dump.source.layout.parse().ok());
        self.open(&opening.clone().with_layout(layout)).await
    }

    /// Backs up by the engine's own means.
    ///
    /// # Errors
    ///
    /// [`SourceError::Locator`] if the engine has none; else as the engine reports them.
    pub async fn native_backup(
        &self,
        opening: &Opening,
        directory: &Path,
    ) -> Result<NativeBackup, SourceError> {
        let native = self.0.engine.native(&self.0.place)?;
        let layout = self.0.check(opening)?;
        native.back_up(&self.0.place, &opening.clone().with_layout(layout), directory).await
    }
}

/// A namespace that is to be restored into.
#[derive(Clone)]
pub struct Target {
    pub(crate) located: Located,
    pub(crate) kept: bool,
}

impl Target {
    /// Returns the layout in which a dump is restored: its own.
    ///
    /// # Errors
    ///
    /// [`SourceError::Layout`] if another one is named, or this version does not know it; [`SourceError::Option`] for
    /// options of other engines and two layouts.
    pub fn layout(&self, dump: &Manifest, opening: &Opening) -> Result<Layout, SourceError> {
        target_layout(&dump.source.layout, self.located.check(opening)?)
    }

    /// Returns the directories of this machine that the namespace is to lie in; none if it lies elsewhere. Does no I/O.
    #[must_use]
    pub fn directories(&self) -> Vec<PathBuf> {
        self.located.engine.directories(&self.located.place, &Opening::default())
    }

    /// Opens the namespace to restore a dump into it.
    ///
    /// # Errors
    ///
    /// As [`Target::layout`], and as the engine reports them.
    pub async fn open(
        &self,
        dump: &Manifest,
        opening: &Opening,
    ) -> Result<Box<dyn RestoreTarget>, SourceError> {
        let layout = self.layout(dump, opening)?;
        let opening = opening.clone().with_layout(Some(layout));
        self.located.engine.open_target(&self.located.place, dump, &opening).await
    }

    /// Restores what the engine's own means backed up, the latest backup if no `id` is given.
    ///
    /// # Errors
    ///
    /// [`SourceError::Locator`] if the engine has none; else as the engine reports them.
    pub async fn native_restore(
        &self,
        directory: &Path,
        id: Option<u32>,
    ) -> Result<NativeBackup, SourceError> {
        let Located { engine, place, .. } = &self.located;
        engine.native(place)?.restore(directory, id, place).await
    }

    /// Returns true if what is restored outlives the program.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.kept
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.place.fmt(out)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.located.place.fmt(out)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Source({self})")
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Target({self})")
    }
}
