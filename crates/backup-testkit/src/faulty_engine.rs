//! An engine that fails on purpose.

use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{
    Consistency, DatabaseBackup, EngineError, EntryStream, ErrorClass, Estimate, Order, Parts, RestoreMarker,
    RestorePlan, RestoreSink, RestoreUnit, RestoreWriter, Segment, Share, Snapshot, SourceInfo,
};
use futures::{StreamExt, stream};

use crate::faults::{Faults, InjectedFault, guard};

/// Wraps a namespace and fails as its [`Faults`] say, with errors of a chosen class.
///
/// Operations, in the words of [`Faults::only`]: `snapshot`, `estimate`, `shares`, `parts`, `entries`, `batch` (each batch of a
/// stream, and its end), `check_restorable`, `restore`, `writer`, `write`, `finish_unit`, `finish`, `view` (the sink's
/// snapshot), `publish`, `discard`. Streams end after an error. All other methods are passed on.
#[derive(Clone)]
pub struct FaultyEngine {
    inner: Arc<dyn DatabaseBackup>,
    hook: Hook,
}

impl FaultyEngine {
    /// Wraps a namespace.
    #[must_use]
    pub fn new(inner: Arc<dyn DatabaseBackup>, faults: Arc<Faults>, class: ErrorClass) -> Self {
        Self { inner, hook: Hook { faults, class } }
    }
}

#[derive(Clone)]
struct Hook {
    faults: Arc<Faults>,
    class: ErrorClass,
}

impl Hook {
    fn error(&self, injected: InjectedFault) -> EngineError {
        EngineError::new(self.class, injected)
    }

    async fn guard<T>(
        &self,
        operation: &'static str,
        run: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        guard(&self.faults, operation, |injected| self.error(injected), run).await
    }

    fn wrap(&self, inner: Box<dyn Snapshot>) -> Box<dyn Snapshot> {
        Box::new(FaultySnapshot { inner, hook: self.clone() })
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl DatabaseBackup for FaultyEngine {
    fn source(&self) -> SourceInfo {
        self.inner.source()
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let snapshot = self.hook.guard("snapshot", self.inner.snapshot()).await?;
        Ok(self.hook.wrap(snapshot))
    }

    async fn restore(
        &self,
        marker: &RestoreMarker,
        plan: &RestorePlan,
    ) -> Result<Box<dyn RestoreSink>, EngineError> {
        let inner = self.hook.guard("restore", self.inner.restore(marker, plan)).await?;
        Ok(Box::new(FaultySink { inner, hook: self.hook.clone() }))
    }

    async fn check_restorable(&self, marker: &RestoreMarker) -> Result<(), EngineError> {
        self.hook.guard("check_restorable", self.inner.check_restorable(marker)).await
    }
}

struct FaultySnapshot {
    inner: Box<dyn Snapshot>,
    hook: Hook,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Snapshot for FaultySnapshot {
    fn consistency(&self) -> Consistency {
        self.inner.consistency()
    }

    fn order(&self) -> Order {
        self.inner.order()
    }

    fn kind(&self, root_key: &[u8]) -> Option<&'static str> {
        self.inner.kind(root_key)
    }

    async fn estimate(&self) -> Result<Estimate, EngineError> {
        self.hook.guard("estimate", self.inner.estimate()).await
    }

    async fn shares(&self, count: NonZeroUsize) -> Result<Vec<Share>, EngineError> {
        self.hook.guard("shares", self.inner.shares(count)).await
    }

    async fn parts(&self) -> Result<Option<Parts>, EngineError> {
        self.hook.guard("parts", self.inner.parts()).await
    }

    fn parts_consistency(&self) -> Consistency {
        self.inner.parts_consistency()
    }

    async fn entries(&self, share: &Share) -> Result<EntryStream, EngineError> {
        let inner = self.hook.guard("entries", self.inner.entries(share)).await?;
        let open = Some((inner, self.hook.clone()));
        let batches = stream::unfold(open, |open| async {
            let (mut inner, hook) = open?;
            let next = hook.guard("batch", async { inner.next().await.transpose() }).await;
            match next.transpose()? {
                Ok(batch) => Some((Ok(batch), Some((inner, hook)))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(batches.boxed())
    }
}

struct FaultySink {
    inner: Box<dyn RestoreSink>,
    hook: Hook,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl RestoreSink for FaultySink {
    async fn writer(&self, unit: &RestoreUnit) -> Result<Option<Box<dyn RestoreWriter>>, EngineError> {
        let inner = self.hook.guard("writer", self.inner.writer(unit)).await?;
        Ok(inner.map(|inner| -> Box<dyn RestoreWriter> {
            Box::new(FaultyWriter { inner, hook: self.hook.clone() })
        }))
    }

    async fn finish(&mut self) -> Result<(), EngineError> {
        self.hook.guard("finish", self.inner.finish()).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let snapshot = self.hook.guard("view", self.inner.snapshot()).await?;
        Ok(self.hook.wrap(snapshot))
    }

    async fn publish(self: Box<Self>) -> Result<(), EngineError> {
        let Self { inner, hook } = *self;
        hook.guard("publish", inner.publish()).await
    }

    async fn discard(self: Box<Self>) -> Result<(), EngineError> {
        let Self { inner, hook } = *self;
        hook.guard("discard", inner.discard()).await
    }
}

struct FaultyWriter {
    inner: Box<dyn RestoreWriter>,
    hook: Hook,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl RestoreWriter for FaultyWriter {
    async fn write(&mut self, segment: Segment) -> Result<(), EngineError> {
        self.hook.guard("write", self.inner.write(segment)).await
    }

    async fn finish(self: Box<Self>) -> Result<(), EngineError> {
        let Self { inner, hook } = *self;
        hook.guard("finish_unit", inner.finish()).await
    }
}
