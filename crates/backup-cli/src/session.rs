//! What all commands work with.

use std::ffi::OsStr;
use std::num::NonZeroU64;
use std::time::Duration;

use anyhow::Result;
use backup_repository::Progress;
use backup_sign::TrustedKeys;
use backup_sources::{Engines, Opening, Source, Target};

/// The engines of the program, the options of engines that were given, where progress goes, and how long a store elsewhere may
/// be away.
pub(crate) struct Session {
    pub(crate) engines: Engines,
    pub(crate) opening: Opening,
    pub(crate) progress: Progress,
    pub(crate) patience: Duration,
    /// Whose signatures count; `None`: signatures are not checked.
    pub(crate) trust: Option<TrustedKeys>,
    /// Bytes a second that may be written to a repository, and read from one.
    pub(crate) rates: (Option<NonZeroU64>, Option<NonZeroU64>),
}

impl Session {
    /// Returns the source that a command names.
    pub(crate) fn source(&self, locator: &OsStr) -> Result<Source> {
        Ok(self.engines.source(locator)?)
    }

    /// Returns the target that a command names.
    pub(crate) fn target(&self, locator: &OsStr) -> Result<Target> {
        Ok(self.engines.target(locator)?)
    }
}
