//! Writing a unit: entries to rows, rows to writes, many of them under way.

use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{EngineError, ObjectId, RestoreWriter, Segment};
use backup_layout::cql::{Encoder, SENTINEL, is_exclusive, partition_key};
use backup_layout::{Layout, LayoutError};
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::error::CqlError;
use crate::retry::Reaction;
use crate::rows::{Batcher, RowBatch};
use crate::window::{Slot, Window};

const DOING: &str = "writing to";
const PREPARING: &str = "preparing to write to";
/// Bytes of a write. A row that is longer goes alone.
const WRITE_BYTES: usize = 1 << 20;
/// Bytes of all writes that wait for their answers, or one row.
const BYTES_IN_FLIGHT: u32 = 16 << 20;

/// What all writers of a restore share.
pub(crate) struct Writing {
    pub client: Arc<Client>,
    pub layout: Layout,
    insert: PreparedStatement,
    record: PreparedStatement,
    window: Arc<Window>,
    bytes: Arc<Semaphore>,
}

impl Writing {
    /// Prepares to write rows with this timestamp, and to record units in the table `records`.
    pub(crate) async fn new(
        client: Arc<Client>,
        layout: Layout,
        timestamp: i64,
        records: &str,
    ) -> Result<Self, CqlError> {
        let table = client.address.quoted();
        let text =
            format!("INSERT INTO {table} (root_key, k, v) VALUES (?, ?, ?) USING TIMESTAMP {timestamp}");
        let insert = client.prepare(PREPARING, &text).await?;
        let text = format!("INSERT INTO {records} (page) VALUES (?)");
        let record = client.prepare(PREPARING, &text).await?;
        let window = Window::new(client.options.writes_in_flight);
        let bytes = Arc::new(Semaphore::new(BYTES_IN_FLIGHT as usize));
        Ok(Self { client, layout, insert, record, window, bytes })
    }

    /// Begins to write rows when there is room for them.
    async fn begin(self: &Arc<Self>, rows: RowBatch, tasks: &mut JoinSet<Result<(), CqlError>>) {
        let slot = self.window.slot().await;
        let wanted = u32::try_from(rows.byte_len()).unwrap_or(u32::MAX).clamp(1, BYTES_IN_FLIGHT);
        let bytes = self.bytes.clone().acquire_many_owned(wanted).await.expect("it is never closed");
        let writing = self.clone();
        tasks.spawn(async move {
            let written = writing.write(&rows, &slot).await;
            drop((bytes, slot));
            written
        });
    }

    async fn write(&self, batch: &RowBatch, slot: &Slot) -> Result<(), CqlError> {
        let failed = |reaction: Reaction| {
            if reaction.slower {
                slot.overloaded();
            }
        };
        let rows = batch.rows();
        match rows.as_slice() {
            [row] => {
                self.client.execute(DOING, &self.insert, row, failed).await?;
            }
            rows => {
                let statements = vec![self.insert.clone().into(); rows.len()];
                let mut batch = Batch::new_with_statements(BatchType::Unlogged, statements);
                batch.set_is_idempotent(true);
                self.client.batch(DOING, &batch, rows, failed).await?;
            }
        }
        slot.succeeded();
        Ok(())
    }

    /// Records that a unit was written whole.
    async fn record(&self, page: ObjectId) -> Result<(), CqlError> {
        self.client.execute(DOING, &self.record, &(&page.0[..],), |_| ()).await?;
        Ok(())
    }
}

/// Writes one unit.
pub(crate) struct UnitWriter {
    writing: Arc<Writing>,
    page: ObjectId,
    encoder: Encoder,
    batcher: Batcher,
    /// Root key of the open partition.
    root_key: Option<Vec<u8>>,
    tasks: JoinSet<Result<(), CqlError>>,
}

impl UnitWriter {
    pub(crate) fn new(writing: Arc<Writing>, page: ObjectId) -> Self {
        let batcher = Batcher::new(WRITE_BYTES, writing.client.options.write_rows);
        let encoder = Encoder::new(writing.layout);
        Self { writing, page, encoder, batcher, root_key: None, tasks: JoinSet::new() }
    }

    async fn write_segment(&mut self, segment: &Segment) -> Result<(), CqlError> {
        for group in segment.groups() {
            if self.root_key.as_deref() != Some(group.root_key) {
                self.leave();
                self.batcher.enter(partition_key(group.root_key));
                self.root_key = Some(group.root_key.to_vec());
            }
            for entry in group {
                let Self { encoder, batcher, writing, .. } = self;
                let mut emit = |key: &[u8], value: &[u8]| {
                    batcher.push(key, value);
                    Ok::<_, LayoutError>(())
                };
                let encoded = encoder.encode(group.root_key, entry.key, entry.value, &mut emit);
                encoded.map_err(|source| CqlError::Entry {
                    address: writing.client.address.to_string(),
                    source: Box::new(source),
                })?;
                self.begin_writes().await?;
            }
        }
        Ok(())
    }

    /// Ends the open partition. The sentinel of an exclusive one comes last. More of the partition
    /// may be in another unit, but nothing reads it before the restore is published.
    fn leave(&mut self) {
        if let Some(root_key) = self.root_key.take()
            && is_exclusive(self.writing.layout, &root_key)
        {
            self.batcher.push(SENTINEL.0, SENTINEL.1);
        }
        self.batcher.close();
    }

    async fn begin_writes(&mut self) -> Result<(), CqlError> {
        for rows in self.batcher.drain() {
            self.writing.begin(rows, &mut self.tasks).await;
        }
        while let Some(done) = self.tasks.try_join_next() {
            self.check(done)?;
        }
        Ok(())
    }

    async fn complete(mut self) -> Result<(), CqlError> {
        self.leave();
        self.begin_writes().await?;
        while let Some(done) = self.tasks.join_next().await {
            self.check(done)?;
        }
        self.writing.record(self.page).await
    }

    fn check(&self, done: Result<Result<(), CqlError>, tokio::task::JoinError>) -> Result<(), CqlError> {
        let lost = |_| CqlError::Task { doing: DOING, address: self.writing.client.address.to_string() };
        done.map_err(lost)?
    }
}

#[async_trait]
impl RestoreWriter for UnitWriter {
    async fn write(&mut self, segment: Segment) -> Result<(), EngineError> {
        Ok(self.write_segment(&segment).await?)
    }

    async fn finish(self: Box<Self>) -> Result<(), EngineError> {
        Ok(self.complete().await?)
    }
}
