//! Reading a slice: rows to batches of entries, in the order of tokens.

use std::sync::Arc;

use backup_format::EntryBatch;
use backup_layout::Layout;
use backup_layout::cql::{Decoder, is_exclusive, root_key};
use futures::{StreamExt, stream};
use scylla::response::PagingState;

use crate::error::CqlError;
use crate::ordered::{Output, Stop, Work};
use crate::pages::{Pages, Question};
use crate::partition;
use crate::range::{TokenRange, slice_of};
use crate::source::{OrderWatch, Source};

const DOING: &str = "reading";
/// What a partition adds to the weight of a slice when it is only listed, in bytes.
const LISTED_WEIGHT: u64 = 256;

/// Reads the partitions of one owner: lists all there are, and reads each of these by its key.
pub(crate) fn owned(source: Arc<Source>) -> Work {
    Arc::new(move |range, out| {
        let source = source.clone();
        Box::pin(async move { read_owned(&source, range, &out).await })
    })
}

/// Reads all other partitions.
pub(crate) fn shared(source: Arc<Source>) -> Work {
    Arc::new(move |range, out| {
        let source = source.clone();
        Box::pin(async move { read_shared(source, range, &out).await })
    })
}

async fn read_owned(source: &Source, range: TokenRange, out: &Output) -> Result<u64, Stop> {
    let client = &source.client;
    let list = client.routed(&source.statements.list, range);
    let mut order = OrderWatch::default();
    let mut weight = 0;
    let mut state = Some(PagingState::start());
    while let Some(begins) = state {
        let values = (range.after, range.to);
        let (rows, next) = client.page(DOING, &list, &values, &source.list_pages, begins).await?;
        state = next;
        let mut owned = Vec::new();
        for row in rows.rows::<(&[u8],)>().map_err(client.answer(DOING))? {
            let (partition_key,) = row.map_err(client.answer(DOING))?;
            let token = order.enter(source, partition_key)?;
            weight += LISTED_WEIGHT;
            if root_key(partition_key).is_some_and(|root_key| is_exclusive(source.layout, root_key)) {
                owned.push((slice_of(token), partition_key.to_vec()));
            }
        }
        drop(rows);
        let readings = owned.into_iter().map(|(slice, partition_key)| async move {
            partition::read(source, &partition_key).await.map(|entries| (slice, entries))
        });
        let mut readings = stream::iter(readings).buffered(client.options.partitions_in_flight.max(1));
        while let Some(reading) = readings.next().await {
            let (slice, mut entries) = reading?;
            while let Some(batch) = entries.next().await? {
                weight += batch.byte_len() as u64;
                out.send(slice, batch).await?;
            }
        }
    }
    Ok(weight)
}

async fn read_shared(source: Arc<Source>, range: TokenRange, out: &Output) -> Result<u64, Stop> {
    let client = &source.client;
    let head_rows = source.head_rows();
    let question = Question {
        doing: DOING,
        statement: client.routed(&source.statements.range, range),
        values: (range.after, range.to, head_rows),
        size: |source| &source.shared_pages,
    };
    let mut pages = Pages::of(source.clone(), question);
    let mut rows_of = SharedRows::new(&source);
    let mut weight = 0;
    while let Some(rows) = pages.next().await? {
        weight += rows.rows_bytes_size() as u64;
        for row in rows.rows::<(&[u8], &[u8], Option<&[u8]>)>().map_err(client.answer(DOING))? {
            let (partition_key, key, value) = row.map_err(client.answer(DOING))?;
            if !rows_of.order.is_in(partition_key) {
                rows_of.enter(partition_key)?;
            }
            rows_of.push(partition_key, key, value)?;
            if rows_of.rows == head_rows && !rows_of.is_skipped {
                weight += read_rest(&mut rows_of, (partition_key, key), out).await?;
            }
        }
        drop(rows);
        rows_of.send(out).await?;
    }
    rows_of.finish()?;
    rows_of.send(out).await?;
    Ok(weight)
}

/// Reads the rows of a partition after a key, and returns their bytes.
async fn read_rest(rows_of: &mut SharedRows<'_>, after: (&[u8], &[u8]), out: &Output) -> Result<u64, Stop> {
    let source = rows_of.source;
    let client = &source.client;
    let mut weight = 0;
    let mut state = Some(PagingState::start());
    while let Some(begins) = state {
        let statement = &source.statements.rest;
        let (rows, next) = client.page(DOING, statement, &after, &source.shared_pages, begins).await?;
        state = next;
        weight += rows.rows_bytes_size() as u64;
        for row in rows.rows::<(&[u8], Option<&[u8]>)>().map_err(client.answer(DOING))? {
            let (key, value) = row.map_err(client.answer(DOING))?;
            rows_of.push(after.0, key, value)?;
        }
        drop(rows);
        rows_of.send(out).await?;
    }
    Ok(weight)
}

/// Makes batches of rows.
struct SharedRows<'a> {
    source: &'a Source,
    order: OrderWatch,
    decoder: Decoder,
    /// Whether the partition is left out.
    is_skipped: bool,
    /// Rows of the partition so far.
    rows: i32,
    slice: u16,
    batch: EntryBatch,
    ready: Vec<(u16, EntryBatch)>,
}

impl<'a> SharedRows<'a> {
    fn new(source: &'a Source) -> Self {
        Self {
            source,
            order: OrderWatch::default(),
            decoder: source.decoder(),
            is_skipped: false,
            rows: 0,
            slice: 0,
            batch: EntryBatch::default(),
            ready: Vec::new(),
        }
    }

    fn push(&mut self, partition_key: &[u8], key: &[u8], value: Option<&[u8]>) -> Result<(), CqlError> {
        self.rows = self.rows.saturating_add(1);
        if self.is_skipped {
            return Ok(());
        }
        if key.is_empty() && self.source.layout != Layout::Plain {
            self.source.findings.saw_unknown_owner();
        }
        let value = self.source.value(partition_key, key, value)?;
        let pushed = self.decoder.push(key, value, &mut self.batch);
        pushed.map_err(|error| self.source.layout_error(error))?;
        if self.batch.byte_len() >= self.source.client.options.batch_bytes {
            self.flush();
        }
        Ok(())
    }

    fn enter(&mut self, partition_key: &[u8]) -> Result<(), CqlError> {
        self.leave()?;
        let slice = slice_of(self.order.enter(self.source, partition_key)?);
        if slice != self.slice {
            self.flush();
            self.slice = slice;
        }
        let root_key = root_key(partition_key);
        let is_owned = root_key.is_some_and(|root_key| is_exclusive(self.source.layout, root_key));
        self.is_skipped = is_owned;
        self.rows = 0;
        if !self.is_skipped {
            let entered = self.decoder.enter(partition_key).map(drop);
            entered.map_err(|error| self.source.layout_error(error))?;
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<(), CqlError> {
        self.decoder.leave(&mut self.batch).map_err(|error| self.source.layout_error(error))
    }

    fn flush(&mut self) {
        if !self.batch.is_empty() {
            let bytes = self.source.client.options.batch_bytes;
            let room = EntryBatch::with_capacity(bytes + bytes / 8);
            let batch = std::mem::replace(&mut self.batch, room);
            self.ready.push((self.slice, batch));
        }
    }

    /// Hands on what is ready.
    async fn send(&mut self, out: &Output) -> Result<(), Stop> {
        for (slice, batch) in std::mem::take(&mut self.ready) {
            out.send(slice, batch).await?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), CqlError> {
        self.leave()?;
        self.flush();
        Ok(())
    }
}
