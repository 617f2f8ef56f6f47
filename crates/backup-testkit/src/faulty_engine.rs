//! An engine that fails on purpose.

use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{
    Consistency, DatabaseBackup, EngineError, EntryStream, ErrorClass, Order, Range, ReadPlan, Restore,
    RestoreSink, RestoreTarget, RestoreUnit, RestoreWriter, Restored, Segment, Snapshot, SourceInfo,
};
use futures::{StreamExt, stream};

use crate::engine::Namespace;
use crate::faults::{Faults, InjectedFault, guard};

/// Wraps a namespace and fails as its [`Faults`] say, with errors of a chosen class.
///
/// Operations, in the words of [`Faults::only`]:
///
/// - of a source: `snapshot`, `estimate`, `plan`, `entries`, `batch` (each batch of a stream, and its end);
/// - of a target: `check`, `begin`, `writer`, `write`, `finish_unit`, `finish`, `view` (the snapshot of what was
///   restored), `publish`, `discard` (before `finish` or after).
///
/// Streams end after an error. All other methods are passed on.
#[derive(Clone)]
pub struct FaultyEngine {
    inner: Namespace,
    hook: Hook,
}

impl FaultyEngine {
    /// Wraps a namespace.
    #[must_use]
    pub fn new(inner: Namespace, faults: Arc<Faults>, class: ErrorClass) -> Self {
        Self { inner, hook: Hook { faults, class } }
    }
}

#[derive(Clone)]
pub(crate) struct Hook {
    pub faults: Arc<Faults>,
    pub class: ErrorClass,
}

impl Hook {
    fn error(&self, injected: InjectedFault) -> EngineError {
        EngineError::new(self.class, injected)
    }

    pub(crate) async fn guard<T>(
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
    fn name(&self) -> &str {
        self.inner.source.name()
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let snapshot = self.hook.guard("snapshot", self.inner.source.snapshot()).await?;
        Ok(self.hook.wrap(snapshot))
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl RestoreTarget for FaultyEngine {
    fn name(&self) -> &str {
        self.inner.target.name()
    }

    async fn check(&self, restore: &Restore) -> Result<(), EngineError> {
        self.hook.guard("check", self.inner.target.check(restore)).await
    }

    async fn begin(&self, restore: &Restore) -> Result<Box<dyn RestoreSink>, EngineError> {
        let inner = self.hook.guard("begin", self.inner.target.begin(restore)).await?;
        Ok(Box::new(FaultySink { inner, hook: self.hook.clone() }))
    }
}

struct FaultySnapshot {
    inner: Box<dyn Snapshot>,
    hook: Hook,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Snapshot for FaultySnapshot {
    fn source(&self) -> &SourceInfo {
        self.inner.source()
    }

    fn order(&self) -> Order {
        self.inner.order()
    }

    fn kind(&self, root_key: &[u8]) -> Option<&'static str> {
        self.inner.kind(root_key)
    }

    async fn estimate(&self) -> Result<Option<u64>, EngineError> {
        self.hook.guard("estimate", self.inner.estimate()).await
    }

    async fn plan(&self, ranges_max: NonZeroUsize) -> Result<ReadPlan, EngineError> {
        self.hook.guard("plan", self.inner.plan(ranges_max)).await
    }

    async fn entries(&self, range: &Range) -> Result<EntryStream, EngineError> {
        let inner = self.hook.guard("entries", self.inner.entries(range)).await?;
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

    fn consistency(&self) -> Consistency {
        self.inner.consistency()
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

    async fn finish(self: Box<Self>) -> Result<Box<dyn Restored>, EngineError> {
        let Self { inner, hook } = *self;
        let inner = hook.guard("finish", inner.finish()).await?;
        Ok(Box::new(FaultyRestored { inner, hook }))
    }

    async fn discard(self: Box<Self>) -> Result<(), EngineError> {
        let Self { inner, hook } = *self;
        hook.guard("discard", inner.discard()).await
    }
}

struct FaultyRestored {
    inner: Box<dyn Restored>,
    hook: Hook,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Restored for FaultyRestored {
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
