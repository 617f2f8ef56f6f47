//! Writing one unit of a restore.

use std::mem;

use async_trait::async_trait;
use backup_format::{EngineError, Group, ObjectId, RestoreWriter, Segment};
use linera_views::batch::Batch;
use linera_views::store::WritableKeyValueStore;

use crate::database::{ViewsDatabase, ViewsNamespace};
use crate::error::ViewsError;
use crate::marker::MARKER_ROOT_KEY;

/// Bytes and entries at which a batch is written: far below what makes linera use its journal.
const BATCH_BYTES: usize = 1 << 20;
const BATCH_ENTRIES: usize = 1_000;

/// Writes the entries of a unit, each partition in batches of its own.
pub(crate) struct ViewsWriter<D: ViewsDatabase> {
    namespace: ViewsNamespace<D>,
    dump: ObjectId,
    page: ObjectId,
    /// The last partition written to.
    open: Option<(Vec<u8>, D::Store)>,
}

impl<D: ViewsDatabase> ViewsWriter<D> {
    pub(crate) fn new(namespace: ViewsNamespace<D>, dump: ObjectId, page: ObjectId) -> Self {
        Self { namespace, dump, page, open: None }
    }

    async fn write_group(&mut self, group: Group<'_>) -> Result<(), ViewsError> {
        let store = self.store(group.root_key)?;
        let (mut batch, mut bytes) = (Batch::new(), 0);
        for entry in group {
            batch.put_key_value_bytes(entry.key.to_vec(), entry.value.to_vec());
            bytes += entry.encoded.len();
            if bytes >= BATCH_BYTES || batch.operations.len() >= BATCH_ENTRIES {
                self.write_batch(&store, mem::take(&mut batch)).await?;
                bytes = 0;
            }
        }
        if !batch.is_empty() {
            self.write_batch(&store, batch).await?;
        }
        Ok(())
    }

    fn store(&mut self, root_key: &[u8]) -> Result<D::Store, ViewsError> {
        if let Some((_, store)) = self.open.as_ref().filter(|(open, _)| open == root_key) {
            return Ok(store.clone());
        }
        if root_key == MARKER_ROOT_KEY {
            let namespace = self.namespace.name().to_owned();
            return Err(ViewsError::Reserved { namespace, dump: self.dump });
        }
        let store = self.namespace.open_to_write("writing to a partition", root_key)?;
        self.open = Some((root_key.to_vec(), store.clone()));
        Ok(store)
    }

    async fn write_batch(&self, store: &D::Store, batch: Batch) -> Result<(), ViewsError> {
        let written = store.write_batch(batch).await;
        written.map_err(ViewsError::store("writing to a partition", self.namespace.name()))
    }
}

#[async_trait]
impl<D: ViewsDatabase> RestoreWriter for ViewsWriter<D> {
    async fn write(&mut self, segment: Segment) -> Result<(), EngineError> {
        self.namespace.check_marker("writing to", self.dump).await?;
        for group in segment.groups() {
            self.write_group(group).await?;
        }
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), EngineError> {
        self.namespace.set_written(self.page).await?;
        Ok(())
    }
}
