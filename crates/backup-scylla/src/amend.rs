//! Changing some entries in place.
//!
//! Servers have no lock that a worker of linera takes. What shows a worker is the sentinel: it is rewritten with each
//! batch. So its time of writing is looked at when an amendment begins, before a partition is written, and after that.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use backup_format::{
    AmendTarget, AmendedEntry, Amendment, ContractError, EngineError, FoundValues, Lookup, show,
};
use backup_layout::LayoutError;
use backup_layout::cql::{Encoder, SENTINEL, is_exclusive, partition_key};
use futures::{StreamExt, TryStreamExt, stream};
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;

use crate::database::CqlNamespace;
use crate::error::CqlError;
use crate::lookup::{CqlLookup, IN_FLIGHT, LAYOUT, Rows};
use crate::snapshot;
use crate::table::Table;

const LOOKING: &str = "looking entries up in";
const AMENDING: &str = "amending";

/// Rows of a partition that are to be written, by their keys.
type NewRows = BTreeMap<Vec<u8>, Vec<u8>>;
/// Times of writing of sentinels, by root key; `None` where there is no sentinel.
type Sentinels = BTreeMap<Vec<u8>, Option<i64>>;

#[async_trait]
impl AmendTarget for CqlNamespace {
    fn name(&self) -> &str {
        self.address().table()
    }

    async fn look(&self) -> Result<Box<dyn Lookup>, EngineError> {
        Ok(Box::new(self.lookup(LOOKING).await?))
    }

    async fn amend(&self) -> Result<Box<dyn Amendment>, EngineError> {
        Ok(Box::new(CqlAmendment::open(self.lookup(AMENDING).await?).await?))
    }
}

impl CqlNamespace {
    async fn lookup(&self, doing: &'static str) -> Result<CqlLookup, CqlError> {
        let client = self.connect().await?;
        Table::look_for_reading(&client).await?;
        let found = snapshot::layout(&client, client.options.layout).await?;
        if found != LAYOUT {
            let (place, found) = (client.address.to_string(), found.name().to_owned());
            return Err(ContractError::NotAmendable { doing, place, found }.into());
        }
        CqlLookup::open(client).await
    }
}

/// A table that is open for amendments.
struct CqlAmendment {
    lookup: CqlLookup,
    insert: PreparedStatement,
    /// What the sentinels of exclusive partitions were when the amendment began, or when it wrote them.
    sentinels: Mutex<Sentinels>,
}

/// The write of one partition.
struct Step {
    root_key: Vec<u8>,
    rows: NewRows,
    /// Later than all that it replaces, in microseconds since 1970.
    timestamp: i64,
}

impl CqlAmendment {
    /// Looks twice at all sentinels: none may move in between.
    async fn open(lookup: CqlLookup) -> Result<Self, CqlError> {
        let text = format!(
            "INSERT INTO {} (root_key, k, v) VALUES (?, ?, ?) USING TIMESTAMP ?",
            lookup.client.address.quoted()
        );
        let insert = lookup.client.prepare(AMENDING, &text).await?;
        let sentinels = lookup.partitions(|root_key| is_exclusive(LAYOUT, root_key)).await?;
        let amendment = Self { lookup, insert, sentinels: Mutex::new(sentinels.clone()) };
        tokio::time::sleep(amendment.lookup.client.options.quiet).await;
        let looks: Vec<_> = sentinels.keys().map(|root_key| amendment.check_idle(root_key)).collect();
        stream::iter(looks).buffer_unordered(IN_FLIGHT).try_for_each(async |()| Ok(())).await?;
        Ok(amendment)
    }

    fn sentinels(&self) -> MutexGuard<'_, Sentinels> {
        self.sentinels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn in_use(&self, found: String) -> CqlError {
        let place = self.lookup.client.address.to_string();
        ContractError::InUse { doing: AMENDING, place, found }.into()
    }

    /// Checks that the sentinel of an exclusive partition is the one that was seen before.
    fn check_unmoved(&self, root_key: &[u8], rows: &Rows) -> Result<(), CqlError> {
        let found = rows.get(SENTINEL.0).map(|row| row.written);
        let expected = self.sentinels().get(root_key).copied();
        // A partition that was not there is made by a worker, too.
        if expected.unwrap_or_default() == found {
            return Ok(());
        }
        let time = |written: Option<i64>| written.map_or("nobody".to_owned(), |time| format!("time {time}"));
        Err(self.in_use(format!(
            "the sentinel of partition {} was written by {} and then by {}",
            show(&partition_key(root_key)),
            time(expected.flatten()),
            time(found)
        )))
    }

    async fn check_idle(&self, root_key: &[u8]) -> Result<(), CqlError> {
        let rows = self.lookup.rows(root_key, vec![SENTINEL.0.to_vec()]).await?;
        self.check_unmoved(root_key, &rows)
    }

    /// Checks that a partition may be written, and chooses the timestamp.
    async fn plan(&self, root_key: Vec<u8>, rows: NewRows) -> Result<Step, CqlError> {
        let root_key = &root_key[..];
        let exclusive = is_exclusive(LAYOUT, root_key);
        let mut keys: Vec<_> = rows.keys().cloned().collect();
        if exclusive {
            keys.push(SENTINEL.0.to_vec());
        }
        let found = self.lookup.rows(root_key, keys).await?;
        let has_rows = found.keys().any(|key| key != SENTINEL.0) || self.lookup.has_rows(root_key).await?;
        if !has_rows {
            let place = self.lookup.client.address.to_string();
            let root_key = show(root_key);
            return Err(ContractError::NoPartition { doing: AMENDING, place, root_key }.into());
        }
        if exclusive {
            self.check_unmoved(root_key, &found)?;
        }
        let newest = found.values().map(|row| row.written).max().unwrap_or(i64::MIN);
        Ok(Step { root_key: root_key.to_vec(), rows, timestamp: now().max(newest.saturating_add(1)) })
    }

    /// Writes the rows of a partition in one batch, which a server applies whole. The sentinel of an exclusive one comes
    /// last.
    async fn write_step(&self, step: &Step) -> Result<(), CqlError> {
        let partition = partition_key(&step.root_key);
        let sentinel = is_exclusive(LAYOUT, &step.root_key).then_some(SENTINEL);
        let rows = step.rows.iter().map(|(key, value)| (&key[..], &value[..])).chain(sentinel);
        let rows: Vec<_> = rows.map(|(key, value)| (&partition[..], key, value, step.timestamp)).collect();
        let statements = vec![self.insert.clone().into(); rows.len()];
        let mut batch = Batch::new_with_statements(BatchType::Unlogged, statements);
        batch.set_is_idempotent(true);
        self.lookup.client.batch(AMENDING, &batch, &rows, |_| ()).await?;
        if sentinel.is_some() {
            self.sentinels().insert(step.root_key.clone(), Some(step.timestamp));
        }
        Ok(())
    }

    /// Checks that a partition reads as it was written.
    async fn check_written(&self, step: &Step) -> Result<(), CqlError> {
        let exclusive = is_exclusive(LAYOUT, &step.root_key);
        let mut keys: Vec<_> = step.rows.keys().cloned().collect();
        if exclusive {
            keys.push(SENTINEL.0.to_vec());
        }
        let found = self.lookup.rows(&step.root_key, keys).await?;
        if exclusive {
            self.check_unmoved(&step.root_key, &found)?;
        }
        let reads = |(key, value): (&Vec<u8>, &Vec<u8>)| {
            found.get(key).is_some_and(|row| row.value == *value && row.written == step.timestamp)
        };
        match step.rows.iter().find(|row| !reads(*row)) {
            None => Ok(()),
            Some((key, _)) => Err(self.in_use(format!(
                "row {} of partition {}, which was just written at time {}, does not read as it was written",
                show(key),
                show(&partition_key(&step.root_key)),
                step.timestamp
            ))),
        }
    }

    fn rows_of(&self, entries: &[AmendedEntry]) -> Result<BTreeMap<Vec<u8>, NewRows>, CqlError> {
        let mut encoder = Encoder::new(LAYOUT);
        let mut partitions: BTreeMap<_, NewRows> = BTreeMap::new();
        for AmendedEntry { root_key, key, value } in entries {
            let rows = partitions.entry(root_key.clone()).or_default();
            let mut emit = |key: &[u8], value: &[u8]| {
                rows.insert(key.to_vec(), value.to_vec());
                Ok::<_, LayoutError>(())
            };
            encoder.encode(root_key, key, value, &mut emit).map_err(|source| CqlError::Entry {
                address: self.lookup.client.address.to_string(),
                source: Box::new(source),
            })?;
        }
        Ok(partitions)
    }

    async fn amend(&self, entries: &[AmendedEntry]) -> Result<(), CqlError> {
        let partitions = self.rows_of(entries)?;
        let plans: Vec<_> =
            partitions.into_iter().map(|(root_key, rows)| self.plan(root_key, rows)).collect();
        // All are checked before the first is written.
        let steps: Vec<Step> = stream::iter(plans).buffer_unordered(IN_FLIGHT).try_collect().await?;
        let writes: Vec<_> = steps.iter().map(|step| self.write_step(step)).collect();
        stream::iter(writes).buffer_unordered(IN_FLIGHT).try_for_each(async |()| Ok(())).await?;
        let checks: Vec<_> = steps.iter().map(|step| self.check_written(step)).collect();
        stream::iter(checks).buffer_unordered(IN_FLIGHT).try_for_each(async |()| Ok(())).await
    }
}

/// Returns the time of the clock here, in microseconds since 1970.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    i64::try_from(now).unwrap_or(i64::MAX)
}

#[async_trait]
impl Lookup for CqlAmendment {
    fn layout(&self) -> &str {
        self.lookup.layout()
    }

    async fn root_keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, EngineError> {
        self.lookup.root_keys(prefix).await
    }

    async fn values(&self, root_keys: &[Vec<u8>], keys: &[Vec<u8>]) -> Result<Vec<FoundValues>, EngineError> {
        self.lookup.values(root_keys, keys).await
    }
}

#[async_trait]
impl Amendment for CqlAmendment {
    async fn write(&self, entries: Vec<AmendedEntry>) -> Result<(), EngineError> {
        Ok(self.amend(&entries).await?)
    }
}
