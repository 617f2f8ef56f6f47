//! REPO as it is written on the command line.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

/// Where a repository lies: a directory, or a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryLocation(OsString);

impl From<OsString> for RepositoryLocation {
    fn from(text: OsString) -> Self {
        Self(text)
    }
}

impl RepositoryLocation {
    /// Returns the text as it was given.
    #[must_use]
    pub fn as_os_str(&self) -> &OsStr {
        &self.0
    }

    /// Returns the directory, `None` for a store elsewhere.
    #[must_use]
    pub fn directory(&self) -> Option<PathBuf> {
        backup_repository::location_directory(&self.0)
    }
}

impl fmt::Display for RepositoryLocation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(out)
    }
}
