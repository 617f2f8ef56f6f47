//! The second phase: all partitions that have no owner, rows to batches of entries.

use std::sync::Arc;

use backup_format::EntryBatch;
use backup_layout::Layout;
use backup_layout::cql::Decoder;
use scylla::statement::prepared::PreparedStatement;

use crate::error::CqlError;
use crate::long_partition::{self, LongPartition};
use crate::ordered::{Output, Stop, Work, weight};
use crate::pages::{Pages, Question};
use crate::range::{TokenRange, slice_of};
use crate::source::{OrderWatch, Source};

const DOING: &str = "reading";

/// Reads the partitions of a range that have no owner. `first_is_read` says that the first phase of this snapshot has seen every
/// partition, so that it is known whether a server can leave out those that have one without leaving out any other.
pub(crate) fn shared(source: Arc<Source>, first_is_read: bool) -> Work {
    let filtered = source.statements.filtered.as_ref().and_then(|filtered| filtered.shared.clone());
    let statement = match filtered {
        Some(statement) if first_is_read && !source.findings.stray() => statement,
        _ => source.statements.range.clone(),
    };
    Arc::new(move |range, out| {
        let (source, statement) = (source.clone(), source.client.routed(&statement, range));
        Box::pin(async move { read_shared(source, statement, range, &out).await })
    })
}

async fn read_shared(
    source: Arc<Source>,
    statement: PreparedStatement,
    range: TokenRange,
    out: &Output,
) -> Result<u64, Stop> {
    let client = &source.client;
    let head_rows = source.head_rows();
    let question = Question {
        doing: DOING,
        statement,
        values: (range.after, range.to, head_rows),
        size: |source| &source.shared_pages,
    };
    let mut pages = Pages::of(source.clone(), question);
    let mut rows_of = SharedRows::new(&source);
    let mut bytes = 0;
    while let Some(rows) = pages.next().await? {
        bytes += rows.rows_bytes_size() as u64;
        for row in rows.rows::<(&[u8], &[u8], Option<&[u8]>)>().map_err(client.answer(DOING))? {
            let (partition_key, key, value) = row.map_err(client.answer(DOING))?;
            if !rows_of.order.is_in(partition_key) {
                rows_of.enter(partition_key)?;
            }
            rows_of.push(partition_key, key, value)?;
            if rows_of.rows == head_rows && !rows_of.is_skipped {
                bytes += read_rest(&mut rows_of, (partition_key, key), out).await?;
            }
        }
        drop(rows);
        rows_of.send(out).await?;
    }
    rows_of.finish()?;
    rows_of.send(out).await?;
    Ok(weight(bytes, pages.answering, &client.options))
}

/// Reads the rows of a partition after a key, and returns their bytes.
async fn read_rest(rows_of: &mut SharedRows<'_>, after: (&[u8], &[u8]), out: &Output) -> Result<u64, Stop> {
    let source = rows_of.source;
    let client = &source.client;
    let question = long_partition::Question {
        doing: DOING,
        partition_key: after.0.to_vec(),
        after: Some(after.1.to_vec()),
        statements: |source| &source.statements.rest,
        size: |source| &source.shared_pages,
        first_page: None,
    };
    let mut pages = LongPartition::of(source.clone(), question);
    let mut bytes = 0;
    while let Some(rows) = pages.next().await? {
        bytes += rows.rows_bytes_size() as u64;
        for row in rows.rows::<(&[u8], Option<&[u8]>)>().map_err(client.answer(DOING))? {
            let (key, value) = row.map_err(client.answer(DOING))?;
            rows_of.push(after.0, key, value)?;
        }
        drop(rows);
        rows_of.send(out).await?;
    }
    Ok(bytes)
}

/// Makes batches of rows.
struct SharedRows<'a> {
    source: &'a Arc<Source>,
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
    fn new(source: &'a Arc<Source>) -> Self {
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
        self.is_skipped = self.source.is_owned(partition_key);
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
