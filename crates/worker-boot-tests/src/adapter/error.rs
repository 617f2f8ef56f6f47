//! What can go wrong with a namespace behind linera's stores.

use std::error::Error;

use backup_format::{EngineError, ErrorClass, FormatError, ObjectId};

/// An error of a namespace behind linera's stores.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewsError {
    /// linera reports an error.
    #[error("{doing} of namespace {namespace}")]
    Store {
        /// What was being done, and to what.
        doing: &'static str,
        /// Name of the namespace.
        namespace: String,
        /// What linera says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A partition that linera cannot read.
    #[error("reading partition {root_key} of namespace {namespace}")]
    Partition {
        /// Name of the namespace.
        namespace: String,
        /// Its root key.
        root_key: String,
        /// What linera says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A key or value that no batch of entries can carry.
    #[error(
        "reading partition {root_key} of namespace {namespace}: a {what} of {found} bytes is longer than the limit of \
         {limit} bytes"
    )]
    TooLong {
        /// Name of the namespace.
        namespace: String,
        /// Root key of the entry.
        root_key: String,
        /// key or value.
        what: &'static str,
        /// Its length in bytes.
        found: u64,
        /// The ceiling in bytes.
        limit: u64,
    },
    /// Two root keys whose rows this engine cannot tell apart.
    #[error(
        "namespace {namespace}: root key {shorter} is a prefix of root key {longer}, and this engine cannot tell their \
         rows apart"
    )]
    NestedRootKeys {
        /// Name of the namespace.
        namespace: String,
        /// The shorter root key.
        shorter: String,
        /// The longer root key.
        longer: String,
    },
    /// A namespace that is being restored, read by somebody other than that restore.
    #[error(
        "reading namespace {namespace}: it is half restored from dump {dump}; complete that restore or discard it first"
    )]
    HalfRestored {
        /// Name of the namespace.
        namespace: String,
        /// The dump that its marker names.
        dump: ObjectId,
    },
    /// A marker that no restore wrote.
    #[error("namespace {namespace}: its marker of a restore is damaged; restore into another namespace")]
    BadMarker {
        /// Name of the namespace.
        namespace: String,
    },
    /// A restore into a namespace that holds something.
    #[error(
        "restoring dump {dump} into namespace {namespace}: expected it empty, found partition {root_key}; choose \
         another target"
    )]
    NotEmpty {
        /// Name of the namespace.
        namespace: String,
        /// The dump that was to be restored.
        dump: ObjectId,
        /// Root key of a partition that has entries.
        root_key: String,
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
        /// The dump that its marker names.
        found: ObjectId,
    },
    /// A dump with entries where the marker is kept.
    #[error(
        "restoring dump {dump} into namespace {namespace}: it has entries under the root key of the marker"
    )]
    Reserved {
        /// Name of the namespace.
        namespace: String,
        /// The dump that is being restored.
        dump: ObjectId,
    },
    /// A step of a restore that was published or discarded elsewhere.
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

impl ViewsError {
    /// Wraps an error of linera's, for use with `map_err`.
    pub(crate) fn store<E: Error + Send + Sync + 'static>(
        doing: &'static str,
        namespace: &str,
    ) -> impl FnOnce(E) -> Self {
        let namespace = namespace.to_owned();
        move |error| Self::Store { doing, namespace, source: Box::new(error) }
    }

    /// Returns what the error means for whoever called. linera does not tell whether trying again would help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Store { .. }
            | Self::Partition { .. }
            | Self::TooLong { .. }
            | Self::WrongCount { .. }
            | Self::Share { .. } => ErrorClass::Failed,
            Self::NestedRootKeys { .. }
            | Self::HalfRestored { .. }
            | Self::BadMarker { .. }
            | Self::NotEmpty { .. }
            | Self::OtherMarker { .. }
            | Self::Reserved { .. }
            | Self::Ended { .. }
            | Self::Unfinished { .. } => ErrorClass::Refused,
        }
    }
}

impl From<ViewsError> for EngineError {
    fn from(error: ViewsError) -> Self {
        Self::new(error.class(), error)
    }
}
