//! What can go wrong with a namespace in memory.

use backup_format::{ContractError, EngineError, ErrorClass};

/// An error of a namespace in memory.
///
/// None of these goes away by trying again: the state of the namespace has to change first.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error that means the same in every engine.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// A root key, key or value that no batch of entries can carry.
    #[error(
        "writing to namespace {namespace}: a {what} of {found} bytes is longer than the limit of {limit} bytes; \
         nothing was written"
    )]
    TooLong {
        /// Name of the namespace.
        namespace: String,
        /// root key, key or value.
        what: &'static str,
        /// Its length in bytes.
        found: u64,
        /// The ceiling in bytes.
        limit: u64,
    },
}

impl Error {
    /// Returns what the error means for the caller.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Contract(error) => error.class(),
            Self::TooLong { .. } => ErrorClass::Failed,
        }
    }

    /// Returns true if the same call may succeed later as it is: never.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.class() == ErrorClass::Transient
    }
}

impl From<Error> for EngineError {
    fn from(error: Error) -> Self {
        match error {
            // Callers look for this error, of all engines alike.
            Error::Contract(error) => error.into(),
            error => Self::new(error.class(), error),
        }
    }
}
