//! The flaws of restoring.

use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{
    DatabaseBackup, EngineError, EntryBatch, ObjectId, RestoreSink, RestoreUnit, RestoreWriter, Restored,
    Segment, Snapshot,
};
use backup_memory::MemoryNamespace;
use futures::FutureExt;

use super::{Database, Flaw, failed};

pub(super) struct Sink {
    database: Database,
    inner: Option<Box<dyn RestoreSink>>,
}

impl Sink {
    pub(super) fn new(database: &Database, inner: Box<dyn RestoreSink>) -> Self {
        Self { database: database.clone(), inner: Some(inner) }
    }

    fn inner(&self) -> &dyn RestoreSink {
        &**self.inner.as_ref().unwrap()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take()
            && self.database.flaw == Flaw::PublishesOnDrop
        {
            let publish = async { inner.finish().await?.publish().await };
            // It fails when the namespace was published otherwise.
            let _ = publish.now_or_never().expect("memory never waits");
        }
    }
}

#[async_trait]
impl RestoreSink for Sink {
    async fn writer(&self, unit: &RestoreUnit) -> Result<Option<Box<dyn RestoreWriter>>, EngineError> {
        let flaw = self.database.flaw;
        let (number, was_begun, open) = {
            let mut memory = self.database.memory();
            memory.writers += 1;
            (memory.writers, !memory.begun.insert(unit.page), Arc::clone(&memory.open_writers))
        };
        match flaw {
            Flaw::LosesAUnit if number == 2 => return Ok(Some(Box::new(Nowhere))),
            Flaw::CountsBegunUnits if was_begun => return Ok(None),
            Flaw::HasOneWriter if Arc::strong_count(&open) > 2 => {
                return Err(failed("another writer is open"));
            }
            _ => {}
        }
        let mut inner = self.inner().writer(unit).await?;
        if inner.is_none() && flaw == Flaw::ForgetsUnits {
            let page = ObjectId::of_file(&number.to_le_bytes());
            inner = self.inner().writer(&RestoreUnit { page, ..unit.clone() }).await?;
        }
        let database = self.database.clone();
        let wrap =
            |inner| -> Box<dyn RestoreWriter> { Box::new(UnitWriter { database, inner, _open: open }) };
        Ok(inner.map(wrap))
    }

    async fn finish(mut self: Box<Self>) -> Result<Box<dyn Restored>, EngineError> {
        let inner = self.inner.take().unwrap().finish().await?;
        Ok(Box::new(Finished { database: self.database.clone(), inner: Some(inner) }))
    }

    async fn discard(mut self: Box<Self>) -> Result<(), EngineError> {
        let inner = self.inner.take().unwrap();
        match self.database.flaw {
            Flaw::DiscardsNothing => Ok(()),
            Flaw::DiscardsTheMarkerOnly => inner.finish().await?.publish().await,
            _ => inner.discard().await,
        }
    }
}

struct Finished {
    database: Database,
    inner: Option<Box<dyn Restored>>,
}

impl Drop for Finished {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take()
            && self.database.flaw == Flaw::PublishesOnDrop
        {
            // It fails when the namespace was published otherwise.
            let _ = inner.publish().now_or_never().expect("memory never waits");
        }
    }
}

#[async_trait]
impl Restored for Finished {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        match self.database.flaw {
            Flaw::ShowsAnEmptyView => MemoryNamespace::new("empty").snapshot().await,
            _ => self.inner.as_ref().unwrap().snapshot().await,
        }
    }

    async fn publish(mut self: Box<Self>) -> Result<(), EngineError> {
        self.inner.take().unwrap().publish().await
    }

    async fn discard(mut self: Box<Self>) -> Result<(), EngineError> {
        let inner = self.inner.take().unwrap();
        match self.database.flaw {
            Flaw::DiscardsNothing => Ok(()),
            Flaw::DiscardsTheMarkerOnly => inner.publish().await,
            _ => inner.discard().await,
        }
    }
}

struct UnitWriter {
    database: Database,
    inner: Box<dyn RestoreWriter>,
    _open: Arc<()>,
}

#[async_trait]
impl RestoreWriter for UnitWriter {
    async fn write(&mut self, segment: Segment) -> Result<(), EngineError> {
        match self.database.flaw {
            Flaw::RestoresPlainOrderOnly if !segment.groups().is_sorted_by_key(|group| group.root_key) => {
                return Err(failed("root keys out of order"));
            }
            Flaw::RestoresInOrderOnly => {
                let last = &mut self.database.memory().last_unit_root;
                if last.as_slice() > segment.first().0 {
                    return Err(failed("units out of order"));
                }
                *last = segment.first().0.to_vec();
            }
            _ => {}
        }
        let mut batch = EntryBatch::default();
        for (root_key, entry) in segment.iter() {
            let alters = self.database.flaw == Flaw::AltersEmptyValues && entry.value.is_empty();
            batch.push(root_key, entry.key, if alters { b"\0" } else { entry.value });
        }
        self.inner.write(Segment::from_batch(&batch)).await
    }

    async fn finish(self: Box<Self>) -> Result<(), EngineError> {
        self.inner.finish().await
    }
}

/// A writer that writes nothing.
struct Nowhere;

#[async_trait]
impl RestoreWriter for Nowhere {
    async fn write(&mut self, _: Segment) -> Result<(), EngineError> {
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), EngineError> {
        Ok(())
    }
}
