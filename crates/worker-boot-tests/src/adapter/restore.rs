//! Restoring a dump into a namespace.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use async_trait::async_trait;
use backup_format::{EngineError, RestoreMarker, RestoreSink, RestoreUnit, RestoreWriter, Snapshot};

use crate::adapter::database::ViewsNamespace;
use crate::adapter::error::ViewsError;
use crate::adapter::marker::MARKER_ROOT_KEY;
use crate::adapter::snapshot::ViewsSnapshot;
use crate::adapter::writer::ViewsWriter;
use crate::worker::WorkerDatabase;

/// A restore under way. Entries are put where they belong, so units may come in any order, and repeated.
///
/// linera never forgets a root key of RocksDB: after publishing, the one of the marker stays in the list of root keys, and
/// after discarding, those of what was written; all without entries, and so no partitions.
pub(crate) struct ViewsRestore<D> {
    namespace: ViewsNamespace<D>,
    marker: RestoreMarker,
    /// Whether nothing was written since the last `finish`.
    is_finished: Arc<AtomicBool>,
}

impl<D: WorkerDatabase> ViewsRestore<D> {
    /// Goes on with the restore whose marker is written.
    pub(crate) fn new(namespace: ViewsNamespace<D>, marker: RestoreMarker) -> Self {
        Self { namespace, marker, is_finished: Arc::default() }
    }

    async fn check_finished(&self, doing: &'static str) -> Result<(), ViewsError> {
        self.namespace.check_marker(doing, &self.marker).await?;
        if self.is_finished.load(SeqCst) {
            return Ok(());
        }
        let (namespace, dump) = (self.namespace.name().to_owned(), self.marker.dump);
        Err(ViewsError::Unfinished { doing, namespace, dump })
    }
}

#[async_trait]
impl<D: WorkerDatabase> RestoreSink for ViewsRestore<D> {
    async fn writer(&self, unit: &RestoreUnit) -> Result<Option<Box<dyn RestoreWriter>>, EngineError> {
        self.namespace.check_marker("writing to", &self.marker).await?;
        if self.namespace.is_written(unit.page).await? {
            return Ok(None);
        }
        let is_finished = Arc::clone(&self.is_finished);
        let writer = ViewsWriter::new(self.namespace.clone(), self.marker, unit.clone(), is_finished);
        Ok(Some(Box::new(writer)))
    }

    async fn finish(&mut self) -> Result<(), EngineError> {
        self.namespace.check_marker("completing", &self.marker).await?;
        // Root keys that the engine cannot tell apart show here, and by name.
        self.namespace.partitions().await?;
        self.is_finished.store(true, SeqCst);
        Ok(())
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        self.check_finished("reading what was restored into").await?;
        Ok(Box::new(ViewsSnapshot::open(self.namespace.clone()).await?))
    }

    async fn publish(self: Box<Self>) -> Result<(), EngineError> {
        self.check_finished("publishing").await?;
        self.namespace.remove_marker().await?;
        Ok(())
    }

    async fn discard(self: Box<Self>) -> Result<(), EngineError> {
        self.namespace.check_marker("discarding what was restored into", &self.marker).await?;
        for root_key in self.namespace.root_keys().await? {
            if root_key != MARKER_ROOT_KEY {
                self.namespace.remove_partition("discarding a partition", &root_key).await?;
            }
        }
        self.namespace.remove_marker().await?;
        Ok(())
    }
}
