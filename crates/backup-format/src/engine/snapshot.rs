//! Reading a namespace.

use std::num::NonZeroUsize;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::engine::{EngineError, Range, ReadPlan};
use crate::entry::EntryBatch;
use crate::manifest::Consistency;
use crate::order::Order;

/// Batches of entries, in the order of the snapshot. An error is the last item.
pub type EntryStream = BoxStream<'static, Result<EntryBatch, EngineError>>;

/// Describes where a snapshot comes from; goes into the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceInfo {
    /// Engine: memory, rocksdb, scylla, or the name of another one.
    pub engine: String,
    /// Version of the engine; empty when it has none.
    pub engine_version: String,
    /// Layout of the rows: `linera-0.15`, `linera-0.16` or `plain`.
    pub layout: String,
    /// Name of the namespace.
    pub namespace: String,
}

/// One namespace of one engine, as the source of a backup.
#[async_trait]
pub trait DatabaseBackup: Send + Sync {
    /// Returns the name of the namespace, for manifests and errors.
    fn name(&self) -> &str;

    /// Opens a read view. Never writes to the namespace, and never disturbs a process that does.
    ///
    /// # Errors
    ///
    /// [`ErrorClass::Failed`](crate::ErrorClass::Failed) when the namespace is missing or cannot be read,
    /// [`ErrorClass::Refused`](crate::ErrorClass::Refused) when its layout cannot be detected.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError>;
}

/// A read view of a namespace, which lasts until it is dropped.
#[async_trait]
pub trait Snapshot: Send + Sync {
    /// Describes the namespace: engine, version, layout and name.
    fn source(&self) -> &SourceInfo;

    /// Returns the order in which entries come.
    fn order(&self) -> Order;

    /// Names the kind of a partition in the layout's words: `chain_state`, `block`, ...
    ///
    /// Returns `None` when the layout knows no kinds. The names of one layout are few and fixed.
    fn kind(&self, root_key: &[u8]) -> Option<&'static str>;

    /// Estimates the bytes of all keys and values, without reading them: for progress and division only.
    ///
    /// Returns `None` when the engine cannot estimate.
    ///
    /// # Errors
    ///
    /// As the engine reports them.
    async fn estimate(&self) -> Result<Option<u64>, EngineError>;

    /// Divides the namespace into phases of at most `ranges_max` ranges each. [`ReadPlan`] has the rules.
    ///
    /// # Errors
    ///
    /// As the engine reports them.
    async fn plan(&self, ranges_max: NonZeroUsize) -> Result<ReadPlan, EngineError>;

    /// Reads a range of a plan of this snapshot, from its first entry to its last.
    ///
    /// May be called again for the same range, also while an earlier stream is unread. A snapshot that is
    /// [`Consistency::PointInTime`] then gives the same entries.
    ///
    /// Batches are bounded by some megabytes or one entry. Entries of one partition are contiguous and strictly
    /// increase. An error ends the stream: entries are never skipped.
    ///
    /// # Errors
    ///
    /// As the engine reports them; [`ContractError::ForeignRange`](crate::ContractError::ForeignRange) for a range
    /// that it did not plan.
    async fn entries(&self, range: &Range) -> Result<EntryStream, EngineError>;

    /// Returns what the entries read so far prove, if the phases of the plan were kept. Never more than is true.
    fn consistency(&self) -> Consistency;
}
