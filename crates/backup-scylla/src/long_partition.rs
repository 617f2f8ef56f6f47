//! Pages of a partition. Where there are many, several ranges of its keys are asked for at the same time.

use std::collections::VecDeque;
use std::sync::Arc;

use scylla::deserialize::row::ColumnIterator;
use scylla::response::PagingState;
use scylla::response::query_result::QueryRowsResult;
use scylla::statement::prepared::PreparedStatement;
use tokio::sync::OwnedSemaphorePermit;

use crate::client::{Client, Page};
use crate::error::CqlError;
use crate::key_range::{KeyRange, KeyRanges};
use crate::options::CqlOptions;
use crate::page_size::PageSize;
use crate::pages::Coming;
use crate::source::Source;

/// Ranges of one partition that are asked for ahead, at most.
const AHEAD: usize = 3;
/// Pages that have to be handed on before a partition is divided, and before it is divided anew because the ranges that were asked for
/// turned out to lie far behind.
const PAGES_BETWEEN: u32 = 8;
/// Ranges that may be found empty, besides one for every two pages. Where keys lie in many heaps, to divide is in vain.
const EMPTY_MAX: u32 = 32;

/// Statements for the rows of one partition, all with the same columns, the key first.
pub(crate) struct ByKeys {
    all: PreparedStatement,
    /// After a key, up to the end.
    after: PreparedStatement,
    /// After a key, up to another.
    between: PreparedStatement,
}

impl ByKeys {
    /// Prepares to select these columns.
    pub(crate) async fn prepare(
        client: &Client,
        doing: &'static str,
        columns: &str,
    ) -> Result<Self, CqlError> {
        let all = format!("SELECT {columns} FROM {} WHERE root_key = ?", client.address.quoted());
        let after = format!("{all} AND k > ?");
        let between = format!("{after} AND k <= ?");
        Ok(Self {
            all: client.prepare_select(doing, &all).await?,
            after: client.prepare_select(doing, &after).await?,
            between: client.prepare_select(doing, &between).await?,
        })
    }

    fn of(&self, range: &KeyRange) -> &PreparedStatement {
        match (&range.after, &range.to) {
            (None, _) => &self.all,
            (Some(_), None) => &self.after,
            (Some(_), Some(_)) => &self.between,
        }
    }
}

/// What is asked of one partition.
pub(crate) struct Question {
    pub doing: &'static str,
    pub partition_key: Vec<u8>,
    /// The key after which the rows begin; `None` for all rows.
    pub after: Option<Vec<u8>>,
    pub statements: fn(&Source) -> &ByKeys,
    pub size: fn(&Source) -> &PageSize,
    /// The size of the first page, where it is to be another.
    pub first_page: Option<PageSize>,
}

/// Takes pages in the order of keys. Dropping it ends the requests that are on their way.
pub(crate) struct LongPartition {
    source: Arc<Source>,
    question: Arc<Question>,
    /// The last key, once it was asked for; `None` inside where there was none after those that were seen.
    last: Option<Option<Vec<u8>>>,
    /// How the rest is divided, if it is.
    ranges: Option<KeyRanges>,
    coming: VecDeque<Asked>,
    /// Pages handed on, and those since it was divided.
    pages: u32,
    since_divided: u32,
    /// Ranges that were empty.
    empty: u32,
}

/// A request for a page of a range.
struct Asked {
    range: KeyRange,
    /// The last key before the page.
    begun: Vec<u8>,
    /// The page, and whether it is as long as pages are to be.
    answer: Coming<(Page, bool)>,
    _room: Option<OwnedSemaphorePermit>,
}

/// Tells whether a page is as long as pages are to be: the first ones are short, and tell nothing about those after them. Nor does one
/// without rows, which a server sends that went through deleted ones.
fn is_long(page: &Page, options: &CqlOptions) -> bool {
    let (count, bytes) = (page.rows.rows_num(), page.rows.rows_bytes_size());
    let is_cut = page.next.is_some() && count < page.asked as usize;
    let is_full = bytes * 2 >= options.page_bytes || count * 2 >= options.page_rows_max as usize;
    count > 0 && (is_cut || is_full)
}

impl LongPartition {
    /// Asks for the first page.
    pub(crate) fn of(source: Arc<Source>, question: Question) -> Self {
        let range = KeyRange { after: question.after.clone(), to: None };
        let begun = question.after.clone().unwrap_or_default();
        let mut partition = Self {
            source,
            question: Arc::new(question),
            last: None,
            ranges: None,
            coming: VecDeque::new(),
            pages: 0,
            since_divided: 0,
            empty: 0,
        };
        let asked = partition.ask(range, begun, None);
        partition.coming.push_back(asked);
        partition
    }

    /// Returns the next page, which may be empty, and asks for more; `None` at the end. Not to be called again after an error, or
    /// after it was dropped before its end.
    pub(crate) async fn next(&mut self) -> Result<Option<QueryRowsResult>, CqlError> {
        let Some(first) = self.coming.front_mut() else { return Ok(None) };
        let (Page { rows, next, .. }, is_long) = first.answer.wait(self.question.doing, &self.source).await?;
        let Some(first) = self.coming.pop_front() else { return Ok(None) };
        (self.pages, self.since_divided) =
            (self.pages.saturating_add(1), self.since_divided.saturating_add(1));
        match next {
            Some(state) => self.go_on(first, &rows, is_long, state).await?,
            // What is left of a range after its first page may be short, whatever its width.
            None if !is_long && first.range.after.as_ref() == Some(&first.begun) => {
                self.learn_of_short(&first.range, rows.rows_num());
            }
            None => {}
        }
        self.ask_ahead();
        Ok(Some(rows))
    }

    /// Asks for what follows a page that did not hold all of its range.
    async fn go_on(
        &mut self,
        page: Asked,
        rows: &QueryRowsResult,
        is_long: bool,
        state: PagingState,
    ) -> Result<(), CqlError> {
        let seen = self.last_key_of(rows)?.unwrap_or_else(|| page.begun.clone());
        if !(is_long && self.divide(&page, &seen).await?) {
            self.coming.push_front(self.ask(page.range, seen, Some(state)));
        }
        Ok(())
    }

    /// Divides what follows a page. Tells whether it did.
    async fn divide(&mut self, page: &Asked, seen: &[u8]) -> Result<bool, CqlError> {
        if let Some(ranges) = &mut self.ranges {
            ranges.filled(&page.begun, seen);
        }
        if self.since_divided < PAGES_BETWEEN || self.is_in_vain() {
            return Ok(false);
        }
        if let Some(ranges) = &mut self.ranges {
            if !ranges.is_far(&page.begun, seen, page.range.to.as_deref()) {
                return Ok(false);
            }
            // What was asked for ahead lies far behind: nearer ranges are of more use.
            self.coming.clear();
            ranges.go_back(seen);
        } else {
            let last = match &self.last {
                Some(last) => last.as_ref(),
                None => self.last.insert(self.last_key().await?).as_ref(),
            };
            let last = last.filter(|last| last.as_slice() > seen);
            self.ranges = last.and_then(|last| KeyRanges::after_page(&page.begun, seen, last));
        }
        self.since_divided = 0;
        Ok(self.ranges.is_some())
    }

    fn learn_of_short(&mut self, range: &KeyRange, rows: usize) {
        if let Some(ranges) = &mut self.ranges {
            ranges.was_short(range, rows);
            self.empty = self.empty.saturating_add(u32::from(rows == 0));
        }
    }

    fn is_in_vain(&self) -> bool {
        self.empty > EMPTY_MAX + self.pages / 2
    }

    /// Asks for one range in any case, and for more while there is room.
    fn ask_ahead(&mut self) {
        while self.coming.len() <= AHEAD {
            let room = match self.coming.is_empty() {
                true => None,
                false => match self.source.ahead.clone().try_acquire_owned() {
                    Ok(room) => Some(room),
                    Err(_) => return,
                },
            };
            let take = if self.is_in_vain() { KeyRanges::take_rest } else { KeyRanges::take };
            let Some(range) = self.ranges.as_mut().and_then(take) else { return };
            let begun = range.after.clone().unwrap_or_default();
            let asked = Asked { _room: room, ..self.ask(range, begun, None) };
            self.coming.push_back(asked);
        }
    }

    /// Asks for the page of a range that begins at `state`; `None` is where the range begins.
    fn ask(&self, range: KeyRange, begun: Vec<u8>, state: Option<PagingState>) -> Asked {
        let (source, question, asked) = (self.source.clone(), self.question.clone(), range.clone());
        let answer = Coming::of(async move {
            let Question { doing, partition_key, statements, size, first_page, .. } = &*question;
            let statement = statements(&source).of(&asked);
            let values: Vec<&[u8]> =
                [partition_key].into_iter().chain(&asked.after).chain(&asked.to).map(Vec::as_slice).collect();
            let is_first = asked.to.is_none() && asked.after == question.after && state.is_none();
            let size = first_page.as_ref().filter(|_| is_first).unwrap_or_else(|| size(&source));
            let state = state.unwrap_or_else(PagingState::start);
            let page = source.client.page(doing, statement, &values, size, state).await?;
            let is_long = is_long(&page, &source.client.options);
            Ok((page, is_long))
        });
        Asked { range, begun, answer, _room: None }
    }

    /// Returns the last key of the partition; `None` when it became empty.
    async fn last_key(&self) -> Result<Option<Vec<u8>>, CqlError> {
        let Question { doing, partition_key, .. } = &*self.question;
        let client = &self.source.client;
        let statement = &self.source.statements.last_key;
        let result = client.execute(doing, statement, &(partition_key,), |_| ()).await?;
        let rows = result.into_rows_result().map_err(client.answer(doing))?;
        let row = rows.maybe_first_row::<(Vec<u8>,)>().map_err(client.answer(doing))?;
        Ok(row.map(|(key,)| key))
    }

    /// Returns the key of the last row.
    fn last_key_of(&self, rows: &QueryRowsResult) -> Result<Option<Vec<u8>>, CqlError> {
        let (client, doing) = (&self.source.client, self.question.doing);
        let rows = rows.rows::<ColumnIterator<'_, '_>>().map_err(client.answer(doing))?;
        let Some(row) = rows.last() else { return Ok(None) };
        let column = row.map_err(client.answer(doing))?.next().transpose().map_err(client.answer(doing))?;
        Ok(column.and_then(|column| column.slice).map(|key| key.as_slice().to_vec()))
    }
}
