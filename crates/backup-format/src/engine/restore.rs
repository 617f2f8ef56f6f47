//! Writing a dump into a namespace.

use async_trait::async_trait;

use crate::engine::{EngineError, Snapshot};
use crate::id::ObjectId;
use crate::order::Order;
use crate::segment::Segment;

/// Describes a restore. Two restores are the same if their dumps are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restore {
    /// The dump that is restored: the marker of the namespace names it.
    pub dump: ObjectId,
    /// Order of the entries. Within a unit they come in this order; units are disjoint ranges of it.
    pub order: Order,
    /// Number of entries.
    pub entries: u64,
}

/// One namespace of one engine, as the target of a restore.
#[async_trait]
pub trait RestoreTarget: Send + Sync {
    /// Returns the name of the namespace, for errors.
    fn name(&self) -> &str;

    /// Checks whether [`RestoreTarget::begin`] would succeed. Changes nothing.
    ///
    /// # Errors
    ///
    /// As [`RestoreTarget::begin`].
    async fn check(&self, restore: &Restore) -> Result<(), EngineError>;

    /// Begins a restore, or resumes the one of the same dump. Before this returns, the namespace durably carries a
    /// marker that every reader of it sees.
    ///
    /// # Errors
    ///
    /// [`ErrorClass::Refused`](crate::ErrorClass::Refused) when the namespace holds anything, or the marker of another
    /// restore; nothing was changed then.
    async fn begin(&self, restore: &Restore) -> Result<Box<dyn RestoreSink>, EngineError>;
}

/// A part of a dump that one writer writes: the entries beneath one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreUnit {
    /// Id of the page.
    pub page: ObjectId,
    /// Number of entries beneath it. The pump checks that so many are written.
    pub entries: u64,
}

/// A restore that is being written. Dropping it leaves what was written, and the marker, for another try.
#[async_trait]
pub trait RestoreSink: Send + Sync {
    /// Opens a writer for a unit, or returns `None` when an earlier try wrote that unit whole.
    ///
    /// Writers of different units may be open at the same time; units come in any order.
    ///
    /// # Errors
    ///
    /// As the engine reports them.
    async fn writer(&self, unit: &RestoreUnit) -> Result<Option<Box<dyn RestoreWriter>>, EngineError>;

    /// Completes what all writers wrote: registries rebuilt, everything durable. The marker stays.
    ///
    /// # Errors
    ///
    /// As the engine reports them; the restore can then be begun again, and resumes.
    async fn finish(self: Box<Self>) -> Result<Box<dyn Restored>, EngineError>;

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
    /// As the engine reports them. The unit must then be written again.
    async fn write(&mut self, segment: Segment) -> Result<(), EngineError>;

    /// Completes the unit. If a writer is dropped without this, the unit must be written again.
    ///
    /// # Errors
    ///
    /// As the engine reports them.
    async fn finish(self: Box<Self>) -> Result<(), EngineError>;
}

/// A restore whose entries are all written and durable, and which still carries its marker.
#[async_trait]
pub trait Restored: Send + Sync {
    /// Opens a read view of what was restored: the digest is computed from it.
    ///
    /// # Errors
    ///
    /// As the engine reports them.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError>;

    /// Removes the marker: from then on the namespace is usable. Every snapshot must have been dropped.
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
