//! What engines report to pumps.

use std::error::Error;
use std::fmt;

use crate::error::FormatError;
use crate::id::ObjectId;

/// What an error means for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorClass {
    /// Trying again may help: a timeout, an overloaded server.
    Transient,
    /// Trying again as it is will not help: no such namespace, disk full.
    Failed,
    /// The namespace holds something that must not be there, or lacks something that must.
    Damaged,
    /// To continue would endanger something: a target that is not empty, a layout that cannot be detected.
    Refused,
}

/// An error of an engine crate, with what it means.
///
/// It shows and has the causes of the error it holds: it adds the class and nothing else.
#[derive(Debug)]
pub struct EngineError {
    class: ErrorClass,
    error: Box<dyn Error + Send + Sync>,
}

impl EngineError {
    /// Wraps an engine's error.
    pub fn new(class: ErrorClass, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { class, error: error.into() }
    }

    /// Returns what the error means for the caller.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        self.class
    }

    /// Returns true if the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.class == ErrorClass::Transient
    }

    /// Returns the engine's own error.
    #[must_use]
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.error
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(out)
    }
}

impl Error for EngineError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// An error that means the same in every engine.
///
/// `place` is what an operator calls the namespace: its name, directory or address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContractError {
    /// The namespace carries the marker of a restore that was not published.
    #[error(
        "{doing} {place}: a restore of dump {dump} into it is not complete; run that restore again, or discard it"
    )]
    HalfRestored {
        /// What was being done.
        doing: &'static str,
        /// The namespace.
        place: String,
        /// The dump that the marker names.
        dump: ObjectId,
    },
    /// The target of a restore holds something.
    #[error("restoring dump {dump} into {place}: it is not empty, {found}; choose an empty target")]
    NotEmpty {
        /// The namespace.
        place: String,
        /// The dump to be restored.
        dump: ObjectId,
        /// What it holds.
        found: String,
    },
    /// The target carries the marker of another restore.
    #[error(
        "restoring dump {dump} into {place}: a restore of dump {found} into it is not complete; complete or discard \
         that one first"
    )]
    OtherRestore {
        /// The namespace.
        place: String,
        /// The dump to be restored.
        dump: ObjectId,
        /// The dump that the marker names.
        found: ObjectId,
    },
    /// The restore was published or discarded while it was still used.
    #[error("{doing} {place}: the restore of dump {dump} has ended")]
    Ended {
        /// What was being done.
        doing: &'static str,
        /// The namespace.
        place: String,
        /// The dump that was restored.
        dump: ObjectId,
    },
    /// Somebody else writes to the namespace, or has it open for that.
    #[error("{doing} {place}: it is in use, {found}; stop what uses it, and run this again")]
    InUse {
        /// What was being done.
        doing: &'static str,
        /// The namespace.
        place: String,
        /// What shows that it is in use.
        found: String,
    },
    /// The namespace has a layout whose entries are not looked up or changed in place.
    #[error(
        "{doing} {place}: expected layout linera-0.15, found {found}; entries of other layouts are not changed in place"
    )]
    NotAmendable {
        /// What was being done.
        doing: &'static str,
        /// The namespace.
        place: String,
        /// Name of its layout.
        found: String,
    },
    /// An amendment of a partition that has no entries.
    #[error(
        "{doing} {place}: there is no partition {root_key}; entries are changed in partitions that are there"
    )]
    NoPartition {
        /// What was being done.
        doing: &'static str,
        /// The namespace.
        place: String,
        /// Root key in hex, shortened.
        root_key: String,
    },
    /// A range that this engine did not plan.
    #[error("reading {place}: the range was not planned by this engine")]
    ForeignRange {
        /// The namespace.
        place: String,
        /// What is wrong with its token.
        source: FormatError,
    },
}

impl ContractError {
    /// Returns what the error means for the caller.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::ForeignRange { .. } => ErrorClass::Failed,
            _ => ErrorClass::Refused,
        }
    }

    /// Returns true if the same call may succeed later as it is: never.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.class() == ErrorClass::Transient
    }
}

impl From<ContractError> for EngineError {
    fn from(error: ContractError) -> Self {
        Self::new(error.class(), error)
    }
}
