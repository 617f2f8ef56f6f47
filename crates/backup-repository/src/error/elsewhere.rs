//! Whether what is wrong at one place of an object may be right at another one.

use backup_format::ErrorClass;

use super::RepositoryError;

/// Returns the first error, or one that a pack went away: then newer tables may know a place that is right.
pub(crate) fn worse(first: Option<RepositoryError>, error: RepositoryError) -> Option<RepositoryError> {
    Some(first.filter(|first| first.is_gone() || !error.is_gone()).unwrap_or(error))
}

/// Returns true if an error is about one place of an object, and not about the object.
pub(crate) fn may_be_right_elsewhere(error: &RepositoryError) -> bool {
    matches!(
        error,
        RepositoryError::BadObject { .. }
            | RepositoryError::BadChain { .. }
            | RepositoryError::Damaged { .. }
            | RepositoryError::Transit { .. }
            | RepositoryError::Store { .. }
            // A data key that was wrapped for others; elsewhere the object may be sealed with another one.
            | RepositoryError::Secret { source: Some(_), .. }
    )
}

pub(crate) fn is_damage(error: &RepositoryError) -> bool {
    error.class() == ErrorClass::Damaged
}
