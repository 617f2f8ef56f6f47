//! Reading an exclusive partition whole, although a worker may be writing to it.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::sync::Arc;
use std::time::Duration;

use backup_format::{EntryBatch, show};
use backup_layout::LayoutError;
use backup_layout::cql::{Decoder, SENTINEL};
use scylla::response::query_result::QueryRowsResult;

use crate::error::CqlError;
use crate::page_size::PageSize;
use crate::pages::{Pages, Question};
use crate::proof::{Reading, Watcher};
use crate::source::Source;
use crate::spill::{Spill, Spilled};

const DOING: &str = "reading a partition of";
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// One reading with what it gave. Rows that do not follow the layout may be those of two moments.
struct Attempt {
    reading: Reading,
    entries: Result<Spilled, LayoutError>,
    rows: u64,
    bytes: usize,
}

/// Reads a partition until a reading is proven to be that of one moment.
pub(crate) async fn read(source: &Arc<Source>, partition_key: &[u8]) -> Result<Spilled, CqlError> {
    let options = &source.client.options;
    let tries = options.partition_tries.max(1);
    let mut earlier: Option<Attempt> = None;
    let mut pause = FIRST_PAUSE;
    for number in 1..=tries {
        let one_page = match &earlier {
            Some(attempt) if attempt.bytes <= options.partition_page_bytes => Some(one_page(attempt.rows)),
            _ => None,
        };
        let in_one_page = one_page.is_some();
        let size = one_page.unwrap_or_else(|| source.partition_pages.clone());
        let attempt = read_once(source, partition_key, size).await?;
        let is_whole = attempt.reading.is_whole(earlier.as_ref().map(|attempt| &attempt.reading));
        let several_pages = attempt.reading.pages > 1;
        if is_whole && several_pages && !in_one_page && number < tries && source.is_vouched_by_page(&attempt)
        {
            earlier = Some(attempt);
            continue;
        }
        if is_whole {
            if several_pages {
                source.findings.saw_several_pages();
            }
            return attempt.entries.map_err(|error| source.layout_error(error));
        }
        earlier = Some(attempt);
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(PAUSE_MAX);
    }
    let address = source.client.address.to_string();
    Err(CqlError::Unsteady { address, partition_key: show(partition_key), tries })
}

impl Source {
    /// Returns true if replicas prove only what is in a single page, and the partition fits into one.
    fn is_vouched_by_page(&self, attempt: &Attempt) -> bool {
        let options = &self.client.options;
        let vouches = |several_pages| self.replication.vouches(options.consistency, several_pages);
        attempt.bytes <= options.partition_page_bytes && vouches(false) && !vouches(true)
    }
}

/// A page for a partition that had so many rows: it may have grown a little.
fn one_page(rows: u64) -> Arc<PageSize> {
    let rows = rows.saturating_add(rows / 4).saturating_add(16);
    Arc::new(PageSize::beginning_with(u32::try_from(rows).unwrap_or(u32::MAX)))
}

async fn read_once(
    source: &Arc<Source>,
    partition_key: &[u8],
    size: Arc<PageSize>,
) -> Result<Attempt, CqlError> {
    let mut reader = Reader::of(source, partition_key);
    let (statement, values) = (source.statements.partition.clone(), (partition_key.to_vec(),));
    let mut pages = Pages::of(source.client.clone(), Question { doing: DOING, statement, values, size });
    while let Some(rows) = pages.next().await? {
        reader.page(rows).await?;
    }
    reader.finish().await
}

/// Makes an attempt of the rows of a partition.
struct Reader<'a> {
    source: &'a Arc<Source>,
    partition_key: &'a [u8],
    decoder: Decoder,
    outcome: Result<(), LayoutError>,
    watcher: Watcher,
    batch: EntryBatch,
    spill: Spill,
    bytes: usize,
}

impl<'a> Reader<'a> {
    fn of(source: &'a Arc<Source>, partition_key: &'a [u8]) -> Self {
        let options = &source.client.options;
        let mut decoder = source.decoder();
        let outcome = decoder.enter(partition_key).map(drop);
        Self {
            source,
            partition_key,
            decoder,
            outcome,
            watcher: Watcher::default(),
            batch: EntryBatch::default(),
            spill: Spill::new(options.partition_bytes, options.scratch_dir.as_deref()),
            bytes: 0,
        }
    }

    async fn page(&mut self, rows: QueryRowsResult) -> Result<(), CqlError> {
        self.bytes = self.bytes.saturating_add(rows.rows_bytes_size());
        let ready = self.take(&rows)?;
        self.watcher.page();
        drop(rows);
        for batch in ready {
            self.spill.put(batch).await?;
        }
        Ok(())
    }

    /// Takes the rows of a page, and returns the batches that are full.
    fn take(&mut self, rows: &QueryRowsResult) -> Result<Vec<EntryBatch>, CqlError> {
        let client = &self.source.client;
        let mut ready = Vec::new();
        for row in rows.rows::<(&[u8], Option<&[u8]>, Option<i64>)>().map_err(client.answer(DOING))? {
            let (key, value, written) = row.map_err(client.answer(DOING))?;
            let value = client.value(self.partition_key, key, value)?;
            self.watcher.row(key, written);
            if self.outcome.is_ok() {
                self.outcome = self.decoder.push(key, value, &mut self.batch);
            }
            if self.batch.byte_len() >= client.options.batch_bytes {
                ready.push(std::mem::take(&mut self.batch));
            }
        }
        Ok(ready)
    }

    async fn finish(mut self) -> Result<Attempt, CqlError> {
        let outcome = self.outcome.and_then(|()| self.decoder.leave(&mut self.batch));
        if !self.batch.is_empty() {
            self.spill.put(self.batch).await?;
        }
        let rows = self.watcher.count();
        let after = match self.watcher.pages() > 1 {
            true => sentinel(self.source, self.partition_key).await?,
            false => None,
        };
        let spilled = self.spill.finish().await?;
        let reading = self.watcher.finish(after);
        Ok(Attempt { reading, entries: outcome.map(|()| spilled), rows, bytes: self.bytes })
    }
}

/// Reads the sentinel's time of writing; `None` when there is none.
async fn sentinel(source: &Source, partition_key: &[u8]) -> Result<Option<i64>, CqlError> {
    let (client, statement) = (&source.client, &source.statements.sentinel);
    let result = client.execute(DOING, statement, &(partition_key, SENTINEL.0), |_| ()).await?;
    let rows = result.into_rows_result().map_err(client.answer(DOING))?;
    let row = rows.maybe_first_row::<(Option<i64>,)>().map_err(client.answer(DOING))?;
    Ok(row.and_then(|(written,)| written))
}
