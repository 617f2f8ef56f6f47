//! Pages of a statement: while one is worked on, the next one is on its way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use scylla::response::PagingState;
use scylla::response::query_result::QueryRowsResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::prepared::PreparedStatement;
use tokio::task::JoinHandle;

use crate::client::Page;
use crate::error::CqlError;
use crate::page_size::PageSize;
use crate::source::Source;

/// What is asked, page by page.
pub(crate) struct Question<V> {
    pub doing: &'static str,
    pub statement: PreparedStatement,
    pub values: V,
    pub size: fn(&Source) -> &PageSize,
}

/// Takes pages in their order. Dropping it ends the request that is on its way.
pub(crate) struct Pages<V> {
    source: Arc<Source>,
    question: Arc<Question<V>>,
    coming: Option<Coming<(Page, Duration)>>,
    /// How long the answers took so far.
    pub answering: Duration,
}

/// An answer that is on its way. Dropping it gives the request up.
pub(crate) struct Coming<T>(JoinHandle<Result<T, CqlError>>);

impl<T: Send + 'static> Coming<T> {
    /// Sends the request.
    pub(crate) fn of(request: impl Future<Output = Result<T, CqlError>> + Send + 'static) -> Self {
        Self(tokio::spawn(request))
    }

    /// Waits for the answer. That the task died is an error too, which tells what it was doing.
    pub(crate) async fn wait(&mut self, doing: &'static str, source: &Source) -> Result<T, CqlError> {
        let died = |_| CqlError::Task { doing, address: source.client.address.to_string() };
        (&mut self.0).await.map_err(died)?
    }
}

impl<T> Drop for Coming<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<V: SerializeRow + Send + Sync + 'static> Pages<V> {
    /// Asks for the first page.
    pub(crate) fn of(source: Arc<Source>, question: Question<V>) -> Self {
        let mut pages =
            Self { source, question: Arc::new(question), coming: None, answering: Duration::ZERO };
        pages.ask(PagingState::start());
        pages
    }

    /// Returns the next page and asks for the one after it; `None` at the end. Not to be called again after an error.
    pub(crate) async fn next(&mut self) -> Result<Option<QueryRowsResult>, CqlError> {
        let Some(coming) = &mut self.coming else { return Ok(None) };
        // Only a page ends the request: an error, or being dropped here, is no end of the pages.
        let (Page { rows, next, .. }, took) = coming.wait(self.question.doing, &self.source).await?;
        self.coming = None;
        self.answering += took;
        if let Some(state) = next {
            self.ask(state);
        }
        Ok(Some(rows))
    }

    /// Tells whether the page that was returned last is the last of all.
    pub(crate) fn is_at_end(&self) -> bool {
        self.coming.is_none()
    }

    fn ask(&mut self, state: PagingState) {
        let (source, question) = (self.source.clone(), self.question.clone());
        self.coming = Some(Coming::of(async move {
            let Question { doing, statement, values, size } = &*question;
            let asked = Instant::now();
            let page = source.client.page(doing, statement, values, size(&source), state).await?;
            Ok((page, asked.elapsed()))
        }));
    }
}
