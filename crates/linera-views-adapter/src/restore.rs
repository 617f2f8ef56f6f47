//! Restoring a dump into a namespace.

use async_trait::async_trait;
use backup_format::{EngineError, ObjectId, RestoreSink, RestoreUnit, RestoreWriter, Restored, Snapshot};

use crate::database::{ViewsDatabase, ViewsNamespace};
use crate::error::ViewsError;
use crate::marker::MARKER_ROOT_KEY;
use crate::snapshot::ViewsSnapshot;
use crate::writer::ViewsWriter;

const DISCARDING: &str = "discarding the restore of";

/// A restore whose marker is written. Entries are put where they belong, so units may come in any order, and repeated.
///
/// linera never forgets a root key of RocksDB. After publishing, the one of the marker stays in the list of root keys;
/// after discarding, those of what was written stay. None of them has entries, so they are no partitions.
pub(crate) struct ViewsRestore<D> {
    namespace: ViewsNamespace<D>,
    dump: ObjectId,
}

impl<D: ViewsDatabase> ViewsRestore<D> {
    pub(crate) fn new(namespace: ViewsNamespace<D>, dump: ObjectId) -> Self {
        Self { namespace, dump }
    }

    async fn remove(&self) -> Result<(), ViewsError> {
        self.namespace.check_marker(DISCARDING, self.dump).await?;
        for root_key in self.namespace.root_keys().await? {
            if root_key != MARKER_ROOT_KEY {
                self.namespace.remove_partition("removing a partition", &root_key).await?;
            }
        }
        self.namespace.remove_marker().await
    }
}

#[async_trait]
impl<D: ViewsDatabase> RestoreSink for ViewsRestore<D> {
    async fn writer(&self, unit: &RestoreUnit) -> Result<Option<Box<dyn RestoreWriter>>, EngineError> {
        self.namespace.check_marker("writing to", self.dump).await?;
        if self.namespace.is_written(unit.page).await? {
            return Ok(None);
        }
        Ok(Some(Box::new(ViewsWriter::new(self.namespace.clone(), self.dump, unit.page))))
    }

    async fn finish(self: Box<Self>) -> Result<Box<dyn Restored>, EngineError> {
        self.namespace.check_marker("completing", self.dump).await?;
        // Fails on root keys that the engine cannot tell apart.
        self.namespace.partitions().await?;
        Ok(Box::new(ViewsRestored(*self)))
    }

    async fn discard(self: Box<Self>) -> Result<(), EngineError> {
        Ok(self.remove().await?)
    }
}

/// A restore that is written whole.
struct ViewsRestored<D>(ViewsRestore<D>);

#[async_trait]
impl<D: ViewsDatabase> Restored for ViewsRestored<D> {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let Self(ViewsRestore { namespace, dump }) = self;
        namespace.check_marker("reading what was restored into", *dump).await?;
        Ok(Box::new(ViewsSnapshot::open(namespace.clone()).await?))
    }

    async fn publish(self: Box<Self>) -> Result<(), EngineError> {
        let Self(ViewsRestore { namespace, dump }) = *self;
        namespace.check_marker("publishing", dump).await?;
        Ok(namespace.remove_marker().await?)
    }

    async fn discard(self: Box<Self>) -> Result<(), EngineError> {
        Ok(self.0.remove().await?)
    }
}
