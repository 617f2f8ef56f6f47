//! A namespace as it is while it is read.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{
    Consistency, ContractError, EngineError, EntryStream, Order, Range, ReadPlan, Snapshot, SourceInfo,
};
use backup_layout::Layout;
use backup_layout::cql::{check, detect};
use futures::StreamExt;
use futures::stream::unfold;

use crate::client::Client;
use crate::error::CqlError;
use crate::exclusive::exclusive;
use crate::ordered::Ordered;
use crate::plan::{Phase, Planned, divide};
use crate::range::TokenRange;
use crate::sample::sample;
use crate::shared::shared;
use crate::source::Source;
use crate::table;

/// A read view of a table. Writers may change the table meanwhile.
pub(crate) struct CqlSnapshot {
    source: Arc<Source>,
    info: SourceInfo,
}

impl CqlSnapshot {
    /// Detects the layout, or checks the one that is given, and prepares to read.
    pub(crate) async fn open(client: Arc<Client>, layout: Option<Layout>) -> Result<Self, CqlError> {
        let layout = self::layout(&client, layout).await?;
        let info = SourceInfo {
            engine: "scylla".to_owned(),
            engine_version: client.server.version.clone(),
            layout: layout.name().to_owned(),
            namespace: client.address.table().to_owned(),
        };
        Ok(Self { source: Arc::new(Source::open(client, layout).await?), info })
    }

    async fn identity(&self) -> Result<String, CqlError> {
        let client = &self.source.client;
        let (keyspace, table) = (client.address.keyspace(), client.address.table());
        Ok(format!("{keyspace}.{table} {}", table::id(client).await?))
    }
}

/// Detects the layout, or checks the one that is given.
pub(crate) async fn layout(client: &Client, given: Option<Layout>) -> Result<Layout, CqlError> {
    let sample = sample(client).await?;
    let layout = match given {
        Some(layout) => check(layout, &sample).map(|()| layout),
        None => detect(&sample),
    };
    layout.map_err(|error| CqlError::Layout { address: client.address.to_string(), source: Box::new(error) })
}

#[async_trait]
impl Snapshot for CqlSnapshot {
    fn source(&self) -> &SourceInfo {
        &self.info
    }

    fn order(&self) -> Order {
        Order::Token
    }

    fn kind(&self, root_key: &[u8]) -> Option<&'static str> {
        self.source.layout.kind(root_key)
    }

    async fn estimate(&self) -> Result<Option<u64>, EngineError> {
        Ok(estimate(&self.source.client).await?)
    }

    async fn plan(&self, ranges_max: NonZeroUsize) -> Result<ReadPlan, EngineError> {
        let phases = divide(self.source.layout, ranges_max);
        Ok(ReadPlan {
            phases: phases.iter().map(|ranges| ranges.iter().map(Planned::range).collect()).collect(),
            identity: Some(self.identity().await?),
            starts_pages: true,
            requests_per_range: self.source.client.options.slices_in_flight,
        })
    }

    async fn entries(&self, range: &Range) -> Result<EntryStream, EngineError> {
        let client = &self.source.client;
        let Planned { phase, parts } = Planned::of(range)
            .map_err(|source| ContractError::ForeignRange { place: client.address.to_string(), source })?;
        let work = match phase {
            Phase::Exclusive => exclusive(self.source.clone()),
            Phase::Shared => shared(self.source.clone()),
        };
        let tokens = TokenRange::of_parts(&parts);
        let slices = Ordered::new(work, tokens, &client.options, client.address.to_string());
        let batches = unfold(slices, |mut slices| async {
            let batch = slices.next().await?.map_err(EngineError::from);
            Some((batch, slices))
        });
        Ok(batches.boxed())
    }

    fn consistency(&self) -> Consistency {
        let Source { client, layout, replication, findings, .. } = &*self.source;
        let is_causal = *layout != Layout::Plain
            && replication.vouches(client.options.consistency, findings.several_pages())
            && !findings.stray_sentinel();
        if is_causal { Consistency::Causal } else { Consistency::Fuzzy }
    }
}

/// Adds up what a node says of its part of the table, which it learns every few minutes only.
async fn estimate(client: &Client) -> Result<Option<u64>, CqlError> {
    let sizes = "SELECT mean_partition_size, partitions_count FROM system.size_estimates \
                 WHERE keyspace_name = ? AND table_name = ?";
    let values = (client.address.keyspace(), client.address.table());
    let sizes: Vec<(Option<i64>, Option<i64>)> = client.all("estimating the size of", sizes, values).await?;
    let bytes = sizes
        .iter()
        .map(|(mean, count)| i128::from(mean.unwrap_or(0)).saturating_mul(count.unwrap_or(0).into()));
    let bytes = bytes.fold(0, i128::saturating_add).saturating_mul(client.nodes().max(1) as i128);
    Ok(u64::try_from(bytes).ok().filter(|bytes| *bytes > 0))
}
