//! Writing a dump into a namespace.

use async_trait::async_trait;

use crate::engine::{EngineError, Snapshot};
use crate::id::ObjectId;
use crate::order::Order;
use crate::segment::Segment;

/// What tells one restore from another: a namespace that carries it is being restored from this dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoreMarker {
    /// The dump that is being restored.
    pub dump: ObjectId,
}

/// What is going to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestorePlan {
    /// Order of the entries: within a unit they come in this order, and units are disjoint ranges of it.
    pub order: Order,
    /// Number of partitions.
    pub partitions: u64,
    /// Number of entries.
    pub entries: u64,
    /// Bytes of all segments' plaintexts.
    pub plain_bytes: u64,
}

/// A part of a dump that is written by one writer: the entries beneath one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreUnit {
    /// Id of the page.
    pub page: ObjectId,
    /// Number of entries beneath it.
    pub entries: u64,
}

/// A restore under way. Dropping it leaves what was written, and the marker, for another try.
#[async_trait]
pub trait RestoreSink: Send + Sync {
    /// Opens a writer for a unit, or returns `None` when an earlier try wrote that unit whole. Writers of
    /// different units may be open at the same time; units come in any order.
    ///
    /// # Errors
    ///
    /// As the engine reports them.
    async fn writer(&self, unit: &RestoreUnit) -> Result<Option<Box<dyn RestoreWriter>>, EngineError>;

    /// Completes what all writers wrote: registries rebuilt, everything durable. The marker stays.
    ///
    /// # Errors
    ///
    /// As the engine reports them.
    async fn finish(&mut self) -> Result<(), EngineError>;

    /// Opens a read view of what was restored, after [`RestoreSink::finish`]: the digest is taken from it.
    ///
    /// # Errors
    ///
    /// As the engine reports them.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError>;

    /// Removes the marker: from now on the namespace is usable. Any snapshot must have been dropped.
    ///
    /// # Errors
    ///
    /// As the engine reports them; the marker is still there then.
    async fn publish(self: Box<Self>) -> Result<(), EngineError>;

    /// Removes what was written and the marker, so that the namespace is as before.
    ///
    /// # Errors
    ///
    /// As the engine reports them.
    async fn discard(self: Box<Self>) -> Result<(), EngineError>;
}

/// Writes the segments of one unit, in their order.
#[async_trait]
pub trait RestoreWriter: Send {
    /// Writes the entries of a segment.
    ///
    /// # Errors
    ///
    /// As the engine reports them; the unit must then be written anew.
    async fn write(&mut self, segment: Segment) -> Result<(), EngineError>;

    /// Completes the unit. Dropping a writer without this leaves the unit to be written anew.
    ///
    /// # Errors
    ///
    /// As the engine reports them.
    async fn finish(self: Box<Self>) -> Result<(), EngineError>;
}
