//! Partitions of one owner that follow each other in a range of tokens, many in a page.
//!
//! A server answers a page in one go, and reads each partition in it at one moment: the page is the proof for every partition that
//! is in it from its first row to its last. Which is the last row shows by the row that follows, of another partition: so the
//! partition at the end of a page is read again, by its key.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use backup_format::EntryBatch;
use backup_layout::cql::Decoder;

use crate::error::CqlError;
use crate::ordered::{Output, Stop, weight};
use crate::owned::{Listed, Listing, hand_on};
use crate::pages::{Pages, Question};
use crate::partition;
use crate::range::{TokenRange, slice_of};
use crate::source::{OrderWatch, Source};

const DOING: &str = "reading partitions of";
/// A partition with so many rows or more is read by its key.
const ROWS_MAX: i32 = 1_000;

/// Reads the partitions of a range that have an owner, by statements that leave out others. Returns the weight of the range.
pub(crate) async fn read_run(source: Arc<Source>, range: TokenRange, out: &Output) -> Result<u64, Stop> {
    let Some(filtered) = &source.statements.filtered else { return Ok(0) };
    let (elsewhere, answering) = elsewhere(&source, range).await?;
    let mut run = Run { elsewhere, source: &source, out, bytes: 0 };
    let question = Question {
        doing: DOING,
        statement: source.client.routed(&filtered.owned, range),
        values: (range.after, range.to, ROWS_MAX),
        size: |source| &source.owned_pages,
    };
    let mut pages = Pages::of(source.clone(), question);
    let mut reader = PageReader::new(&source);
    while let Some(rows) = pages.next().await? {
        let client = &source.client;
        for row in rows.rows::<(&[u8], &[u8], Option<&[u8]>)>().map_err(client.answer(DOING))? {
            let (partition_key, key, value) = row.map_err(client.answer(DOING))?;
            reader.row(partition_key, key, value)?;
        }
        drop(rows);
        match pages.is_at_end() {
            true => reader.leave()?,
            false => reader.cut(),
        }
        for found in mem::take(&mut reader.found) {
            run.put(found).await?;
        }
    }
    run.put_elsewhere(None).await?;
    Ok(weight(run.bytes, answering.max(pages.answering), &source.client.options))
}

/// Lists the owned partitions that lie in other ranges of keys: few, in the order of tokens. Tells how long the answers took.
async fn elsewhere(source: &Source, range: TokenRange) -> Result<(VecDeque<Listed>, Duration), CqlError> {
    let (mut all, mut answering) = (Vec::new(), Duration::ZERO);
    for statement in source.statements.filtered.iter().flat_map(|filtered| &filtered.owned_elsewhere) {
        let mut listing = Listing::of(source, statement, range);
        while let Some(listed) = listing.next().await? {
            all.extend(listed);
        }
        answering = answering.max(listing.answering);
    }
    all.sort();
    Ok((all.into(), answering))
}

/// Puts partitions out in the order of tokens.
struct Run<'a> {
    source: &'a Arc<Source>,
    out: &'a Output,
    elsewhere: VecDeque<Listed>,
    bytes: u64,
}

impl Run<'_> {
    async fn put(&mut self, found: Found) -> Result<(), Stop> {
        self.put_elsewhere(Some(&found.place)).await?;
        self.source.findings.saw_partition_in_page(found.entries.is_some());
        match found.entries {
            Some(batch) => {
                self.bytes += batch.byte_len() as u64;
                self.out.send(slice_of(found.place.token), batch).await
            }
            None => self.put_by_key(&found.place).await,
        }
    }

    /// Puts those out that come before a place, or all.
    async fn put_elsewhere(&mut self, before: Option<&Listed>) -> Result<(), Stop> {
        let comes_first = |next: &Listed| before.is_none_or(|place| next < place);
        while self.elsewhere.front().is_some_and(comes_first) {
            if let Some(next) = self.elsewhere.pop_front() {
                self.put_by_key(&next).await?;
            }
        }
        Ok(())
    }

    async fn put_by_key(&mut self, place: &Listed) -> Result<(), Stop> {
        let entries = partition::read(self.source, &place.partition_key).await?;
        self.bytes += hand_on(entries, place.token, self.out).await?;
        Ok(())
    }
}

/// A partition, with its entries if a page holds it whole.
struct Found {
    place: Listed,
    entries: Option<EntryBatch>,
}

/// Makes partitions of the rows of pages.
struct PageReader<'a> {
    source: &'a Source,
    order: OrderWatch,
    decoder: Decoder,
    /// The partition whose rows come, unless they are of no use.
    open: Option<Open>,
    found: Vec<Found>,
}

struct Open {
    place: Listed,
    rows: i32,
    entries: EntryBatch,
}

impl<'a> PageReader<'a> {
    fn new(source: &'a Source) -> Self {
        let (order, decoder) = (OrderWatch::default(), source.decoder());
        Self { source, order, decoder, open: None, found: Vec::new() }
    }

    fn row(&mut self, partition_key: &[u8], key: &[u8], value: Option<&[u8]>) -> Result<(), CqlError> {
        if !self.order.is_in(partition_key) {
            self.leave()?;
            self.enter(partition_key)?;
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        let value = self.source.value(partition_key, key, value)?;
        let pushed = self.decoder.push(key, value, &mut open.entries);
        pushed.map_err(|error| self.source.layout_error(error))?;
        open.rows += 1;
        if open.rows >= ROWS_MAX {
            self.cut();
        }
        Ok(())
    }

    fn enter(&mut self, partition_key: &[u8]) -> Result<(), CqlError> {
        let token = self.order.enter(self.source, partition_key)?;
        if self.source.is_owned(partition_key) {
            let entered = self.decoder.enter(partition_key).map(drop);
            entered.map_err(|error| self.source.layout_error(error))?;
            let place = Listed { token, partition_key: partition_key.to_vec() };
            self.open = Some(Open { place, rows: 0, entries: EntryBatch::default() });
        }
        Ok(())
    }

    /// Ends the open partition, all of whose rows came.
    fn leave(&mut self) -> Result<(), CqlError> {
        if let Some(Open { place, mut entries, .. }) = self.open.take() {
            let left = self.decoder.leave(&mut entries);
            left.map_err(|error| self.source.layout_error(error))?;
            self.found.push(Found { place, entries: Some(entries) });
        }
        Ok(())
    }

    /// Gives the rows of the open partition up: there may be more.
    fn cut(&mut self) {
        if let Some(Open { place, .. }) = self.open.take() {
            self.decoder = self.source.decoder();
            self.found.push(Found { place, entries: None });
        }
    }
}
