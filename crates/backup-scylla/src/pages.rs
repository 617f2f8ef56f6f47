//! Pages of a statement: while one is worked on, the next one is on its way.

use std::sync::Arc;

use scylla::response::PagingState;
use scylla::response::query_result::QueryRowsResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::prepared::PreparedStatement;
use tokio::task::JoinHandle;

use crate::client::{Client, Page};
use crate::error::CqlError;
use crate::page_size::PageSize;

/// What is asked, page by page.
pub(crate) struct Question<V> {
    pub doing: &'static str,
    pub statement: PreparedStatement,
    pub values: V,
    pub size: Arc<PageSize>,
}

/// Takes pages in their order. Dropping it cancels the request that is on its way.
pub(crate) struct Pages<V> {
    client: Arc<Client>,
    question: Arc<Question<V>>,
    coming: Option<Coming>,
}

/// A request that is on its way. Dropping it cancels the request.
struct Coming(JoinHandle<Result<Page, CqlError>>);

impl Drop for Coming {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<V: SerializeRow + Send + Sync + 'static> Pages<V> {
    /// Asks for the first page.
    pub(crate) fn of(client: Arc<Client>, question: Question<V>) -> Self {
        let mut pages = Self { client, question: Arc::new(question), coming: None };
        pages.ask(PagingState::start());
        pages
    }

    /// Returns the next page and asks for the one after it; `None` at the end.
    ///
    /// Must not be called again after an error.
    pub(crate) async fn next(&mut self) -> Result<Option<QueryRowsResult>, CqlError> {
        let Some(coming) = &mut self.coming else { return Ok(None) };
        // Only a page ends the request: an error, or being dropped here, is no end of the pages.
        let (doing, client) = (self.question.doing, &self.client);
        let died = |_| CqlError::Task { doing, address: client.address.to_string() };
        let Page { rows, next } = (&mut coming.0).await.map_err(died)??;
        self.coming = None;
        if let Some(state) = next {
            self.ask(state);
        }
        Ok(Some(rows))
    }

    fn ask(&mut self, state: PagingState) {
        let (client, question) = (self.client.clone(), self.question.clone());
        self.coming = Some(Coming(tokio::spawn(async move {
            let Question { doing, statement, values, size } = &*question;
            client.page(doing, statement, values, size, state).await
        })));
    }
}
