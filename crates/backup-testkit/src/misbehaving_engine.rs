//! An engine that breaks the contract on purpose.

mod script;

use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{
    Consistency, ContractError, DatabaseBackup, EngineError, EntryBatch, EntryStream, ErrorClass,
    FormatError, Order, Range, ReadPlan, Run, Snapshot, SourceInfo, show,
};
use futures::{StreamExt, stream};

use script::{Piece, Script};

/// What is wrong with a [`MisbehavingEngine`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineFlaw {
    /// Nothing: the engine itself is sound.
    Nothing,

    /// A run counts more entries than it has.
    CountTooHigh,
    /// A run counts fewer entries than it has.
    CountTooLow,
    /// A run that has entries counts none.
    CountOfZero,
    /// A run without bytes counts some entries.
    CountWithoutBody,
    /// The last entry of a run is cut off.
    TruncatedBody,
    /// Bytes that are no entry follow the first entry of a run.
    GarbageAfterEntry,
    /// A key is longer than the format allows.
    LongKey,
    /// A root key is longer than the format allows.
    LongRootKey,
    /// Batches follow an error.
    BatchesAfterError,

    /// Two keys of a partition come in the wrong order.
    KeysOutOfOrder,
    /// A key comes twice.
    KeyTwice,
    /// Two partitions come in the wrong order.
    PartitionsOutOfOrder,
    /// A partition comes twice in one range.
    PartitionTwice,
    /// A partition lies in two ranges, of a plan that promises whole partitions.
    PartitionInTwoRanges,
    /// A partition lies in both phases.
    PartitionInBothPhases,

    /// Two ranges have a partition in common.
    RangesOverlap,
    /// A range comes twice in a plan.
    RangeTwice,
    /// The ranges of a plan are not in the order of the dump.
    RangesOutOfOrder,
    /// The only phase of a plan has no ranges.
    NoRanges,
    /// A plan has 256 ranges in a phase; it must be asked for fewer.
    TooManyRanges,
    /// A plan has no phases.
    NoPhases,
    /// A plan has three phases.
    ThreePhases,
    /// A plan has two phases, in an order that allows one.
    PhasesInPlainOrder,
    /// A plan has two phases whose ranges do not start pages.
    PhasesWithoutPages,
    /// A plan has an identity, and its ranges do not start pages.
    IdentityWithoutPages,
}

/// A namespace of three partitions that is read in a wrong way.
///
/// Runs whose bytes are wrong do not get into a batch: [`Run::check`] refuses them, and the engine reports that.
#[derive(Clone, Debug)]
pub struct MisbehavingEngine {
    script: Arc<Script>,
}

impl MisbehavingEngine {
    /// Name of its namespace.
    pub const NAMESPACE: &str = "crooked";

    /// Makes a namespace with a flaw.
    #[must_use]
    pub fn new(flaw: EngineFlaw) -> Self {
        Self { script: Arc::new(Script::of(flaw)) }
    }

    /// Returns the root key of the partition in which the flaw shows; `None` when it shows in the plan or everywhere.
    #[must_use]
    pub fn culprit(&self) -> Option<&[u8]> {
        self.script.culprit.as_deref()
    }
}

/// What the engine itself notices.
#[derive(Debug, thiserror::Error)]
enum Defect {
    #[error("reading namespace {namespace}: the entries of root_key={root_key} are malformed")]
    Malformed { namespace: &'static str, root_key: String, source: FormatError },
    #[error("reading namespace {namespace}: the disk failed")]
    Disk { namespace: &'static str },
}

impl From<Defect> for EngineError {
    fn from(defect: Defect) -> Self {
        Self::new(ErrorClass::Failed, defect)
    }
}

#[async_trait]
impl DatabaseBackup for MisbehavingEngine {
    fn name(&self) -> &str {
        Self::NAMESPACE
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let info = SourceInfo {
            engine: "misbehaving".to_owned(),
            engine_version: String::new(),
            layout: "plain".to_owned(),
            namespace: Self::NAMESPACE.to_owned(),
        };
        Ok(Box::new(MisbehavingSnapshot { script: Arc::clone(&self.script), info }))
    }
}

struct MisbehavingSnapshot {
    script: Arc<Script>,
    info: SourceInfo,
}

#[async_trait]
impl Snapshot for MisbehavingSnapshot {
    fn source(&self) -> &SourceInfo {
        &self.info
    }

    fn order(&self) -> Order {
        self.script.order
    }

    fn kind(&self, _: &[u8]) -> Option<&'static str> {
        None
    }

    async fn estimate(&self) -> Result<Option<u64>, EngineError> {
        Ok(None)
    }

    async fn plan(&self, _: NonZeroUsize) -> Result<ReadPlan, EngineError> {
        let phase = |numbers: &Vec<u8>| numbers.iter().map(|number| Range { token: vec![*number] }).collect();
        Ok(ReadPlan {
            phases: self.script.plan.iter().map(phase).collect(),
            identity: self.script.identity.then(|| "crooked 1".to_owned()),
            starts_pages: self.script.starts_pages,
            requests_per_range: NonZeroUsize::MIN,
        })
    }

    async fn entries(&self, range: &Range) -> Result<EntryStream, EngineError> {
        let pieces = match range.token[..] {
            [number] => self.script.ranges.get(usize::from(number)),
            _ => None,
        };
        let pieces = pieces.ok_or_else(|| {
            let problem = format!("found {} bytes", range.token.len());
            let source = FormatError::Malformed { object: "range token", offset: 0, problem };
            ContractError::ForeignRange { place: MisbehavingEngine::NAMESPACE.to_owned(), source }
        })?;
        let batches: Vec<_> = pieces.iter().map(batch).collect();
        Ok(stream::iter(batches).boxed())
    }

    fn consistency(&self) -> Consistency {
        Consistency::PointInTime
    }
}

fn batch(piece: &Piece) -> Result<EntryBatch, EngineError> {
    let namespace = MisbehavingEngine::NAMESPACE;
    let mut batch = EntryBatch::default();
    match piece {
        Piece::Entries(root_key, entries) => {
            entries.iter().for_each(|(key, value)| batch.push(root_key, key, value));
        }
        Piece::Run { root_key, encoded, entries } => {
            let malformed = |source| Defect::Malformed { namespace, root_key: show(root_key), source };
            batch.push_run(root_key, Run::check(encoded, *entries).map_err(malformed)?);
        }
        Piece::Failure => return Err(Defect::Disk { namespace }.into()),
    }
    Ok(batch)
}
