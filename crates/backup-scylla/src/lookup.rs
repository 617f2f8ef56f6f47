//! Looking entries up by their keys.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{EngineError, EntryBatch, FoundValues, Lookup, RING_PARTS, show};
use backup_layout::cql::{Decoder, SENTINEL, is_exclusive, partition_key, root_key};
use backup_layout::{JournalKey, Layout, LayoutError};
use futures::{StreamExt, TryStreamExt, stream};
use scylla::statement::prepared::PreparedStatement;

use crate::client::Client;
use crate::error::CqlError;
use crate::page_size::PageSize;
use crate::pages::{Pages, Question};
use crate::range::TokenRange;

const LISTING: &str = "reading the partition keys of";
const LOOKING: &str = "looking entries up in";
/// The layout whose entries are looked up.
pub(crate) const LAYOUT: Layout = Layout::Linera015;
/// Requests that wait for their answers at the same time.
pub(crate) const IN_FLIGHT: usize = 64;
/// Ranges whose partition keys are listed at the same time.
const LISTS_IN_FLIGHT: usize = 4;
/// Rows that a request asks for. Servers limit the number of keys in a question.
const ROWS_ASKED: usize = 50;
/// Rows of a page of partition keys: keys have at most 64 KiB.
const LISTED: u32 = 2_000;

/// A row with its time of writing, in microseconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub value: Vec<u8>,
    pub written: i64,
}

/// Some rows of a partition, by their keys.
pub(crate) type Rows = HashMap<Vec<u8>, Row>;

/// A table whose entries are looked up. Writers may change it meanwhile.
pub(crate) struct CqlLookup {
    pub client: Arc<Client>,
    rows: PreparedStatement,
    any: PreparedStatement,
    list: PreparedStatement,
    list_pages: Arc<PageSize>,
}

impl CqlLookup {
    /// Prepares to look up.
    pub(crate) async fn open(client: Arc<Client>) -> Result<Self, CqlError> {
        let from = format!("FROM {} WHERE", client.address.quoted());
        let prepare = async |text: String| client.prepare_select(LOOKING, &text).await;
        let rows = prepare(format!("SELECT k, v, WRITETIME(v) {from} root_key = ? AND k IN ?")).await?;
        let any = prepare(format!("SELECT k {from} root_key = ? AND k > ? LIMIT 1")).await?;
        // The sentinel comes first. An entry, or a row of a journal, comes after it.
        let tokens = "token(root_key) > ? AND token(root_key) <= ? PER PARTITION LIMIT 2";
        let list = prepare(format!("SELECT root_key, k, WRITETIME(v) {from} {tokens}")).await?;
        let list_pages = Arc::new(PageSize::beginning_with(LISTED));
        Ok(Self { client, rows, any, list, list_pages })
    }

    /// Lists the partitions that have rows beside a sentinel and whose root keys are chosen, with the time of writing of
    /// the sentinel.
    pub(crate) async fn partitions(
        &self,
        chosen: impl Fn(&[u8]) -> bool + Sync,
    ) -> Result<BTreeMap<Vec<u8>, Option<i64>>, CqlError> {
        let ranges = (0..RING_PARTS).map(|part| TokenRange::of_parts(&(part..part.saturating_add(1))));
        let lists: Vec<_> = ranges.map(|range| self.list(range, &chosen)).collect();
        let mut lists = stream::iter(lists).buffer_unordered(LISTS_IN_FLIGHT);
        let mut found = BTreeMap::new();
        while let Some(list) = lists.try_next().await? {
            found.extend(list);
        }
        Ok(found)
    }

    async fn list(
        &self,
        range: TokenRange,
        chosen: &(impl Fn(&[u8]) -> bool + Sync),
    ) -> Result<Vec<(Vec<u8>, Option<i64>)>, CqlError> {
        let client = &self.client;
        let question = Question {
            doing: LISTING,
            statement: client.routed(&self.list, range),
            values: (range.after, range.to),
            size: self.list_pages.clone(),
        };
        let mut pages = Pages::of(client.clone(), question);
        let (mut found, mut sentinel) = (Vec::new(), None);
        while let Some(rows) = pages.next().await? {
            for row in rows.rows::<(&[u8], &[u8], Option<i64>)>().map_err(client.answer(LISTING))? {
                let (partition, key, written) = row.map_err(client.answer(LISTING))?;
                let Some(root_key) = root_key(partition) else { return Err(self.foreign(partition)) };
                if !chosen(root_key) {
                    continue;
                }
                if key == SENTINEL.0 {
                    sentinel = written.map(|written| (root_key.to_vec(), written));
                    continue;
                }
                if found.last().is_some_and(|(last, _)| last == root_key) {
                    continue;
                }
                let written = sentinel.take().filter(|(of, _)| of == root_key).map(|(_, written)| written);
                found.push((root_key.to_vec(), written));
            }
        }
        Ok(found)
    }

    fn foreign(&self, partition: &[u8]) -> CqlError {
        self.layout_error(LayoutError::ForeignPartition {
            layout: LAYOUT.name(),
            partition_key: show(partition),
        })
    }

    fn layout_error(&self, source: LayoutError) -> CqlError {
        CqlError::Layout { address: self.client.address.to_string(), source: Box::new(source) }
    }

    /// Reads rows of a partition. Fails if a journal waits there: then linera sees other rows.
    pub(crate) async fn rows(&self, root_key: &[u8], keys: Vec<Vec<u8>>) -> Result<Rows, CqlError> {
        let header = JournalKey::Header.bytes();
        let mut keys = keys;
        if is_exclusive(LAYOUT, root_key) {
            keys.push(header.to_vec());
        }
        let (client, partition) = (&self.client, partition_key(root_key));
        let mut found = Rows::new();
        for some in keys.chunks(ROWS_ASKED) {
            let result = client.execute(LOOKING, &self.rows, &(&partition, some), |_| ()).await?;
            let rows = result.into_rows_result().map_err(client.answer(LOOKING))?;
            let rows = rows.rows::<(&[u8], Option<&[u8]>, Option<i64>)>().map_err(client.answer(LOOKING))?;
            for row in rows {
                let (key, value, written) = row.map_err(client.answer(LOOKING))?;
                let value = client.value(&partition, key, value)?.to_vec();
                found.insert(key.to_vec(), Row { value, written: written.unwrap_or(i64::MIN) });
            }
        }
        if is_exclusive(LAYOUT, root_key) && found.contains_key(&header[..]) {
            return Err(CqlError::Journal {
                address: client.address.to_string(),
                partition_key: show(&partition),
            });
        }
        Ok(found)
    }

    /// Returns true if a partition has rows beside a sentinel.
    pub(crate) async fn has_rows(&self, root_key: &[u8]) -> Result<bool, CqlError> {
        let (client, values) = (&self.client, (partition_key(root_key), SENTINEL.0));
        let result = client.execute(LOOKING, &self.any, &values, |_| ()).await?;
        let rows = result.into_rows_result().map_err(client.answer(LOOKING))?;
        Ok(rows.rows_num() > 0)
    }

    async fn partition_values(&self, root_key: &[u8], keys: &[Vec<u8>]) -> Result<FoundValues, CqlError> {
        let first = keys.iter().map(|key| stored(key, 0)).collect();
        let rows = self.rows(root_key, first).await?;
        let mut values = FoundValues::with_capacity(keys.len());
        for key in keys {
            let Some(row) = rows.get(&stored(key, 0)) else {
                values.push(None);
                continue;
            };
            let value = match row.value.strip_prefix(&ONE_SEGMENT) {
                Some(value) => value.to_vec(),
                None => self.joined(root_key, key, &row.value).await?,
            };
            values.push(Some(value));
        }
        Ok(values)
    }

    /// Reads a value that has other segments than the first.
    async fn joined(&self, root_key: &[u8], key: &[u8], first: &[u8]) -> Result<Vec<u8>, CqlError> {
        let mut decoder = Decoder::new(LAYOUT, self.client.options.limits, 0);
        let mut batch = EntryBatch::default();
        let failed = |source| self.layout_error(source);
        decoder.enter(&partition_key(root_key)).map_err(failed)?;
        decoder.push(&stored(key, 0), first, &mut batch).map_err(failed)?;
        for number in 1.. {
            if !batch.is_empty() {
                break;
            }
            let segment = stored(key, number);
            let Some(row) = self.rows(root_key, vec![segment.clone()]).await?.remove(&segment) else { break };
            decoder.push(&segment, &row.value, &mut batch).map_err(failed)?;
        }
        decoder.leave(&mut batch).map_err(failed)?;
        Ok(batch.iter().next().map(|(_, entry)| entry.value.to_vec()).unwrap_or_default())
    }
}

/// Bytes before the value in its first segment, when it has no other: the number of segments.
const ONE_SEGMENT: [u8; 4] = [0, 0, 0, 1];

/// Returns the key of the row of a segment.
fn stored(key: &[u8], segment: u32) -> Vec<u8> {
    [key, &segment.to_be_bytes()].concat()
}

#[async_trait]
impl Lookup for CqlLookup {
    fn layout(&self) -> &str {
        LAYOUT.name()
    }

    async fn root_keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, EngineError> {
        let found = self.partitions(|root_key| root_key.starts_with(prefix)).await?;
        Ok(found.into_keys().collect())
    }

    async fn values(&self, root_keys: &[Vec<u8>], keys: &[Vec<u8>]) -> Result<Vec<FoundValues>, EngineError> {
        let partitions: Vec<_> =
            root_keys.iter().map(|root_key| self.partition_values(root_key, keys)).collect();
        Ok(stream::iter(partitions).buffered(IN_FLIGHT).try_collect().await?)
    }
}
