//! What can go wrong with a namespace in memory.

use backup_format::{EngineError, ErrorClass, FormatError, ObjectId};

/// An error of a namespace in memory.
///
/// None of these goes away by trying again: the state of the namespace has to change first.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
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
    /// A namespace that is being restored, used by somebody other than that restore.
    #[error(
        "{doing} namespace {namespace}: it is half restored from dump {dump}; complete that restore or discard it first"
    )]
    HalfRestored {
        /// What was being done.
        doing: &'static str,
        /// Name of the namespace.
        namespace: String,
        /// The dump that its marker names.
        dump: ObjectId,
    },
    /// A restore into a namespace that holds something.
    #[error(
        "restoring dump {dump} into namespace {namespace}: expected it empty, found {entries} entries; choose another \
         target"
    )]
    NotEmpty {
        /// Name of the namespace.
        namespace: String,
        /// The dump that was to be restored.
        dump: ObjectId,
        /// Number of entries found.
        entries: u64,
    },
    /// A restore into a namespace that is being restored from another dump.
    #[error(
        "restoring dump {dump} into namespace {namespace}: it carries the marker of the restore of dump {found}; \
         complete that restore or discard it first"
    )]
    OtherMarker {
        /// Name of the namespace.
        namespace: String,
        /// The dump that was to be restored.
        dump: ObjectId,
        /// The dump that the marker names.
        found: ObjectId,
    },
    /// A restore that goes on although another handle completed or discarded it.
    #[error(
        "{doing} namespace {namespace}: the restore of dump {dump} was published or discarded elsewhere; begin anew"
    )]
    Ended {
        /// What was being done.
        doing: &'static str,
        /// Name of the namespace.
        namespace: String,
        /// The dump that was being restored.
        dump: ObjectId,
    },
    /// A step of a restore that is only open after its `finish`.
    #[error("{doing} namespace {namespace}: the restore of dump {dump} is not finished; finish it first")]
    Unfinished {
        /// What was being done.
        doing: &'static str,
        /// Name of the namespace.
        namespace: String,
        /// The dump that is being restored.
        dump: ObjectId,
    },
    /// A unit of which more or less was written than it should hold.
    #[error(
        "restoring page {page} into namespace {namespace}: expected {expected} entries, {found} were written; write \
         the page anew"
    )]
    WrongCount {
        /// Name of the namespace.
        namespace: String,
        /// Id of the page.
        page: ObjectId,
        /// Number of entries beneath it.
        expected: u64,
        /// Number of entries written.
        found: u64,
    },
    /// A share that another engine made.
    #[error("reading namespace {namespace}: the token of the share was not made by this engine")]
    Share {
        /// Name of the namespace.
        namespace: String,
        /// The cause.
        source: FormatError,
    },
}

impl Error {
    /// Returns what the error means for whoever called.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::HalfRestored { .. }
            | Self::NotEmpty { .. }
            | Self::OtherMarker { .. }
            | Self::Ended { .. }
            | Self::Unfinished { .. } => ErrorClass::Refused,
            Self::TooLong { .. } | Self::WrongCount { .. } | Self::Share { .. } => ErrorClass::Failed,
        }
    }

    /// Tells whether the same call may succeed later as it is: never.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.class() == ErrorClass::Transient
    }
}

impl From<Error> for EngineError {
    fn from(error: Error) -> Self {
        Self::new(error.class(), error)
    }
}
