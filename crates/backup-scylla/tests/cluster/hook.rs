//! A namespace with which something happens in the middle.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use backup_format::{
    Consistency, DatabaseBackup, EngineError, EntryStream, Order, Range, ReadPlan, Restore, RestoreSink,
    RestoreTarget, RestoreUnit, RestoreWriter, Restored, Segment, Snapshot, SourceInfo,
};
use backup_scylla::CqlNamespace;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};

/// What happens.
pub type Event = fn() -> BoxFuture<'static, ()>;

/// Calls its event once: before the batch or segment of this number, counted from 1, is handed on.
#[derive(Clone)]
struct Counter {
    at: u32,
    seen: Arc<AtomicU32>,
    /// The longest time that one of them took, in milliseconds.
    longest: Arc<AtomicU64>,
    event: Event,
}

impl Counter {
    async fn count(&self) {
        if self.seen.fetch_add(1, Ordering::Relaxed) + 1 == self.at {
            (self.event)().await;
        }
    }

    /// Waits for something, and remembers how long that took.
    async fn timed<T>(&self, waiting: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let result = waiting.await;
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.longest.fetch_max(took, Ordering::Relaxed);
        result
    }
}

/// A namespace with an event.
pub struct Hooked {
    inner: CqlNamespace,
    counter: Counter,
}

impl Hooked {
    pub fn new(inner: CqlNamespace, at: u32, event: Event) -> Self {
        Self { inner, counter: Counter { at, seen: Arc::default(), longest: Arc::default(), event } }
    }

    /// Returns the longest time for which a reader or writer stood still, apart from the event.
    pub fn longest(&self) -> Duration {
        Duration::from_millis(self.counter.longest.load(Ordering::Relaxed))
    }

    /// Returns how many batches or segments came before the event and after it.
    pub fn around(&self) -> (u32, u32) {
        let seen = self.counter.seen.load(Ordering::Relaxed);
        ((self.counter.at - 1).min(seen), seen.saturating_sub(self.counter.at - 1))
    }
}

#[async_trait]
impl DatabaseBackup for Hooked {
    fn name(&self) -> &str {
        DatabaseBackup::name(&self.inner)
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let inner = self.inner.snapshot().await?;
        Ok(Box::new(HookedSnapshot { inner, counter: self.counter.clone() }))
    }
}

#[async_trait]
impl RestoreTarget for Hooked {
    fn name(&self) -> &str {
        RestoreTarget::name(&self.inner)
    }

    async fn check(&self, restore: &Restore) -> Result<(), EngineError> {
        self.inner.check(restore).await
    }

    async fn begin(&self, restore: &Restore) -> Result<Box<dyn RestoreSink>, EngineError> {
        let inner = self.inner.begin(restore).await?;
        Ok(Box::new(HookedSink { inner, counter: self.counter.clone() }))
    }
}

struct HookedSnapshot {
    inner: Box<dyn Snapshot>,
    counter: Counter,
}

#[async_trait]
impl Snapshot for HookedSnapshot {
    fn source(&self) -> &SourceInfo {
        self.inner.source()
    }

    fn consistency(&self) -> Consistency {
        self.inner.consistency()
    }

    fn order(&self) -> Order {
        self.inner.order()
    }

    fn kind(&self, root_key: &[u8]) -> Option<&'static str> {
        self.inner.kind(root_key)
    }

    async fn estimate(&self) -> Result<Option<u64>, EngineError> {
        self.inner.estimate().await
    }

    async fn plan(&self, ranges_max: NonZeroUsize) -> Result<ReadPlan, EngineError> {
        self.inner.plan(ranges_max).await
    }

    async fn entries(&self, range: &Range) -> Result<EntryStream, EngineError> {
        let (inner, counter) = (self.inner.entries(range).await?, self.counter.clone());
        let batches = futures::stream::unfold((inner, counter), |(mut inner, counter)| async move {
            let batch = counter.timed(inner.next()).await?;
            counter.count().await;
            Some((batch, (inner, counter)))
        });
        Ok(batches.boxed())
    }
}

struct HookedSink {
    inner: Box<dyn RestoreSink>,
    counter: Counter,
}

#[async_trait]
impl RestoreSink for HookedSink {
    async fn writer(&self, unit: &RestoreUnit) -> Result<Option<Box<dyn RestoreWriter>>, EngineError> {
        let inner = self.inner.writer(unit).await?;
        let counter = self.counter.clone();
        Ok(inner.map(|inner| Box::new(HookedWriter { inner, counter }) as Box<dyn RestoreWriter>))
    }

    async fn finish(self: Box<Self>) -> Result<Box<dyn Restored>, EngineError> {
        self.inner.finish().await
    }

    async fn discard(self: Box<Self>) -> Result<(), EngineError> {
        self.inner.discard().await
    }
}

struct HookedWriter {
    inner: Box<dyn RestoreWriter>,
    counter: Counter,
}

#[async_trait]
impl RestoreWriter for HookedWriter {
    async fn write(&mut self, segment: Segment) -> Result<(), EngineError> {
        self.counter.count().await;
        self.counter.timed(self.inner.write(segment)).await
    }

    async fn finish(self: Box<Self>) -> Result<(), EngineError> {
        self.counter.timed(self.inner.finish()).await
    }
}

/// Makes an event of a future.
pub fn event(future: impl Future<Output = ()> + Send + 'static) -> BoxFuture<'static, ()> {
    future.boxed()
}
