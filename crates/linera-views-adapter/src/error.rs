//! What can go wrong with a namespace behind linera's stores.

use std::error::Error;

use backup_format::{ContractError, EngineError, ErrorClass, ObjectId};

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
    /// A marker that no restore wrote.
    #[error("namespace {namespace}: its marker of a restore is damaged; restore into another namespace")]
    BadMarker {
        /// Name of the namespace.
        namespace: String,
    },
    /// Values that do not match the keys that were asked for.
    #[error(
        "reading partition {root_key} of namespace {namespace}: asked for {expected} values, linera answered with {found}"
    )]
    WrongCount {
        /// Name of the namespace.
        namespace: String,
        /// Root key of the partition.
        root_key: String,
        /// Number of keys.
        expected: usize,
        /// Number of answers.
        found: usize,
    },
    /// An error that means the same in every engine.
    #[error(transparent)]
    Contract(#[from] ContractError),
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

    /// Returns what the error means for the caller. linera does not say which errors are transient.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Store { .. } | Self::Partition { .. } | Self::TooLong { .. } | Self::WrongCount { .. } => {
                ErrorClass::Failed
            }
            Self::NestedRootKeys { .. } | Self::BadMarker { .. } | Self::Reserved { .. } => {
                ErrorClass::Refused
            }
            Self::Contract(error) => error.class(),
        }
    }
}

impl From<ViewsError> for EngineError {
    fn from(error: ViewsError) -> Self {
        match error {
            ViewsError::Contract(error) => error.into(),
            error => Self::new(error.class(), error),
        }
    }
}
