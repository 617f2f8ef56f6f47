//! What all readings of a snapshot have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backup_format::{show, token};
use backup_layout::cql::{Decoder, is_exclusive, root_key};
use backup_layout::{Layout, LayoutError};
use scylla::statement::prepared::PreparedStatement;

use crate::client::Client;
use crate::error::CqlError;
use crate::page_size::PageSize;
use crate::replication::Replication;
use crate::table;

const DOING: &str = "preparing to read";

/// Partition keys in a page of them: keys have at most 64 KiB.
const LISTED: u32 = 2_000;

/// Rows of a partition that the second phase takes at first.
///
/// It leaves out exclusive partitions, which have many rows. Of the others only those of events
/// have more, and cost one more request.
const HEAD_ROWS: i32 = 16;

/// A table that is read.
pub(crate) struct Source {
    pub client: Arc<Client>,
    pub layout: Layout,
    pub replication: Replication,
    pub statements: Statements,
    pub shared_pages: Arc<PageSize>,
    pub list_pages: Arc<PageSize>,
    pub partition_pages: Arc<PageSize>,
    pub findings: Findings,
}

/// What is asked.
pub(crate) struct Statements {
    /// Partition keys of a range of tokens.
    pub list: PreparedStatement,
    /// The first rows of each partition in a range of tokens.
    pub range: PreparedStatement,
    /// Rows of a partition after a key.
    pub rest: PreparedStatement,
    /// Rows of a partition, with their times of writing.
    pub partition: PreparedStatement,
    /// Time of writing of a partition's sentinel.
    pub sentinel: PreparedStatement,
}

impl Statements {
    async fn prepare(client: &Client) -> Result<Self, CqlError> {
        let from = format!("FROM {} WHERE", client.address.quoted());
        let tokens = "token(root_key) > ? AND token(root_key) <= ?";
        let prepare = async |text: String| client.prepare_select(DOING, &text).await;
        Ok(Self {
            list: prepare(format!("SELECT DISTINCT root_key {from} {tokens}")).await?,
            range: prepare(format!("SELECT root_key, k, v {from} {tokens} PER PARTITION LIMIT ?")).await?,
            rest: prepare(format!("SELECT k, v {from} root_key = ? AND k > ?")).await?,
            partition: prepare(format!("SELECT k, v, WRITETIME(v) {from} root_key = ?")).await?,
            sentinel: prepare(format!("SELECT WRITETIME(v) {from} root_key = ? AND k = ?")).await?,
        })
    }
}

/// What was seen that decides about consistency.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    several_pages: AtomicBool,
    stray_sentinel: AtomicBool,
}

impl Findings {
    /// Remembers that an exclusive partition took several pages.
    pub(crate) fn saw_several_pages(&self) {
        self.several_pages.store(true, Ordering::Relaxed);
    }

    pub(crate) fn several_pages(&self) -> bool {
        self.several_pages.load(Ordering::Relaxed)
    }

    /// Remembers a sentinel in a partition that is not exclusive in this layout.
    pub(crate) fn saw_stray_sentinel(&self) {
        self.stray_sentinel.store(true, Ordering::Relaxed);
    }

    pub(crate) fn stray_sentinel(&self) -> bool {
        self.stray_sentinel.load(Ordering::Relaxed)
    }
}

impl Source {
    /// Prepares to read.
    pub(crate) async fn open(client: Arc<Client>, layout: Layout) -> Result<Self, CqlError> {
        let replication = table::replication(&client).await?;
        let statements = Statements::prepare(&client).await?;
        let pages = || Arc::new(PageSize::new(client.options.page_bytes, client.options.page_rows_max));
        Ok(Self {
            layout,
            replication,
            statements,
            shared_pages: pages(),
            list_pages: Arc::new(PageSize::beginning_with(LISTED)),
            partition_pages: pages(),
            findings: Findings::default(),
            client,
        })
    }

    /// Returns the number of rows of a partition that the second phase takes at first.
    pub(crate) fn head_rows(&self) -> i32 {
        // Where nothing is left out, only rows beyond a page are worth another request.
        let page = i32::try_from(self.client.options.page_rows_max).unwrap_or(i32::MAX).max(1);
        if self.layout == Layout::Plain { page } else { HEAD_ROWS }
    }

    /// Returns true if a partition is exclusive.
    pub(crate) fn is_exclusive(&self, partition_key: &[u8]) -> bool {
        root_key(partition_key).is_some_and(|root_key| is_exclusive(self.layout, root_key))
    }

    pub(crate) fn decoder(&self) -> Decoder {
        Decoder::new(self.layout, self.client.options.limits, self.client.options.journal_bytes)
    }

    pub(crate) fn layout_error(&self, source: LayoutError) -> CqlError {
        CqlError::Layout { address: self.client.address.to_string(), source: Box::new(source) }
    }
}

/// Checks that partitions come in the order of a dump.
#[derive(Debug, Default)]
pub(crate) struct OrderWatch {
    last: Option<(i64, Vec<u8>)>,
}

impl OrderWatch {
    /// Takes the next partition.
    pub(crate) fn enter(&mut self, source: &Source, partition_key: &[u8]) -> Result<(), CqlError> {
        let token = token(partition_key);
        if let Some((last, key)) = &self.last
            && (*last, key.as_slice()) >= (token, partition_key)
        {
            let (address, previous) = (source.client.address.to_string(), show(key));
            return Err(CqlError::Order { address, previous, found: show(partition_key) });
        }
        self.last = Some((token, partition_key.to_vec()));
        Ok(())
    }

    /// Returns true if this is the partition that was entered last.
    pub(crate) fn is_in(&self, partition_key: &[u8]) -> bool {
        self.last.as_ref().is_some_and(|(_, key)| key == partition_key)
    }
}
