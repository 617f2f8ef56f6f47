//! Partitions that are longer than a page: several ranges of their keys are asked for at the same time.

use std::collections::VecDeque;
use std::sync::Arc;

use scylla::deserialize::row::ColumnIterator;
use scylla::response::PagingState;
use scylla::response::query_result::QueryRowsResult;
use scylla::statement::prepared::PreparedStatement;
use tokio::sync::OwnedSemaphorePermit;

use crate::client::Client;
use crate::error::CqlError;
use crate::key_range::{KeyRange, KeyRanges};
use crate::page_size::PageSize;
use crate::pages::Coming;
use crate::source::Source;

/// Ranges of one partition that are asked for ahead, at most.
const AHEAD: usize = 3;
/// Pages that have to be handed on before ranges are given up again that turned out to lie far behind.
const PAGES_BETWEEN: u32 = 8;

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
    /// How the rest is divided; `None` until a page was full.
    ranges: Option<KeyRanges>,
    coming: VecDeque<Asked>,
    /// Pages handed on since ranges were given up.
    handed_on: u32,
}

/// A request for a page of a range.
struct Asked {
    range: KeyRange,
    /// The last key before the page.
    begun: Vec<u8>,
    answer: Coming<Result<Answer, CqlError>>,
    _room: Option<OwnedSemaphorePermit>,
}

struct Answer {
    rows: QueryRowsResult,
    /// Where the range goes on.
    next: Option<PagingState>,
    /// Whether the page is as long as pages are to be: the first ones are short, and tell nothing.
    is_long: bool,
}

impl LongPartition {
    /// Asks for the first page.
    pub(crate) fn of(source: Arc<Source>, question: Question) -> Self {
        let range = KeyRange { after: question.after.clone(), to: None };
        let begun = question.after.clone().unwrap_or_default();
        let (question, coming) = (Arc::new(question), VecDeque::new());
        let mut partition = Self { source, question, ranges: None, coming, handed_on: PAGES_BETWEEN };
        let asked = partition.ask(range, begun, None);
        partition.coming.push_back(asked);
        partition
    }

    /// Returns the next page, which may be empty, and asks for more; `None` at the end. Not to be called again after an error, or
    /// after it was dropped before its end.
    pub(crate) async fn next(&mut self) -> Result<Option<QueryRowsResult>, CqlError> {
        let Some(first) = self.coming.front_mut() else { return Ok(None) };
        let Answer { rows, next, is_long } = first.answer.wait().await.map_err(|_| self.died())??;
        let Some(first) = self.coming.pop_front() else { return Ok(None) };
        self.handed_on = self.handed_on.saturating_add(1);
        let seen = self.last_key_of(&rows)?.unwrap_or_else(|| first.begun.clone());
        match next {
            Some(_) if is_long && self.divide(&first, &seen).await? => {}
            Some(state) => self.coming.push_front(self.ask(first.range, seen, Some(state))),
            None => {
                if let Some(ranges) = self.ranges.as_mut().filter(|_| !is_long) {
                    ranges.widen();
                }
            }
        }
        self.ask_ahead();
        Ok(Some(rows))
    }

    /// Divides what follows a page that did not hold all of its range. Tells whether it did.
    async fn divide(&mut self, page: &Asked, seen: &[u8]) -> Result<bool, CqlError> {
        let Some(ranges) = &mut self.ranges else {
            let last = self.last_key().await?.filter(|last| **last > *seen);
            self.ranges = last.and_then(|last| KeyRanges::after_page(&page.begun, seen, &last));
            return Ok(self.ranges.is_some());
        };
        ranges.filled(&page.begun, seen);
        let is_far = ranges.is_far(&page.begun, seen, page.range.to.as_deref());
        if !is_far || self.handed_on < PAGES_BETWEEN {
            return Ok(false);
        }
        // What was asked for ahead lies far behind: nearer ranges are of more use.
        self.coming.clear();
        self.handed_on = 0;
        ranges.go_back(seen);
        Ok(true)
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
            let Some(range) = self.ranges.as_mut().and_then(KeyRanges::take) else { return };
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
            let (state, rows_asked) = (state.unwrap_or_else(PagingState::start), size.rows() as usize);
            let (rows, next) = source.client.page(doing, statement, &values, size, state).await?;
            let (count, bytes, options) = (rows.rows_num(), rows.rows_bytes_size(), &source.client.options);
            let is_cut = next.is_some() && count < rows_asked;
            let is_long =
                is_cut || bytes * 2 >= options.page_bytes || count * 2 >= options.page_rows_max as usize;
            Ok(Answer { rows, next, is_long })
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

    fn died(&self) -> CqlError {
        CqlError::Task { doing: self.question.doing, address: self.source.client.address.to_string() }
    }
}
