//! Restoring a dump into a namespace.

use async_trait::async_trait;
use backup_format::{
    ContractError, EngineError, ObjectId, RestoreSink, RestoreUnit, RestoreWriter, Restored, Segment,
    Snapshot,
};

use crate::database::{MemoryNamespace, State};

/// A restore under way, or complete. Units come in any order, and repeated: entries are put where they belong.
#[derive(Clone)]
pub(crate) struct MemoryRestore {
    namespace: MemoryNamespace,
    dump: ObjectId,
}

impl MemoryRestore {
    pub fn new(namespace: MemoryNamespace, dump: ObjectId) -> Self {
        Self { namespace, dump }
    }

    /// Gives access to the namespace, if it still carries the marker.
    fn with<T>(&self, doing: &'static str, act: impl FnOnce(&mut State) -> T) -> Result<T, ContractError> {
        let mut state = self.namespace.lock();
        match state.restoring {
            Some(dump) if dump == self.dump => Ok(act(&mut state)),
            _ => Err(ContractError::Ended { doing, place: self.namespace.place(), dump: self.dump }),
        }
    }

    fn remove(&self) -> Result<(), EngineError> {
        let removed = self.with("discarding what was restored into", std::mem::take)?;
        // Many entries take their time, so the lock is no longer held.
        drop(removed);
        Ok(())
    }
}

#[async_trait]
impl RestoreSink for MemoryRestore {
    async fn writer(&self, unit: &RestoreUnit) -> Result<Option<Box<dyn RestoreWriter>>, EngineError> {
        if self.with("writing to", |state| state.written.contains(&unit.page))? {
            return Ok(None);
        }
        Ok(Some(Box::new(MemoryWriter { restore: self.clone(), page: unit.page })))
    }

    async fn finish(self: Box<Self>) -> Result<Box<dyn Restored>, EngineError> {
        self.with("finishing", |_| ())?;
        Ok(self)
    }

    async fn discard(self: Box<Self>) -> Result<(), EngineError> {
        self.remove()
    }
}

#[async_trait]
impl Restored for MemoryRestore {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        Ok(self.with("reading back", |state| self.namespace.view(&state.contents))?)
    }

    async fn publish(self: Box<Self>) -> Result<(), EngineError> {
        Ok(self.with("publishing", |state| {
            state.restoring = None;
            state.written.clear();
        })?)
    }

    async fn discard(self: Box<Self>) -> Result<(), EngineError> {
        self.remove()
    }
}

struct MemoryWriter {
    restore: MemoryRestore,
    page: ObjectId,
}

#[async_trait]
impl RestoreWriter for MemoryWriter {
    async fn write(&mut self, segment: Segment) -> Result<(), EngineError> {
        Ok(self.restore.with("writing to", |state| {
            for (root_key, entry) in segment.iter() {
                state.contents.put(root_key, entry.key, entry.value);
            }
        })?)
    }

    async fn finish(self: Box<Self>) -> Result<(), EngineError> {
        self.restore.with("writing to", |state| state.written.insert(self.page))?;
        Ok(())
    }
}
