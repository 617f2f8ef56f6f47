//! A read view of a namespace.

use std::num::NonZeroUsize;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::engine::EngineError;
use crate::entry::EntryBatch;
use crate::manifest::Consistency;
use crate::order::Order;

/// Batches of entries, in the order of the snapshot.
pub type EntryStream = BoxStream<'static, Result<EntryBatch, EngineError>>;

/// A contiguous range of a snapshot, for one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// What the range is: only the engine that made it knows.
    pub token: Vec<u8>,
    /// Whether a page begins with the first entry of the range in any case. Where it does not, a pump reads on
    /// into the range until the cut rule begins a page.
    pub starts_page: bool,
}

/// The parts of a namespace that several processes can read, each with a snapshot of its own.
///
/// They are the same whoever asks, however much the namespace changes. A partition lies in one part as a whole, and every part
/// begins a page. All of `first` and then all of `second` are the namespace in the order of the dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Tells this namespace from all others, wherever it is read from.
    pub identity: String,
    /// What must be read before any of `second` is begun.
    pub first: Vec<Share>,
    /// The rest.
    pub second: Vec<Share>,
}

/// What a namespace seems to hold, without reading it: for progress bars only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Bytes of keys and values; `None` when unknown.
    pub plain_bytes: Option<u64>,
    /// Number of entries; `None` when unknown.
    pub entries: Option<u64>,
}

/// A read view of a namespace, which lasts until it is dropped.
#[async_trait]
pub trait Snapshot: Send + Sync {
    /// Says what the reading can vouch for: never more than is true.
    fn consistency(&self) -> Consistency;

    /// Says in which order the entries come.
    fn order(&self) -> Order;

    /// Names the kind of a partition in the layout's words (`chain_state`, `block`, ...), `None` when the layout knows no
    /// kinds. The names of one layout are few and fixed.
    fn kind(&self, root_key: &[u8]) -> Option<&'static str>;

    /// Estimates how much there is to read, quickly.
    async fn estimate(&self) -> Result<Estimate, EngineError>;

    /// Divides the whole into at most `count` ranges, which follow each other in the order of the snapshot and together
    /// are all of it. An empty namespace has one empty share.
    async fn shares(&self, count: NonZeroUsize) -> Result<Vec<Share>, EngineError>;

    /// Divides the whole for several processes; `None`, the default, when it can only be read by one: because its snapshots
    /// are of one moment each, or its shares depend on more than on the engine.
    async fn parts(&self) -> Result<Option<Parts>, EngineError> {
        Ok(None)
    }

    /// Says what the parts can vouch for that this snapshot has read so far, if no part of the second phase was begun before
    /// all of the first were read, by whomever; never more than is true.
    fn parts_consistency(&self) -> Consistency {
        Consistency::Fuzzy
    }

    /// Reads a share, from its first entry to its last. May be called again, also while an earlier stream of the
    /// same share is unread; a [`Consistency::PointInTime`] snapshot then gives the same entries.
    ///
    /// Batches are bounded by some megabytes or one entry. Entries of one partition are contiguous and strictly
    /// increase. An error ends the stream: entries are never skipped.
    async fn entries(&self, share: &Share) -> Result<EntryStream, EngineError>;
}
