//! A namespace that can be backed up and restored.

use async_trait::async_trait;

use crate::engine::{EngineError, RestoreMarker, RestorePlan, RestoreSink, Snapshot};

/// What a namespace is and where it lives; goes into the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceInfo {
    /// Engine: memory, rocksdb or scylla.
    pub engine: String,
    /// Version of the engine; empty when there is none to tell.
    pub engine_version: String,
    /// Layout: `linera-0.15`, `linera-0.16` or `plain`.
    pub layout: String,
    /// Name of the namespace.
    pub namespace: String,
}

/// One namespace of one engine: the source of a backup or the target of a restore.
#[async_trait]
pub trait DatabaseBackup: Send + Sync {
    /// Describes the namespace. Does no I/O; so an engine that tells the layout from the rows leaves it empty until
    /// [`DatabaseBackup::snapshot`] has returned once.
    fn source(&self) -> SourceInfo;

    /// Opens a read view. It never writes to the namespace, and never disturbs whoever does.
    ///
    /// # Errors
    ///
    /// [`ErrorClass::Failed`](crate::ErrorClass::Failed) when the namespace is missing or cannot be read,
    /// [`ErrorClass::Refused`](crate::ErrorClass::Refused) when its layout cannot be told.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError>;

    /// Begins a restore, or goes on with one that carries the same marker. The marker is durable, and visible to
    /// whoever looks at the namespace, before this returns.
    ///
    /// # Errors
    ///
    /// [`ErrorClass::Refused`](crate::ErrorClass::Refused) when the namespace holds anything, or carries the marker
    /// of another restore; nothing was changed then.
    async fn restore(
        &self,
        marker: &RestoreMarker,
        plan: &RestorePlan,
    ) -> Result<Box<dyn RestoreSink>, EngineError>;

    /// Checks, without changing anything, whether [`DatabaseBackup::restore`] would begin.
    ///
    /// # Errors
    ///
    /// As [`DatabaseBackup::restore`].
    async fn check_restorable(&self, marker: &RestoreMarker) -> Result<(), EngineError>;
}
