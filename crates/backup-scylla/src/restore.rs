//! Restoring a namespace into a new table.

use std::array::TryFromSliceError;
use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{
    ContractError, EngineError, ObjectId, RestoreSink, RestoreUnit, RestoreWriter, Restored, Snapshot,
};
use backup_layout::Layout;

use crate::client::Client;
use crate::error::CqlError;
use crate::snapshot::CqlSnapshot;
use crate::table::{Table, clear_comment, create_records, drop_table};
use crate::target;
use crate::unit::{UnitWriter, Writing};

const BEGINNING: &str = "beginning a restore of";
const PUBLISHING: &str = "publishing";
const DISCARDING: &str = "discarding the restore of";

/// Digits of a hash in the name of a table of records.
const HASH_DIGITS: usize = 16;

/// A table that is being restored, with its marker.
struct Target {
    client: Arc<Client>,
    dump: ObjectId,
    layout: Layout,
    /// Table of the records of units: keyspace and name as they stand in statements.
    ///
    /// They are not rows of the target, since they would have to be deleted. Linera's tables drop
    /// marks of deletions at once. Then Cassandra may bring rows back that were deleted a moment
    /// after they were written.
    records: String,
}

impl Target {
    async fn publish(&self) -> Result<(), CqlError> {
        self.check_marker(PUBLISHING).await?;
        // The marker goes last. A restore that ends in between has no records: it writes all units
        // again, which changes nothing.
        self.client.run(PUBLISHING, &drop_table(&self.records), ()).await?;
        self.client.run(PUBLISHING, &clear_comment(&self.client.address.quoted()), ()).await?;
        self.client.agree().await
    }

    async fn discard(&self) -> Result<(), CqlError> {
        self.check_marker(DISCARDING).await?;
        self.client.run(DISCARDING, &drop_table(&self.records), ()).await?;
        self.client.run(DISCARDING, &drop_table(&self.client.address.quoted()), ()).await?;
        self.client.agree().await
    }

    /// Checks that the table is still that of this restore.
    async fn check_marker(&self, doing: &'static str) -> Result<(), CqlError> {
        match Table::look(&self.client).await? {
            Table::There { marker: Some(found) } => found.check(self.dump, self.layout, &self.client.address),
            _ => {
                let place = self.client.address.to_string();
                Err(ContractError::Ended { doing, place, dump: self.dump }.into())
            }
        }
    }
}

/// A restore under way.
pub(crate) struct CqlSink {
    target: Target,
    writing: Arc<Writing>,
    /// Units that an earlier try wrote.
    written: HashSet<ObjectId>,
}

impl CqlSink {
    /// Begins, or resumes what an earlier try left.
    pub(crate) async fn begin(client: Arc<Client>, layout: Layout, dump: ObjectId) -> Result<Self, CqlError> {
        let marker = target::begin(&client, layout, dump).await?;
        let records = records_table(client.address.keyspace(), client.address.table(), dump);
        client.run(BEGINNING, &create_records(&records, client.address.table()), ()).await?;
        let writing = Arc::new(Writing::new(client.clone(), layout, marker.timestamp, &records).await?);
        let written = read_records(&client, &records).await?;
        Ok(Self { target: Target { client, dump, layout, records }, writing, written })
    }
}

/// Names the table of records of one restore: no two restores have the same.
fn records_table(keyspace: &str, table: &str, dump: ObjectId) -> String {
    let hash = ObjectId::of_file(format!("{table} {dump}").as_bytes()).to_string();
    let digits: String = hash.chars().take(HASH_DIGITS).collect();
    format!("\"{keyspace}\".\"kvbackup_{digits}\"")
}

async fn read_records(client: &Client, records: &str) -> Result<HashSet<ObjectId>, CqlError> {
    let rows: Vec<(Vec<u8>,)> = client.all(BEGINNING, &format!("SELECT page FROM {records}"), ()).await?;
    let record = |(page,): &(Vec<u8>,)| Ok::<_, TryFromSliceError>(ObjectId(page.as_slice().try_into()?));
    rows.iter().map(record).collect::<Result<_, _>>().map_err(client.answer(BEGINNING))
}

#[async_trait]
impl RestoreSink for CqlSink {
    async fn writer(&self, unit: &RestoreUnit) -> Result<Option<Box<dyn RestoreWriter>>, EngineError> {
        if self.written.contains(&unit.page) {
            return Ok(None);
        }
        Ok(Some(Box::new(UnitWriter::new(self.writing.clone(), unit.page))))
    }

    /// Only changes the type: what a writer finished is on the servers.
    async fn finish(self: Box<Self>) -> Result<Box<dyn Restored>, EngineError> {
        Ok(Box::new(CqlRestored(self.target)))
    }

    async fn discard(self: Box<Self>) -> Result<(), EngineError> {
        Ok(self.target.discard().await?)
    }
}

/// A restore that is written whole.
struct CqlRestored(Target);

#[async_trait]
impl Restored for CqlRestored {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let Self(Target { client, layout, .. }) = self;
        Ok(Box::new(CqlSnapshot::open(client.clone(), Some(*layout)).await?))
    }

    async fn publish(self: Box<Self>) -> Result<(), EngineError> {
        Ok(self.0.publish().await?)
    }

    async fn discard(self: Box<Self>) -> Result<(), EngineError> {
        Ok(self.0.discard().await?)
    }
}
