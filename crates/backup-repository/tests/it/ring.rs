//! An engine in memory that several processes can read: slices of a ring, in two phases.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use backup_format::{
    Consistency, DatabaseBackup, EngineError, EntryBatch, EntryStream, ErrorClass, Estimate, Order, Parts,
    RestoreMarker, RestorePlan, RestoreSink, Share, Snapshot, SourceInfo, token,
};
use futures::{StreamExt, stream};

pub const SLICES: u8 = 8;

/// Token and root key.
type Root = (i64, Vec<u8>);
type Entries = BTreeMap<Root, BTreeMap<Vec<u8>, Vec<u8>>>;
/// Called when a part is begun: phase and slice.
type Hook = dyn Fn(u8, u8) + Send + Sync;

/// Root keys that begin with 0 have one owner, and are the first phase.
#[derive(Clone)]
pub struct Ring {
    pub name: String,
    pub identity: String,
    pub layout: String,
    pub vouches: Consistency,
    pub entries: Arc<Mutex<Entries>>,
    pub begun: Arc<Mutex<Vec<(u8, u8)>>>,
    pub hook: Arc<Hook>,
}

impl Ring {
    pub fn new() -> Self {
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

    pub fn put(&self, root_key: &[u8], key: &[u8], value: &[u8]) {
        // The row has a tag before the root key, as the order of dumps has it.
        let place = (token(&[&[0], root_key].concat()), root_key.to_vec());
        let mut entries = self.entries.lock().unwrap();
        entries.entry(place).or_default().insert(key.to_vec(), value.to_vec());
    }

    /// Returns the parts that were begun since the last call.
    pub fn take_begun(&self) -> Vec<(u8, u8)> {
        let mut begun = std::mem::take(&mut *self.begun.lock().unwrap());
        begun.sort_unstable();
        begun
    }

    fn read(&self, phase: u8, slice: u8) -> EntryBatch {
        self.begun.lock().unwrap().push((phase, slice));
        (self.hook)(phase, slice);
        let mut batch = EntryBatch::default();
        batch.start_page();
        for ((token, root_key), entries) in &*self.entries.lock().unwrap() {
            let of_phase = if root_key.first() == Some(&0) { 1 } else { 2 };
            if of_phase == phase && slice_of(*token) == slice {
                for (key, value) in entries {
                    batch.push(root_key, key, value);
                }
            }
        }
        batch
    }
}

fn slice_of(token: i64) -> u8 {
    (token.wrapping_sub(i64::MIN).cast_unsigned() >> (64 - SLICES.ilog2())) as u8
}

#[async_trait]
impl DatabaseBackup for Ring {
    fn source(&self) -> SourceInfo {
        SourceInfo {
            engine: "ring".to_owned(),
            engine_version: String::new(),
            layout: self.layout.clone(),
            namespace: self.name.clone(),
        }
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        Ok(Box::new(RingSnapshot(self.clone())))
    }

    async fn restore(&self, _: &RestoreMarker, _: &RestorePlan) -> Result<Box<dyn RestoreSink>, EngineError> {
        Err(EngineError::new(ErrorClass::Refused, "it is only read"))
    }

    async fn check_restorable(&self, _: &RestoreMarker) -> Result<(), EngineError> {
        Err(EngineError::new(ErrorClass::Refused, "it is only read"))
    }
}

struct RingSnapshot(Ring);

fn share(phase: u8, slices: std::ops::Range<u8>) -> Share {
    Share { token: vec![phase, slices.start, slices.end], starts_page: true }
}

#[async_trait]
impl Snapshot for RingSnapshot {
    fn consistency(&self) -> Consistency {
        self.0.vouches
    }

    fn order(&self) -> Order {
        Order::Token
    }

    fn kind(&self, root_key: &[u8]) -> Option<&'static str> {
        Some(if root_key.first() == Some(&0) { "owned" } else { "shared" })
    }

    async fn estimate(&self) -> Result<Estimate, EngineError> {
        Ok(Estimate::default())
    }

    async fn shares(&self, _: NonZeroUsize) -> Result<Vec<Share>, EngineError> {
        Ok(vec![share(1, 0..SLICES), share(2, 0..SLICES)])
    }

    async fn parts(&self) -> Result<Option<Parts>, EngineError> {
        let parts = |phase| (0..SLICES).map(|slice| share(phase, slice..slice + 1)).collect();
        Ok(Some(Parts { identity: self.0.identity.clone(), first: parts(1), second: parts(2) }))
    }

    fn parts_consistency(&self) -> Consistency {
        self.0.vouches
    }

    async fn entries(&self, share: &Share) -> Result<EntryStream, EngineError> {
        let (ring, token) = (self.0.clone(), share.token.clone());
        let slices = stream::iter(token[1]..token[2]);
        Ok(slices.map(move |slice| Ok(ring.read(token[0], slice))).boxed())
    }
}
