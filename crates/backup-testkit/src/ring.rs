//! An engine in memory that several processes can read: slices of a ring, in two phases.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use backup_format::{
    Consistency, ContractError, DatabaseBackup, EngineError, EntryBatch, EntryStream, FormatError, Order,
    Range, ReadPlan, Snapshot, SourceInfo, token,
};
use futures::{StreamExt, stream};

/// Equal parts of the ring: most ranges of a phase.
const SLICES: u8 = 8;
/// Bytes of keys and values after which a batch ends.
const BATCH_BYTES: usize = 256 << 10;

/// Token and root key.
type Place = (i64, Vec<u8>);
type Entries = BTreeMap<Place, BTreeMap<Vec<u8>, Vec<u8>>>;
type Begun = Vec<(u8, u8)>;
type Hook = dyn Fn(u8, u8) + Send + Sync;

/// A namespace in memory that is read in two phases, in the order of tokens.
///
/// Root keys that begin with a zero byte are exclusive partitions, and come in phase 1; all others come in phase 2. Each
/// phase is divided into at most 8 ranges. A range shows what the namespace holds when its slices are read. Clones are
/// handles of the same namespace.
#[derive(Clone)]
pub struct Ring {
    /// Name of the namespace.
    pub name: String,
    /// Identity of its plans.
    pub identity: String,
    /// Name of its layout.
    pub layout: String,
    /// What its snapshots prove.
    pub vouches: Consistency,
    /// The entries, by token and root key, then by key.
    pub entries: Arc<Mutex<Entries>>,
    /// Phase and slice of each slice whose reading was begun.
    pub begun: Arc<Mutex<Begun>>,
    /// Called with phase and slice when the reading of a slice begins.
    pub hook: Arc<Hook>,
}

impl Default for Ring {
    fn default() -> Self {
        Self {
            name: "ring".to_owned(),
            identity: "the only one".to_owned(),
            layout: "plain".to_owned(),
            vouches: Consistency::Causal,
            entries: Arc::default(),
            begun: Arc::default(),
            hook: Arc::new(|_, _| ()),
        }
    }
}

impl Ring {
    /// Makes an empty namespace.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry, or gives it another value.
    pub fn put(&self, root_key: &[u8], key: &[u8], value: &[u8]) {
        // The row has a tag before the root key, as the order of dumps has it.
        let place = (token(&[&[0], root_key].concat()), root_key.to_vec());
        lock(&self.entries).entry(place).or_default().insert(key.to_vec(), value.to_vec());
    }

    /// Returns the slices that were begun since the last call, by phase and slice.
    pub fn take_begun(&self) -> Vec<(u8, u8)> {
        let mut begun = std::mem::take(&mut *lock(&self.begun));
        begun.sort_unstable();
        begun
    }

    fn read(&self, phase: u8, slice: u8) -> Vec<EntryBatch> {
        lock(&self.begun).push((phase, slice));
        (self.hook)(phase, slice);
        let mut batches = vec![EntryBatch::default()];
        for ((token, root_key), entries) in &*lock(&self.entries) {
            if phase_of(root_key) != phase || slice_of(*token) != slice {
                continue;
            }
            for (key, value) in entries {
                put(&mut batches, root_key, key, value);
            }
        }
        batches.retain(|batch| !batch.is_empty());
        batches
    }
}

fn put(batches: &mut Vec<EntryBatch>, root_key: &[u8], key: &[u8], value: &[u8]) {
    match batches.last_mut() {
        Some(batch) if batch.byte_len() < BATCH_BYTES => batch.push(root_key, key, value),
        _ => {
            let mut batch = EntryBatch::default();
            batch.push(root_key, key, value);
            batches.push(batch);
        }
    }
}

fn phase_of(root_key: &[u8]) -> u8 {
    if root_key.first() == Some(&0) { 1 } else { 2 }
}

fn slice_of(token: i64) -> u8 {
    (token.wrapping_sub(i64::MIN).cast_unsigned() >> (u64::BITS - SLICES.ilog2())) as u8
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl DatabaseBackup for Ring {
    fn name(&self) -> &str {
        &self.name
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let info = SourceInfo {
            engine: "ring".to_owned(),
            engine_version: String::new(),
            layout: self.layout.clone(),
            namespace: self.name.clone(),
        };
        Ok(Box::new(RingSnapshot { ring: self.clone(), info }))
    }
}

struct RingSnapshot {
    ring: Ring,
    info: SourceInfo,
}

/// Phase, first slice, and the one after the last.
fn range(phase: u8, slices: std::ops::Range<u8>) -> Range {
    Range { token: vec![phase, slices.start, slices.end] }
}

fn parse(range: &Range) -> Result<(u8, std::ops::Range<u8>), FormatError> {
    match range.token[..] {
        [phase @ 1..=2, start, end] if start < end && end <= SLICES => Ok((phase, start..end)),
        _ => {
            let problem = format!("expected phase and slices, found {} bytes", range.token.len());
            Err(FormatError::Malformed { object: "range token", offset: 0, problem })
        }
    }
}

#[async_trait]
impl Snapshot for RingSnapshot {
    fn source(&self) -> &SourceInfo {
        &self.info
    }

    fn order(&self) -> Order {
        Order::Token
    }

    fn kind(&self, root_key: &[u8]) -> Option<&'static str> {
        Some(if phase_of(root_key) == 1 { "exclusive" } else { "shared" })
    }

    async fn estimate(&self) -> Result<Option<u64>, EngineError> {
        Ok(None)
    }

    async fn plan(&self, ranges_max: NonZeroUsize) -> Result<ReadPlan, EngineError> {
        let ranges = u8::try_from(ranges_max.get()).map_or(SLICES, |ranges| ranges.min(SLICES));
        let boundary = move |number: u8| number * SLICES / ranges;
        let phase = |phase: u8| -> Vec<Range> {
            (0..ranges).map(|number| range(phase, boundary(number)..boundary(number + 1))).collect()
        };
        Ok(ReadPlan {
            phases: vec![phase(1), phase(2)],
            identity: Some(self.ring.identity.clone()),
            starts_pages: true,
            requests_per_range: NonZeroUsize::MIN,
        })
    }

    async fn entries(&self, range: &Range) -> Result<EntryStream, EngineError> {
        let (phase, slices) = parse(range)
            .map_err(|source| ContractError::ForeignRange { place: self.ring.name.clone(), source })?;
        let ring = self.ring.clone();
        let batches = stream::iter(slices).flat_map(move |slice| stream::iter(ring.read(phase, slice)));
        Ok(batches.map(Ok).boxed())
    }

    fn consistency(&self) -> Consistency {
        self.ring.vouches
    }
}
