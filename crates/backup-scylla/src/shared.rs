//! The second phase: all partitions that are not exclusive, rows to batches of entries.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::sync::Arc;

use backup_format::EntryBatch;
use backup_layout::Layout;
use backup_layout::cql::Decoder;

use crate::error::CqlError;
use crate::ordered::{Output, Stop, Work};
use crate::pages::{Pages, Question};
use crate::range::TokenRange;
use crate::source::{OrderWatch, Source};

const DOING: &str = "reading";

/// Reads the partitions of a range that are not exclusive.
pub(crate) fn shared(source: Arc<Source>) -> Work {
    Arc::new(move |range, out| {
        let source = source.clone();
        Box::pin(async move { read_shared(&source, range, &out).await })
    })
}

async fn read_shared(source: &Arc<Source>, range: TokenRange, out: &Output) -> Result<u64, Stop> {
    let client = &source.client;
    let head_rows = source.head_rows();
    let question = Question {
        doing: DOING,
        statement: client.routed(&source.statements.range, range),
        values: (range.after, range.to, head_rows),
        size: source.shared_pages.clone(),
    };
    let mut pages = Pages::of(client.clone(), question);
    let mut rows_of = SharedRows::new(source);
    let mut bytes = 0;
    while let Some(rows) = pages.next().await? {
        bytes = (rows.rows_bytes_size() as u64).saturating_add(bytes);
        for row in rows.rows::<(&[u8], &[u8], Option<&[u8]>)>().map_err(client.answer(DOING))? {
            let (partition_key, key, value) = row.map_err(client.answer(DOING))?;
            if !rows_of.order.is_in(partition_key) {
                rows_of.enter(partition_key)?;
            }
            rows_of.push(partition_key, key, value)?;
            if rows_of.rows == head_rows && !rows_of.is_skipped {
                bytes = read_rest(&mut rows_of, (partition_key, key), out).await?.saturating_add(bytes);
            }
        }
        drop(rows);
        rows_of.send(out).await?;
    }
    rows_of.finish()?;
    rows_of.send(out).await?;
    Ok(bytes)
}

/// Reads the rows of a partition after a key, and returns their bytes.
async fn read_rest(rows_of: &mut SharedRows<'_>, after: (&[u8], &[u8]), out: &Output) -> Result<u64, Stop> {
    let source = rows_of.source;
    let client = &source.client;
    let question = Question {
        doing: DOING,
        statement: source.statements.rest.clone(),
        values: (after.0.to_vec(), after.1.to_vec()),
        size: source.shared_pages.clone(),
    };
    let mut pages = Pages::of(client.clone(), question);
    let mut bytes = 0;
    while let Some(rows) = pages.next().await? {
        bytes = (rows.rows_bytes_size() as u64).saturating_add(bytes);
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
    /// Whether the partition is left out, as exclusive ones are.
    is_skipped: bool,
    /// Rows of the partition so far.
    rows: i32,
    batch: EntryBatch,
    ready: Vec<EntryBatch>,
}

impl<'a> SharedRows<'a> {
    fn new(source: &'a Arc<Source>) -> Self {
        Self {
            source,
            order: OrderWatch::default(),
            decoder: source.decoder(),
            is_skipped: false,
            rows: 0,
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
            self.source.findings.saw_stray_sentinel();
        }
        let value = self.source.client.value(partition_key, key, value)?;
        let pushed = self.decoder.push(key, value, &mut self.batch);
        pushed.map_err(|error| self.source.layout_error(error))?;
        if self.batch.byte_len() >= self.source.client.options.batch_bytes {
            self.flush();
        }
        Ok(())
    }

    fn enter(&mut self, partition_key: &[u8]) -> Result<(), CqlError> {
        self.leave()?;
        self.order.enter(self.source, partition_key)?;
        self.is_skipped = self.source.is_exclusive(partition_key);
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
            let room = EntryBatch::with_capacity(bytes.saturating_add(bytes / 8));
            let batch = std::mem::replace(&mut self.batch, room);
            self.ready.push(batch);
        }
    }

    /// Hands on what is ready.
    async fn send(&mut self, out: &Output) -> Result<(), Stop> {
        for batch in std::mem::take(&mut self.ready) {
            out.send(batch).await?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), CqlError> {
        self.leave()?;
        self.flush();
        Ok(())
    }
}
