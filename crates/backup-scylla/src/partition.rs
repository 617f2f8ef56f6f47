//! Reading a partition of one owner whole, although he may be writing to it.

use std::time::Duration;

use backup_format::{EntryBatch, show};
use backup_layout::LayoutError;
use backup_layout::cql::SENTINEL;
use scylla::response::PagingState;

use crate::error::CqlError;
use crate::page_size::PageSize;
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
pub(crate) async fn read(source: &Source, partition_key: &[u8]) -> Result<Spilled, CqlError> {
    let options = &source.client.options;
    let tries = options.partition_tries.max(1);
    let mut earlier: Option<Attempt> = None;
    let mut pause = FIRST_PAUSE;
    for number in 1..=tries {
        let in_one_page = match &earlier {
            Some(attempt) if attempt.bytes <= options.partition_page_bytes => Some(one_page(attempt.rows)),
            _ => None,
        };
        let pages = in_one_page.as_ref().unwrap_or(&source.partition_pages);
        let attempt = read_once(source, partition_key, pages).await?;
        let is_whole = attempt.reading.is_whole(earlier.as_ref().map(|attempt| &attempt.reading));
        let several_pages = attempt.reading.pages > 1;
        if is_whole
            && several_pages
            && in_one_page.is_none()
            && number < tries
            && source.is_vouched_by_page(&attempt)
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
        pause = (pause * 2).min(PAUSE_MAX);
    }
    let address = source.client.address.to_string();
    Err(CqlError::Unsteady { address, partition_key: show(partition_key), tries })
}

impl Source {
    /// Tells whether the replicas that answer can vouch for a page, and not for several, and the partition is short enough for one.
    fn is_vouched_by_page(&self, attempt: &Attempt) -> bool {
        let options = &self.client.options;
        let vouches = |several_pages| self.replication.vouches(options.consistency, several_pages);
        attempt.bytes <= options.partition_page_bytes && vouches(false) && !vouches(true)
    }
}

/// A page for a partition that had so many rows: it may have grown a little.
fn one_page(rows: u64) -> PageSize {
    let rows = rows.saturating_add(rows / 4).saturating_add(16);
    PageSize::beginning_with(u32::try_from(rows).unwrap_or(u32::MAX))
}

async fn read_once(source: &Source, partition_key: &[u8], pages: &PageSize) -> Result<Attempt, CqlError> {
    let (client, statements) = (&source.client, &source.statements);
    let options = &client.options;
    let mut spill = Spill::new(options.partition_bytes, options.scratch_dir.as_deref());
    let mut decoder = source.decoder();
    let mut outcome = decoder.enter(partition_key).map(drop);
    let mut watcher = Watcher::default();
    let mut batch = EntryBatch::default();
    let mut bytes = 0;
    let mut state = Some(PagingState::start());
    while let Some(begins) = state {
        let (rows, next) =
            client.page(DOING, &statements.partition, &(partition_key,), pages, begins).await?;
        bytes += rows.rows_bytes_size();
        state = next;
        let mut ready = Vec::new();
        for row in rows.rows::<(&[u8], Option<&[u8]>, Option<i64>)>().map_err(client.answer(DOING))? {
            let (key, value, written) = row.map_err(client.answer(DOING))?;
            let value = source.value(partition_key, key, value)?;
            watcher.row(key, written);
            if outcome.is_ok() {
                outcome = decoder.push(key, value, &mut batch);
            }
            if batch.byte_len() >= options.batch_bytes {
                ready.push(std::mem::take(&mut batch));
            }
        }
        watcher.page();
        for batch in ready {
            spill.put(batch).await?;
        }
    }
    let outcome = outcome.and_then(|()| decoder.leave(&mut batch));
    if !batch.is_empty() {
        spill.put(batch).await?;
    }
    let rows = watcher.count();
    let after = if watcher.pages() > 1 { sentinel(source, partition_key).await? } else { None };
    let spilled = spill.finish().await?;
    Ok(Attempt { reading: watcher.finish(after), entries: outcome.map(|()| spilled), rows, bytes })
}

/// Reads the sentinel's time of writing; `None` when there is none.
async fn sentinel(source: &Source, partition_key: &[u8]) -> Result<Option<i64>, CqlError> {
    let (client, statement) = (&source.client, &source.statements.sentinel);
    let result = client.execute(DOING, statement, &(partition_key, SENTINEL.0), |_| ()).await?;
    let rows = result.into_rows_result().map_err(client.answer(DOING))?;
    let row = rows.maybe_first_row::<(Option<i64>,)>().map_err(client.answer(DOING))?;
    Ok(row.and_then(|(written,)| written))
}
