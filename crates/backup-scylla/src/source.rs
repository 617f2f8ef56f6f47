//! What all readings of a snapshot have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backup_format::{show, token};
use backup_layout::cql::Decoder;
use backup_layout::{Layout, LayoutError};
use scylla::statement::prepared::PreparedStatement;

use crate::client::Client;
use crate::error::CqlError;
use crate::page_size::PageSize;
use crate::replication::Replication;
use crate::table;

/// Partition keys are listed in pages of so many: they have at most 64 KiB.
const LISTED: u32 = 2_000;

/// Rows of a partition that the second phase takes without knowing whose it is. Partitions of one owner are left out there, and
/// have many rows; of the others those of events alone have more than this, and cost one more request.
const HEAD_ROWS: i32 = 16;

/// A table that is read.
pub(crate) struct Source {
    pub client: Arc<Client>,
    pub layout: Layout,
    pub replication: Replication,
    pub statements: Statements,
    pub shared_pages: PageSize,
    pub list_pages: PageSize,
    pub partition_pages: PageSize,
    pub findings: Findings,
}

/// What is asked.
pub(crate) struct Statements {
    /// The first rows of each partition in a range of tokens.
    pub range: PreparedStatement,
    /// Rows of a partition after a key.
    pub rest: PreparedStatement,
    /// Partition keys of a range of tokens.
    pub list: PreparedStatement,
    /// Rows of a partition, with their times of writing.
    pub partition: PreparedStatement,
    /// Time of writing of a partition's sentinel.
    pub sentinel: PreparedStatement,
}

/// What was seen that decides about consistency.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    several_pages: AtomicBool,
    unknown_owner: AtomicBool,
}

impl Findings {
    /// Remembers that a partition of one owner took several pages.
    pub(crate) fn saw_several_pages(&self) {
        self.several_pages.store(true, Ordering::Relaxed);
    }

    pub(crate) fn several_pages(&self) -> bool {
        self.several_pages.load(Ordering::Relaxed)
    }

    /// Remembers that a partition has an owner whom the layout does not know.
    pub(crate) fn saw_unknown_owner(&self) {
        self.unknown_owner.store(true, Ordering::Relaxed);
    }

    pub(crate) fn unknown_owner(&self) -> bool {
        self.unknown_owner.load(Ordering::Relaxed)
    }
}

impl Source {
    /// Prepares to read.
    pub(crate) async fn open(client: Arc<Client>, layout: Layout) -> Result<Self, CqlError> {
        const DOING: &str = "preparing to read";
        let table = client.address.quoted();
        let tokens = "token(root_key) > ? AND token(root_key) <= ?";
        let range = format!("SELECT root_key, k, v FROM {table} WHERE {tokens} PER PARTITION LIMIT ?");
        let rest = format!("SELECT k, v FROM {table} WHERE root_key = ? AND k > ?");
        let list = format!("SELECT DISTINCT root_key FROM {table} WHERE {tokens}");
        let partition = format!("SELECT k, v, WRITETIME(v) FROM {table} WHERE root_key = ?");
        let sentinel = format!("SELECT WRITETIME(v) FROM {table} WHERE root_key = ? AND k = ?");
        let statements = Statements {
            range: client.prepare_select(DOING, &range).await?,
            rest: client.prepare_select(DOING, &rest).await?,
            list: client.prepare_select(DOING, &list).await?,
            partition: client.prepare_select(DOING, &partition).await?,
            sentinel: client.prepare_select(DOING, &sentinel).await?,
        };
        let pages = || PageSize::new(client.options.page_bytes, client.options.page_rows_max);
        let (shared_pages, partition_pages) = (pages(), pages());
        let list_pages = PageSize::beginning_with(LISTED);
        let replication = table::replication(&client).await?.unwrap_or_default();
        let findings = Findings::default();
        Ok(Self {
            client,
            layout,
            replication,
            statements,
            shared_pages,
            list_pages,
            partition_pages,
            findings,
        })
    }

    /// Returns the number of rows of a partition that the second phase takes at first.
    pub(crate) fn head_rows(&self) -> i32 {
        // Nothing is left out.
        if self.layout == Layout::Plain { i32::MAX } else { HEAD_ROWS }
    }

    pub(crate) fn decoder(&self) -> Decoder {
        Decoder::new(self.layout, self.client.options.limits, self.client.options.journal_bytes)
    }

    pub(crate) fn layout_error(&self, source: LayoutError) -> CqlError {
        CqlError::Layout { address: self.client.address.to_string(), source: Box::new(source) }
    }

    /// Takes the value of a row.
    pub(crate) fn value<'a>(
        &self,
        partition_key: &[u8],
        key: &[u8],
        value: Option<&'a [u8]>,
    ) -> Result<&'a [u8], CqlError> {
        value.ok_or_else(|| CqlError::NoValue {
            address: self.client.address.to_string(),
            partition_key: show(partition_key),
            key: show(key),
        })
    }
}

/// Checks that partitions come in the order that a dump is to have.
#[derive(Debug, Default)]
pub(crate) struct OrderWatch {
    last: Option<(i64, Vec<u8>)>,
}

impl OrderWatch {
    /// Takes the next partition, and returns its token.
    pub(crate) fn enter(&mut self, source: &Source, partition_key: &[u8]) -> Result<i64, CqlError> {
        let token = token(partition_key);
        if let Some((last, key)) = &self.last
            && (*last, key.as_slice()) >= (token, partition_key)
        {
            let (address, previous) = (source.client.address.to_string(), show(key));
            return Err(CqlError::Order { address, previous, found: show(partition_key) });
        }
        self.last = Some((token, partition_key.to_vec()));
        Ok(token)
    }

    /// Tells whether this is the partition that was entered last.
    pub(crate) fn is_in(&self, partition_key: &[u8]) -> bool {
        self.last.as_ref().is_some_and(|(_, key)| key == partition_key)
    }
}
