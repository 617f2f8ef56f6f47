//! A read view of a namespace, as far as linera's interface has one.

use std::num::NonZeroUsize;

use async_trait::async_trait;
use backup_format::{
    Consistency, ContractError, EngineError, EntryStream, Order, Range, ReadPlan, Snapshot, SourceInfo,
};
use backup_layout::Layout;
use futures::{StreamExt, stream};

use crate::database::{ViewsDatabase, ViewsNamespace};
use crate::error::ViewsError;
use crate::plan::{Planned, divide};
use crate::reader::RangeReader;

/// Reads the namespace as it is while it is read: linera's databases have no view of one moment.
///
/// Exclusive partitions are the first phase, each read by one call of linera's. The second phase lists and reads all
/// others. A worker writes blocks and blobs before the chain state that refers to them. So this is causal if the
/// engine's call sees one moment, and the layout tells which partitions are exclusive.
///
/// Memory of each range: all root keys, and of the partition that is read either all entries (an exclusive one) or all
/// keys and a run of values.
pub(crate) struct ViewsSnapshot<D> {
    namespace: ViewsNamespace<D>,
    source: SourceInfo,
}

impl<D: ViewsDatabase> ViewsSnapshot<D> {
    /// Opens the view, unless linera's engine cannot tell the partitions apart.
    pub(crate) async fn open(namespace: ViewsNamespace<D>) -> Result<Self, ViewsError> {
        namespace.partitions().await?;
        let source = SourceInfo {
            engine: namespace.engine().name.clone(),
            engine_version: String::new(),
            layout: namespace.layout().name().to_owned(),
            namespace: namespace.name().to_owned(),
        };
        Ok(Self { namespace, source })
    }
}

#[async_trait]
impl<D: ViewsDatabase> Snapshot for ViewsSnapshot<D> {
    fn source(&self) -> &SourceInfo {
        &self.source
    }

    fn order(&self) -> Order {
        Order::Token
    }

    fn kind(&self, root_key: &[u8]) -> Option<&'static str> {
        self.namespace.layout().kind(root_key)
    }

    /// Knows nothing: linera counts neither entries nor bytes.
    async fn estimate(&self) -> Result<Option<u64>, EngineError> {
        Ok(None)
    }

    async fn plan(&self, ranges_max: NonZeroUsize) -> Result<ReadPlan, EngineError> {
        let phases = divide(self.namespace.layout(), ranges_max);
        Ok(ReadPlan {
            phases: phases.iter().map(|ranges| ranges.iter().map(Planned::range).collect()).collect(),
            identity: None,
            starts_pages: true,
            requests_per_range: NonZeroUsize::MIN,
        })
    }

    async fn entries(&self, range: &Range) -> Result<EntryStream, EngineError> {
        let planned = Planned::of(range).map_err(|source| {
            let place = self.namespace.name().to_owned();
            ContractError::ForeignRange { place, source }
        })?;
        let reader = RangeReader::open(self.namespace.clone(), &planned).await?;
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

    fn consistency(&self) -> Consistency {
        let tells_exclusive = self.namespace.layout() != Layout::Plain;
        match self.namespace.engine().is_atomic && tells_exclusive {
            true => Consistency::Causal,
            false => Consistency::Fuzzy,
        }
    }
}
