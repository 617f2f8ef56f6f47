//! A read view of a namespace, as far as linera's interface has one.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use async_trait::async_trait;
use backup_format::{
    Consistency, EngineError, EntryStream, Estimate, FormatError, Order, Reader, Share, Snapshot, put_uleb,
};
use backup_layout::Layout;
use futures::{StreamExt, stream};

use crate::adapter::database::ViewsNamespace;
use crate::adapter::error::ViewsError;
use crate::adapter::plan::Plan;
use crate::adapter::reader::ShareReader;
use crate::worker::WorkerDatabase;

/// Reads the namespace as it is while it is read: linera's databases have no view of one moment.
///
/// Each exclusive partition is read by one call of linera's, and after all of them the others are listed and read. A
/// worker writes blocks and blobs before the chain state that refers to them, so this is causal, if three things hold: the
/// engine's call sees one moment (memory, RocksDB), the layout tells which partitions are exclusive, and nobody read
/// several shares, which would not wait for each other. Otherwise it is fuzzy.
///
/// Memory: all root keys, and of the partition that is read either all entries (an exclusive one) or all keys and a run of
/// values, which is about a megabyte where neighbouring values have similar lengths and at most 256 values.
pub(crate) struct ViewsSnapshot<D> {
    namespace: ViewsNamespace<D>,
    plan: Plan,
    /// Number of partitions in each slice, when the view was opened.
    weights: Vec<u64>,
    is_divided: AtomicBool,
}

impl<D: WorkerDatabase> ViewsSnapshot<D> {
    pub(crate) async fn open(namespace: ViewsNamespace<D>) -> Result<Self, ViewsError> {
        let root_keys = namespace.partitions().await?;
        let plan = Plan::new(root_keys.len());
        let mut weights: Vec<u64> = plan.whole().map(|_| 0).collect();
        for root_key in &root_keys {
            let slice = plan.slice(namespace.is_exclusive(root_key), root_key);
            weights.get_mut(slice as usize).into_iter().for_each(|weight| *weight += 1);
        }
        Ok(Self { namespace, plan, weights, is_divided: AtomicBool::new(false) })
    }

    fn decode(&self, token: &[u8]) -> Result<Range<u32>, FormatError> {
        let mut reader = Reader::new("share token", token);
        let end = self.plan.whole().end as usize;
        let start = reader.uleb(end, "first slice")?;
        let slices = start as u32..reader.uleb(end, "last slice")? as u32;
        reader.end()?;
        Ok(slices)
    }
}

#[async_trait]
impl<D: WorkerDatabase> Snapshot for ViewsSnapshot<D> {
    /// Says `causal` or `fuzzy`; it may change from the one to the other when [`Snapshot::shares`] divides.
    fn consistency(&self) -> Consistency {
        let tells_owners = self.namespace.layout() != Layout::Plain;
        let is_causal = self.namespace.engine().is_atomic && tells_owners && !self.is_divided.load(Relaxed);
        if is_causal { Consistency::Causal } else { Consistency::Fuzzy }
    }

    fn order(&self) -> Order {
        Order::Token
    }

    fn kind(&self, root_key: &[u8]) -> Option<&'static str> {
        self.namespace.layout().kind(root_key)
    }

    /// Knows nothing: linera counts neither entries nor bytes.
    async fn estimate(&self) -> Result<Estimate, EngineError> {
        Ok(Estimate::default())
    }

    async fn shares(&self, count: NonZeroUsize) -> Result<Vec<Share>, EngineError> {
        let ranges = self.plan.divide(&self.weights, count.get());
        if ranges.len() > 1 {
            self.is_divided.store(true, Relaxed);
        }
        let token = |range: &Range<u32>| {
            let mut token = Vec::new();
            put_uleb(&mut token, range.start);
            put_uleb(&mut token, range.end);
            token
        };
        Ok(ranges.iter().map(|range| Share { token: token(range), starts_page: true }).collect())
    }

    async fn entries(&self, share: &Share) -> Result<EntryStream, EngineError> {
        let namespace = self.namespace.name().to_owned();
        let slices = self.decode(&share.token).map_err(|source| ViewsError::Share { namespace, source })?;
        let reader = ShareReader::new(self.namespace.clone(), self.plan, &slices);
        let batches = stream::unfold(Some(reader), |reader| async move {
            let mut reader = reader?;
            match reader.next().await {
                Ok(Some(batch)) => Some((Ok(batch), Some(reader))),
                Ok(None) => None,
                Err(error) => Some((Err(EngineError::from(error)), None)),
            }
        });
        Ok(batches.boxed())
    }
}
