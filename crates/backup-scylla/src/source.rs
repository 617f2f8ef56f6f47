//! What all readings of a snapshot have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use backup_format::{show, token};
use backup_layout::cql::{Decoder, is_exclusive, root_key};
use backup_layout::{Layout, LayoutError};
use scylla::statement::prepared::PreparedStatement;
use tokio::sync::Semaphore;

use crate::client::Client;
use crate::error::CqlError;
use crate::filter::{self, Filtered};
use crate::long_partition::ByKeys;
use crate::page_size::PageSize;
use crate::replication::Replication;
use crate::table;

/// Partition keys are listed in pages of so many: they have at most 64 KiB.
const LISTED: u32 = 2_000;

const COLUMNS: &str = "k, v";
const OWNED_COLUMNS: &str = "k, v, WRITETIME(v)";

/// Rows of a partition that the second phase takes without knowing whose it is. Partitions of one owner are left out there, and
/// have many rows; of the others those of events alone have more than this, and cost one more request.
const HEAD_ROWS: i32 = 16;

/// Partitions of one owner that may turn out to be longer than a page before they are asked for one by one. Pages start short.
const PARTITIONS_IN_VAIN: u64 = 64;

/// A table that is read.
pub(crate) struct Source {
    pub client: Arc<Client>,
    pub layout: Layout,
    pub replication: Replication,
    pub statements: Statements,
    pub shared_pages: PageSize,
    pub owned_pages: PageSize,
    pub list_pages: PageSize,
    pub partition_pages: PageSize,
    /// Room for ranges of keys that are asked for ahead.
    pub ahead: Arc<Semaphore>,
    pub findings: Findings,
}

/// What is asked.
pub(crate) struct Statements {
    /// The first rows of each partition in a range of tokens.
    pub range: PreparedStatement,
    /// Rows of a partition.
    pub rest: ByKeys,
    /// The last key of a partition.
    pub last_key: PreparedStatement,
    /// Partition keys of a range of tokens.
    pub list: PreparedStatement,
    /// The same questions to a server that leaves partitions out by itself.
    pub filtered: Option<Filtered>,
    /// Rows of a partition, with their times of writing.
    pub partition: ByKeys,
    /// Time of writing of a partition's sentinel.
    pub sentinel: PreparedStatement,
}

/// What was seen that decides about consistency, and about how to go on.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    several_pages: AtomicBool,
    unknown_owner: AtomicBool,
    stray: AtomicBool,
    in_pages: AtomicU64,
    not_in_pages: AtomicU64,
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

    /// Tells whether there is a partition without an owner where a server would leave it out with those that have one.
    pub(crate) fn stray(&self) -> bool {
        self.stray.load(Ordering::Relaxed)
    }

    /// Remembers whether a partition of one owner was whole in a page with others.
    pub(crate) fn saw_partition_in_page(&self, is_whole: bool) {
        let counter = if is_whole { &self.in_pages } else { &self.not_in_pages };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells whether pages hold several partitions of one owner. Where they do not, asking for pages of them is in vain.
    pub(crate) fn pages_hold_partitions(&self) -> bool {
        let [whole, others] = [&self.in_pages, &self.not_in_pages].map(|count| count.load(Ordering::Relaxed));
        others < PARTITIONS_IN_VAIN || others < whole
    }
}

impl Source {
    /// Prepares to read.
    pub(crate) async fn open(client: Arc<Client>, layout: Layout) -> Result<Self, CqlError> {
        const DOING: &str = "preparing to read";
        let replication = table::replication(&client).await?.unwrap_or_default();
        let table = client.address.quoted();
        let last_key = format!("SELECT k FROM {table} WHERE root_key = ? ORDER BY k DESC LIMIT 1");
        let sentinel = format!("SELECT WRITETIME(v) FROM {table} WHERE root_key = ? AND k = ?");
        let filtered = Filtered::prepare(&client, layout, replication).await?;
        let statements = Statements {
            range: client.prepare_select(DOING, &filter::rows(&client, None)).await?,
            rest: ByKeys::prepare(&client, DOING, COLUMNS).await?,
            last_key: client.prepare_select(DOING, &last_key).await?,
            list: client.prepare_select(DOING, &filter::keys(&client, None)).await?,
            filtered,
            partition: ByKeys::prepare(&client, DOING, OWNED_COLUMNS).await?,
            sentinel: client.prepare_select(DOING, &sentinel).await?,
        };
        let pages = || PageSize::new(client.options.page_bytes, client.options.page_rows_max);
        let (shared_pages, owned_pages, partition_pages) = (pages(), pages(), pages());
        let list_pages = PageSize::beginning_with(LISTED);
        let ahead = Arc::new(Semaphore::new(client.options.key_ranges_in_flight.min(Semaphore::MAX_PERMITS)));
        let findings = Findings::default();
        Ok(Self {
            client,
            layout,
            replication,
            statements,
            shared_pages,
            owned_pages,
            list_pages,
            partition_pages,
            ahead,
            findings,
        })
    }

    /// Returns the number of rows of a partition that the second phase takes at first.
    pub(crate) fn head_rows(&self) -> i32 {
        // Where nothing is left out, only long partitions are worth another request.
        let page = i32::try_from(self.client.options.page_rows_max).unwrap_or(i32::MAX).max(1);
        if self.layout == Layout::Plain { page } else { HEAD_ROWS }
    }

    /// Tells whether a partition has an owner, in the first phase.
    pub(crate) fn is_owned(&self, partition_key: &[u8]) -> bool {
        let is_owned = root_key(partition_key).is_some_and(|root_key| is_exclusive(self.layout, root_key));
        let leaves_out = |filtered: &Filtered| filtered.leaves_out(partition_key);
        if !is_owned && self.statements.filtered.as_ref().is_some_and(leaves_out) {
            self.findings.stray.store(true, Ordering::Relaxed);
        }
        is_owned
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
