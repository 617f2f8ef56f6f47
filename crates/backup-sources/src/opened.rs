//! A namespace that was opened once.

use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{
    Consistency, DatabaseBackup, EngineError, EntryStream, Order, Range, ReadPlan, Snapshot, SourceInfo,
};

use crate::error::SourceError;

/// A namespace with its read view: all snapshots of it are that view.
///
/// The view, and what the engine needs for it, lasts until this and all snapshots are dropped.
pub struct Opened {
    view: View,
    name: String,
}

/// What all snapshots share. The snapshot comes first, since it is dropped before its database.
#[derive(Clone)]
struct View {
    snapshot: Arc<dyn Snapshot>,
    source: SourceInfo,
    _database: Arc<dyn DatabaseBackup>,
}

impl Opened {
    /// Opens the read view of a namespace.
    ///
    /// # Errors
    ///
    /// As the engine reports them.
    pub async fn open(database: Box<dyn DatabaseBackup>) -> Result<Self, SourceError> {
        let name = database.name().to_owned();
        let snapshot = database
            .snapshot()
            .await
            .map_err(|source| SourceError::Open { namespace: name.clone(), source })?;
        let source = snapshot.source().clone();
        let snapshot = Arc::from(snapshot);
        Ok(Self { view: View { snapshot, source, _database: Arc::from(database) }, name })
    }

    /// Gives the namespace another name, for manifests and errors.
    #[must_use]
    pub fn with_namespace(mut self, name: String) -> Self {
        self.view.source.namespace.clone_from(&name);
        Self { name, ..self }
    }

    /// Describes the namespace: engine, version, layout and name.
    #[must_use]
    pub fn source(&self) -> &SourceInfo {
        &self.view.source
    }
}

#[async_trait]
impl DatabaseBackup for Opened {
    fn name(&self) -> &str {
        &self.name
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        Ok(Box::new(self.view.clone()))
    }
}

#[async_trait]
impl Snapshot for View {
    fn source(&self) -> &SourceInfo {
        &self.source
    }

    fn order(&self) -> Order {
        self.snapshot.order()
    }

    fn kind(&self, root_key: &[u8]) -> Option<&'static str> {
        self.snapshot.kind(root_key)
    }

    async fn estimate(&self) -> Result<Option<u64>, EngineError> {
        self.snapshot.estimate().await
    }

    async fn plan(&self, ranges_max: NonZeroUsize) -> Result<ReadPlan, EngineError> {
        self.snapshot.plan(ranges_max).await
    }

    async fn entries(&self, range: &Range) -> Result<EntryStream, EngineError> {
        self.snapshot.entries(range).await
    }

    fn consistency(&self) -> Consistency {
        self.snapshot.consistency()
    }
}
