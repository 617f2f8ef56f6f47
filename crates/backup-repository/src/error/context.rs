//! Errors made of others, with what was being done.

use backup_format::{EngineError, FormatError};

use super::RepositoryError;
use crate::warning::Unusable;

impl RepositoryError {
    /// Adds to an error of the format the file, and tells damage from what a later version wrote.
    pub(crate) fn file(path: String, source: FormatError) -> Self {
        match source {
            FormatError::UnknownVersion { .. } | FormatError::UnknownRequirement { .. } => {
                Self::Unsupported { path, source }
            }
            _ => Self::Damaged { path, source },
        }
    }

    /// Says what something that is encrypted needs.
    pub(crate) fn locked(doing: &str, needs: &str) -> Self {
        let problem = format!("the repository is encrypted, and {doing} needs {needs}");
        Self::Secret { problem, source: None }
    }

    /// Adds to an engine's error what was being done.
    pub(crate) fn engine(doing: &'static str, namespace: &str) -> impl FnOnce(EngineError) -> Self {
        let namespace = namespace.to_owned();
        move |source| Self::Engine { doing, namespace, source }
    }

    /// Says that manifests cannot be used, so that nobody knows which dump is later.
    pub(crate) fn uncertain(unusable: Unusable, source: Box<Self>) -> Self {
        let Unusable { damaged, unsupported, untrusted } = unusable;
        Self::Uncertain { damaged, unsupported, untrusted, source }
    }
}
