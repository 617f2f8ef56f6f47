//! What an error means for the caller.

use backup_format::ErrorClass;

use super::RepositoryError;
use crate::trouble;

impl RepositoryError {
    /// Returns what the error means for the caller.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Engine { source, .. } => source.class(),
            Self::Uncertain { source, .. } | Self::Unlisted { source, .. } => source.class(),
            Self::ConfigLost { .. }
            | Self::Damaged { .. }
            | Self::WrongName { .. }
            | Self::MissingObject { .. }
            | Self::BadObject { .. }
            | Self::BadChain { .. }
            | Self::Inconsistent { .. }
            | Self::MissingDump { .. }
            | Self::Stale { .. }
            | Self::Different { .. } => ErrorClass::Damaged,
            Self::Implausible { .. }
            | Self::Shrunk { .. }
            | Self::ClockBehind { .. }
            | Self::LastSequence { .. }
            | Self::NotDivisible { .. }
            | Self::Job { .. }
            | Self::Unsupported { .. }
            | Self::Untrusted { .. }
            | Self::Sign { .. }
            | Self::Secret { .. }
            | Self::AboveLimit { .. }
            | Self::Forget { .. }
            | Self::Prune { .. }
            | Self::Repair { .. }
            | Self::NotComparable { .. }
            | Self::Retired { .. }
            | Self::Spent { .. }
            | Self::NoLatest { .. } => ErrorClass::Refused,
            Self::Entry { source, .. } if source.asks_for_higher_limit() => ErrorClass::Refused,
            _ if self.is_transient() => ErrorClass::Transient,
            _ => ErrorClass::Failed,
        }
    }

    /// Returns true if the same call may succeed later. The patience with the store is spent by then.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store { source, .. } => trouble::is_transient(source),
            Self::Transit { .. } => true,
            Self::Engine { source, .. } => source.is_transient(),
            Self::Entry { source, .. } | Self::Export { source, .. } => source.is_transient(),
            Self::Waiting { .. } | Self::Pruned { .. } => true,
            _ => false,
        }
    }

    /// Returns true if a file is not there, in a store that is.
    pub(crate) fn is_gone(&self) -> bool {
        let Self::Store { source, .. } = self else { return false };
        matches!(source, object_store::Error::NotFound { .. }) && !trouble::is_no_bucket(source)
    }
}

impl From<tokio::task::JoinError> for RepositoryError {
    fn from(source: tokio::task::JoinError) -> Self {
        if source.is_cancelled() { Self::Stopped } else { Self::Worker { problem: source.to_string() } }
    }
}
