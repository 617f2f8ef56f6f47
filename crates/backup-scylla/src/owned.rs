//! The first phase: partitions of one owner.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use scylla::response::PagingState;
use scylla::statement::prepared::PreparedStatement;

use crate::client::Page;
use crate::error::CqlError;
use crate::ordered::{Output, Stop, Work};
use crate::partition;
use crate::range::{TokenRange, slice_of};
use crate::run::read_run;
use crate::source::{OrderWatch, Source};
use crate::spill::Spilled;

const DOING: &str = "reading the partition keys of";
/// What a partition adds to the weight of a slice when it is only listed, in bytes.
const LISTED_WEIGHT: u64 = 256;

/// Reads the partitions of a range that have an owner.
pub(crate) fn owned(source: Arc<Source>) -> Work {
    Arc::new(move |range, out| {
        let source = source.clone();
        Box::pin(async move {
            match source.statements.filtered.is_some() && source.findings.pages_hold_partitions() {
                true => read_run(source, range, &out).await,
                false => read_listed(&source, range, &out).await,
            }
        })
    })
}

/// Lists all partitions there are, and reads each that has an owner by its key.
async fn read_listed(source: &Arc<Source>, range: TokenRange, out: &Output) -> Result<u64, Stop> {
    let mut listing = Listing::of(source, &source.statements.list, range);
    let mut weight = 0;
    while let Some(owned) = listing.next().await? {
        let readings = owned.into_iter().map(|found| async move {
            partition::read(source, &found.partition_key).await.map(|entries| (found.token, entries))
        });
        let mut readings = stream::iter(readings).buffered(source.client.options.partitions_in_flight.max(1));
        while let Some(reading) = readings.next().await {
            let (token, entries) = reading?;
            weight += hand_on(entries, token, out).await?;
        }
    }
    Ok(weight + listing.listed * LISTED_WEIGHT)
}

/// Hands on a partition that was read by its key, and returns its bytes.
pub(crate) async fn hand_on(mut entries: Spilled, token: i64, out: &Output) -> Result<u64, Stop> {
    let mut bytes = 0;
    while let Some(batch) = entries.next().await? {
        bytes += batch.byte_len() as u64;
        out.send(slice_of(token), batch).await?;
    }
    Ok(bytes)
}

/// A partition of one owner.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listed {
    pub token: i64,
    pub partition_key: Vec<u8>,
}

/// Lists the partitions of a range that have an owner, in their order.
pub(crate) struct Listing<'a> {
    source: &'a Source,
    statement: PreparedStatement,
    range: TokenRange,
    order: OrderWatch,
    state: Option<PagingState>,
    /// Partitions so far, whosever they are.
    pub listed: u64,
    /// How long the answers took so far.
    pub answering: Duration,
}

impl<'a> Listing<'a> {
    pub(crate) fn of(source: &'a Source, statement: &PreparedStatement, range: TokenRange) -> Self {
        let statement = source.client.routed(statement, range);
        let state = Some(PagingState::start());
        Self {
            source,
            statement,
            range,
            order: OrderWatch::default(),
            state,
            listed: 0,
            answering: Duration::ZERO,
        }
    }

    /// Returns those of the next page; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Listed>>, CqlError> {
        let Some(begins) = self.state.take() else { return Ok(None) };
        let (client, values) = (&self.source.client, (self.range.after, self.range.to));
        let pages = &self.source.list_pages;
        let asked = Instant::now();
        let Page { rows, next, .. } = client.page(DOING, &self.statement, &values, pages, begins).await?;
        (self.state, self.answering) = (next, self.answering + asked.elapsed());
        let mut owned = Vec::new();
        for row in rows.rows::<(&[u8],)>().map_err(client.answer(DOING))? {
            let (partition_key,) = row.map_err(client.answer(DOING))?;
            let token = self.order.enter(self.source, partition_key)?;
            self.listed += 1;
            if self.source.is_owned(partition_key) {
                owned.push(Listed { token, partition_key: partition_key.to_vec() });
            }
        }
        Ok(Some(owned))
    }
}
