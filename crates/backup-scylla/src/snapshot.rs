//! A namespace as it is while it is read.

use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{Consistency, EngineError, EntryStream, Estimate, Order, Parts, Share, Snapshot};
use backup_layout::Layout;
use backup_layout::cql::{check, detect};
use futures::StreamExt;

use crate::client::Client;
use crate::error::CqlError;
use crate::ordered::{Ordered, Piece};
use crate::owned::owned;
use crate::phases::{FirstPhase, Phases};
use crate::range::TokenRange;
use crate::sample::sample;
use crate::shared::shared;
use crate::shares::{Part, divide, divide_for_processes};
use crate::source::Source;
use crate::table;

/// A read view. Writers go on: what it vouches for it knows only when all was read.
pub(crate) struct CqlSnapshot {
    source: Arc<Source>,
    phases: Phases,
    is_empty: bool,
}

impl CqlSnapshot {
    /// Tells the layout, or checks the one that is given, and prepares to read.
    pub(crate) async fn open(client: Arc<Client>, layout: Option<Layout>) -> Result<Self, CqlError> {
        let sample = sample(&client).await?;
        let address = || client.address.to_string();
        let failed = |error| CqlError::Layout { address: address(), source: Box::new(error) };
        let layout = match layout {
            Some(layout) => check(layout, &sample).map(|()| layout),
            None => detect(&sample),
        };
        let layout = layout.map_err(failed)?;
        let is_empty = sample.rows.is_empty();
        let source = Arc::new(Source::open(client, layout).await?);
        Ok(Self { source, phases: Phases::new(), is_empty })
    }

    /// Returns the layout of the rows.
    pub(crate) fn layout(&self) -> Layout {
        self.source.layout
    }

    fn address(&self) -> String {
        self.source.client.address.to_string()
    }

    /// Tells whether each owned partition was proven so far, and there was none of an unknown owner.
    fn is_proven(&self) -> bool {
        let Source { client, layout, replication, findings, .. } = &*self.source;
        *layout != Layout::Plain
            && replication.vouches(client.options.consistency, findings.several_pages())
            && !findings.unknown_owner()
    }
}

#[async_trait]
impl Snapshot for CqlSnapshot {
    fn consistency(&self) -> Consistency {
        match self.is_proven() && self.phases.were_kept() {
            true => Consistency::Causal,
            false => Consistency::Fuzzy,
        }
    }

    fn order(&self) -> Order {
        Order::Token
    }

    fn kind(&self, root_key: &[u8]) -> Option<&'static str> {
        self.source.layout.kind(root_key)
    }

    async fn estimate(&self) -> Result<Estimate, EngineError> {
        Ok(estimate(&self.source.client).await?)
    }

    async fn shares(&self, count: NonZeroUsize) -> Result<Vec<Share>, EngineError> {
        let count = if self.is_empty { 1 } else { count.get() };
        Ok(divide(count).iter().map(Part::share).collect())
    }

    async fn parts(&self) -> Result<Option<Parts>, EngineError> {
        let client = &self.source.client;
        let (keyspace, table) = (client.address.keyspace(), client.address.table());
        let identity = format!("{keyspace}.{table} {}", table::id(client).await?);
        let (first, second) = divide_for_processes();
        let shares = |parts: Vec<Part>| parts.iter().map(Part::share).collect();
        Ok(Some(Parts { identity, first: shares(first), second: shares(second) }))
    }

    fn parts_consistency(&self) -> Consistency {
        if self.is_proven() { Consistency::Causal } else { Consistency::Fuzzy }
    }

    async fn entries(&self, share: &Share) -> Result<EntryStream, EngineError> {
        let part = Part::of(share)
            .map_err(|source| CqlError::Share { address: self.address(), source: Box::new(source) })?;
        let reader = Reader::new(self.source.clone(), self.phases.clone(), part);
        Ok(futures::stream::unfold(reader, Reader::next).boxed())
    }
}

/// Adds up what a node says of its part of the table. It learns that only every few minutes.
async fn estimate(client: &Client) -> Result<Estimate, CqlError> {
    let sizes = "SELECT mean_partition_size, partitions_count FROM system.size_estimates \
                 WHERE keyspace_name = ? AND table_name = ?";
    let values = (client.address.keyspace(), client.address.table());
    let sizes: Vec<(Option<i64>, Option<i64>)> = client.all("estimating the size of", sizes, values).await?;
    let bytes =
        sizes.iter().map(|(mean, count)| i128::from(mean.unwrap_or(0)) * i128::from(count.unwrap_or(0)));
    let bytes = bytes.sum::<i128>() * client.nodes().max(1) as i128;
    Ok(Estimate { plain_bytes: u64::try_from(bytes).ok().filter(|bytes| *bytes > 0), entries: None })
}

/// Reads a share.
struct Reader {
    source: Arc<Source>,
    phases: Phases,
    part: Part,
    stage: Stage,
    /// Phase and slice of the last batch.
    last: Option<(bool, u16)>,
}

enum Stage {
    /// A part that stands alone is no reader for others to wait for.
    First(Ordered, Option<FirstPhase>),
    Between,
    Second(Ordered),
    End,
}

impl Reader {
    fn new(source: Arc<Source>, phases: Phases, part: Part) -> Self {
        let stage = match part.first.is_empty() {
            false => {
                let range = TokenRange::of_slices(&part.first);
                let phase = (!part.is_alone).then(|| phases.begin_first());
                Stage::First(Self::ordered(&source, owned(source.clone()), range), phase)
            }
            true => Stage::Between,
        };
        Self { source, phases, part, stage, last: None }
    }

    fn ordered(source: &Source, work: crate::ordered::Work, range: TokenRange) -> Ordered {
        Ordered::new(work, range, &source.client.options, source.client.address.to_string())
    }

    async fn next(mut self) -> Option<(Result<backup_format::EntryBatch, EngineError>, Self)> {
        loop {
            let step = match &mut self.stage {
                Stage::First(ordered, phase) => {
                    if let Some(phase) = phase {
                        phase.advance();
                    }
                    ordered.next().await
                }
                Stage::Second(ordered) => ordered.next().await,
                Stage::Between => {
                    if !self.part.is_alone {
                        self.phases.begin_second().await;
                    } else if self.part.slices.is_empty() {
                        return None;
                    }
                    let range = TokenRange::of_slices(&self.part.slices);
                    let first_is_read = !self.part.is_alone && self.phases.were_kept();
                    let work = shared(self.source.clone(), first_is_read);
                    self.stage = Stage::Second(Self::ordered(&self.source, work, range));
                    continue;
                }
                Stage::End => return None,
            };
            match step {
                Some(Ok(piece)) => {
                    let batch = self.mark(piece);
                    return Some((Ok(batch), self));
                }
                Some(Err(error)) => {
                    self.stage = Stage::End;
                    return Some((Err(error.into()), self));
                }
                None => match std::mem::replace(&mut self.stage, Stage::End) {
                    Stage::First(_, phase) => {
                        if let Some(phase) = phase {
                            phase.finish();
                        }
                        self.stage = Stage::Between;
                    }
                    _ => return None,
                },
            }
        }
    }

    /// Begins a page where a slice begins.
    fn mark(&mut self, piece: Piece) -> backup_format::EntryBatch {
        let Piece { slice, mut batch } = piece;
        let place = (matches!(self.stage, Stage::First(..)), slice);
        if self.last != Some(place) {
            batch.start_page();
            self.last = Some(place);
        }
        batch
    }
}
