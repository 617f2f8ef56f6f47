//! What can be wrong with a locator, with options, or with opening what they name.

use std::io;
use std::path::PathBuf;

use backup_format::{EngineError, ErrorClass};

/// An error of a locator, of the options beside it, or of opening a namespace.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A text that names no namespace of a known engine.
    #[error("{problem}")]
    Locator {
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// Options that do not go together, or not with this namespace.
    #[error("{problem}")]
    Option {
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// A dump whose layout is not that of the target.
    #[error("{problem}")]
    Layout {
        /// Which layouts, and what to do.
        problem: String,
    },
    /// A file with a password could not be read.
    #[error("reading the password from {}", path.display())]
    Password {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A directory that is no database, and holds some.
    #[error("no RocksDB database at {}; did you mean {}?", path.display(), found.join(" or "))]
    Nearby {
        /// The directory.
        path: PathBuf,
        /// Locators of the databases in it.
        found: Vec<String>,
    },
    /// The read view of a namespace could not be opened.
    #[error("opening namespace {namespace}")]
    Open {
        /// The namespace.
        namespace: String,
        /// The cause.
        source: EngineError,
    },
    /// The engine's own error.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl SourceError {
    /// Returns true if the locator or the options are wrong, whatever the namespace holds.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Locator { .. } | Self::Option { .. })
    }

    /// Returns what the error means for the caller.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Engine(source) | Self::Open { source, .. } => source.class(),
            Self::Layout { .. } => ErrorClass::Refused,
            _ => ErrorClass::Failed,
        }
    }

    /// Returns true if the same call may succeed later as it is.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.class() == ErrorClass::Transient
    }

    pub(crate) fn locator(problem: impl Into<String>) -> Self {
        Self::Locator { problem: problem.into() }
    }

    pub(crate) fn option(problem: impl Into<String>) -> Self {
        Self::Option { problem: problem.into() }
    }
}
