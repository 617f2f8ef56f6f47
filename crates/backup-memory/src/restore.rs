//! Restoring a dump into a namespace.

use std::sync::MutexGuard;

use async_trait::async_trait;
use backup_format::{EngineError, RestoreMarker, RestoreSink, RestoreUnit, RestoreWriter, Segment, Snapshot};

use crate::database::{MemoryNamespace, Restoring, State};
use crate::error::Error;

/// A restore under way. Units may come in any order, and repeated: entries are put where they belong.
pub(crate) struct MemoryRestore {
    target: Target,
}

/// The namespace, as long as it carries the marker.
#[derive(Clone)]
struct Target {
    namespace: MemoryNamespace,
    marker: RestoreMarker,
}

impl MemoryRestore {
    pub fn new(namespace: MemoryNamespace, marker: RestoreMarker) -> Self {
        Self { target: Target { namespace, marker } }
    }
}

impl Target {
    /// Gives access to the namespace, if it still carries the marker.
    fn with<T>(
        &self,
        doing: &'static str,
        act: impl FnOnce(&mut State) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut state: MutexGuard<'_, State> = self.namespace.lock();
        match &state.restoring {
            Some(restoring) if restoring.marker == self.marker => act(&mut state),
            _ => {
                let (namespace, dump) = (self.namespace.name().to_owned(), self.marker.dump);
                Err(Error::Ended { doing, namespace, dump })
            }
        }
    }

    /// As [`Target::with`], and only after the last change was followed by a `finish`.
    fn with_finished<T>(
        &self,
        doing: &'static str,
        act: impl FnOnce(&mut State) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.with(doing, |state| match &state.restoring {
            Some(Restoring { finished: true, .. }) => act(state),
            _ => {
                let (namespace, dump) = (self.namespace.name().to_owned(), self.marker.dump);
                Err(Error::Unfinished { doing, namespace, dump })
            }
        })
    }

    fn update<T>(&self, act: impl FnOnce(&mut Restoring) -> T) -> Result<Option<T>, Error> {
        self.with("writing to", |state| Ok(state.restoring.as_mut().map(act)))
    }
}

#[async_trait]
impl RestoreSink for MemoryRestore {
    async fn writer(&self, unit: &RestoreUnit) -> Result<Option<Box<dyn RestoreWriter>>, EngineError> {
        let is_written = self.target.update(|restoring| restoring.written.contains(&unit.page))?;
        Ok(match is_written {
            Some(true) => None,
            _ => Some(Box::new(MemoryWriter { target: self.target.clone(), unit: unit.clone(), entries: 0 })),
        })
    }

    async fn finish(&mut self) -> Result<(), EngineError> {
        self.target.update(|restoring| restoring.finished = true)?;
        Ok(())
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let namespace = &self.target.namespace;
        let view = self
            .target
            .with_finished("reading what was restored into", |state| Ok(namespace.view(&state.contents)))?;
        Ok(Box::new(view))
    }

    async fn publish(self: Box<Self>) -> Result<(), EngineError> {
        self.target.with_finished("publishing", |state| {
            state.restoring = None;
            Ok(())
        })?;
        Ok(())
    }

    async fn discard(self: Box<Self>) -> Result<(), EngineError> {
        let removed = self.target.with("discarding what was restored into", |state| Ok(state.discard()))?;
        drop(removed);
        Ok(())
    }
}

struct MemoryWriter {
    target: Target,
    unit: RestoreUnit,
    entries: u64,
}

#[async_trait]
impl RestoreWriter for MemoryWriter {
    async fn write(&mut self, segment: Segment) -> Result<(), EngineError> {
        self.target.with("writing to", |state| {
            for (root_key, entry) in segment.iter() {
                state.contents.put(root_key, entry.key, entry.value);
            }
            if let Some(restoring) = &mut state.restoring {
                restoring.finished = false;
            }
            Ok(())
        })?;
        self.entries += segment.entries();
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), EngineError> {
        let (expected, found) = (self.unit.entries, self.entries);
        if expected != found {
            let namespace = self.target.namespace.name().to_owned();
            return Err(Error::WrongCount { namespace, page: self.unit.page, expected, found }.into());
        }
        self.target.update(|restoring| restoring.written.insert(self.unit.page))?;
        Ok(())
    }
}
