//! Restoring a namespace into a new table.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{
    EngineError, ObjectId, RestoreMarker, RestorePlan, RestoreSink, RestoreUnit, RestoreWriter, Snapshot,
};
use backup_layout::Layout;

use crate::client::Client;
use crate::error::CqlError;
use crate::marker::Marker;
use crate::snapshot::CqlSnapshot;
use crate::table::{Table, clear_comment, create_records, drop_table};
use crate::target;
use crate::unit::{UnitWriter, Writing};

const BEGINNING: &str = "beginning a restore of";
const FINISHING: &str = "completing the restore of";
const PUBLISHING: &str = "publishing";
const DISCARDING: &str = "discarding the restore of";

/// Digits of a hash in the name of a table of records.
const HASH_DIGITS: usize = 16;

/// A restore under way.
pub(crate) struct CqlRestore {
    client: Arc<Client>,
    marker: Marker,
    plan: RestorePlan,
    writing: Arc<Writing>,
    /// Table of the records of units: keyspace and name as they stand in statements.
    ///
    /// They are not rows of the target, since they would have to be deleted: linera's tables drop what marks deleted rows at
    /// once, and then Cassandra may bring rows back that were deleted a moment after they were written.
    records: String,
    /// Units that an earlier try wrote, with their numbers of entries.
    written: HashMap<ObjectId, u64>,
    is_finished: bool,
}

impl CqlRestore {
    /// Begins, or goes on with what an earlier try left.
    pub(crate) async fn begin(
        client: Arc<Client>,
        layout: Layout,
        marker: &RestoreMarker,
        plan: &RestorePlan,
    ) -> Result<Self, CqlError> {
        let marker = target::begin(&client, layout, marker, plan.order).await?;
        let records = records_table(client.address.keyspace(), client.address.table(), &marker.dump);
        client.run(BEGINNING, &create_records(&records, client.address.table()), ()).await?;
        let writing = Arc::new(Writing::new(client.clone(), layout, marker.timestamp, &records).await?);
        let written = read_records(&client, BEGINNING, &records).await?;
        Ok(Self { client, marker, plan: *plan, writing, records, written, is_finished: false })
    }

    fn writer_for(&self, unit: &RestoreUnit) -> Result<Option<UnitWriter>, CqlError> {
        match self.written.get(&unit.page) {
            None => Ok(Some(UnitWriter::new(self.writing.clone(), unit.clone()))),
            Some(entries) if *entries == unit.entries => Ok(None),
            Some(found) => {
                Err(CqlError::UnitEntries { page: unit.page, expected: unit.entries, found: *found })
            }
        }
    }

    async fn complete(&mut self) -> Result<(), CqlError> {
        let written = read_records(&self.client, FINISHING, &self.records).await?;
        let (expected, found) = (self.plan.entries, written.values().sum::<u64>());
        if expected != found {
            return Err(CqlError::Incomplete { address: self.client.address.to_string(), expected, found });
        }
        self.is_finished = true;
        Ok(())
    }

    async fn publish(self) -> Result<(), CqlError> {
        if !self.is_finished {
            let problem = "it cannot be published before it is finished";
            return Err(CqlError::Stage { address: self.client.address.to_string(), problem });
        }
        self.check_marker().await?;
        // The marker goes last. Without the records, a restore that ends in between writes all units again, which changes nothing.
        self.client.run(PUBLISHING, &drop_table(&self.records), ()).await?;
        self.client.run(PUBLISHING, &clear_comment(&self.client.address.quoted()), ()).await?;
        self.client.agree().await
    }

    async fn discard(self) -> Result<(), CqlError> {
        self.check_marker().await?;
        self.client.run(DISCARDING, &drop_table(&self.records), ()).await?;
        self.client.run(DISCARDING, &drop_table(&self.client.address.quoted()), ()).await?;
        self.client.agree().await
    }

    /// Checks that the table is still that of this restore.
    async fn check_marker(&self) -> Result<(), CqlError> {
        match Table::look(&self.client).await? {
            Table::There { marker: Some(found) } => found.check_dump(&self.marker.dump, &self.client.address),
            _ => {
                let problem = "it was published or discarded elsewhere";
                Err(CqlError::Stage { address: self.client.address.to_string(), problem })
            }
        }
    }
}

/// Names the table of records of one restore: no two restores have the same.
fn records_table(keyspace: &str, table: &str, dump: &str) -> String {
    let hash = ObjectId::of_file(format!("{table} {dump}").as_bytes()).to_string();
    let digits: String = hash.chars().take(HASH_DIGITS).collect();
    format!("\"{keyspace}\".\"kvbackup_{digits}\"")
}

async fn read_records(
    client: &Client,
    doing: &'static str,
    records: &str,
) -> Result<HashMap<ObjectId, u64>, CqlError> {
    let rows: Vec<(Vec<u8>, i64)> =
        client.all(doing, &format!("SELECT page, entry_count FROM {records}"), ()).await?;
    let record = |(page, entries): &(Vec<u8>, i64)| {
        Some((ObjectId(page.as_slice().try_into().ok()?), entries.cast_unsigned()))
    };
    Ok(rows.iter().filter_map(record).collect())
}

#[async_trait]
impl RestoreSink for CqlRestore {
    async fn writer(&self, unit: &RestoreUnit) -> Result<Option<Box<dyn RestoreWriter>>, EngineError> {
        Ok(self.writer_for(unit)?.map(|writer| Box::new(writer) as Box<dyn RestoreWriter>))
    }

    async fn finish(&mut self) -> Result<(), EngineError> {
        Ok(self.complete().await?)
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        if !self.is_finished {
            let problem = "it cannot be read before it is finished";
            return Err(CqlError::Stage { address: self.client.address.to_string(), problem }.into());
        }
        let layout = Some(self.writing.layout);
        Ok(Box::new(CqlSnapshot::open(self.client.clone(), layout).await?))
    }

    async fn publish(self: Box<Self>) -> Result<(), EngineError> {
        Ok((*self).publish().await?)
    }

    async fn discard(self: Box<Self>) -> Result<(), EngineError> {
        Ok((*self).discard().await?)
    }
}
