//! Writing one unit of a restore to SST files.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{EngineError, ObjectId, RestoreUnit, RestoreWriter, Segment, show};
use backup_layout::Layout;
use backup_layout::rocksdb::Encoder;
use rocksdb::Options;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::durable::{read_json, sync_directory, write_json};
use crate::error::RocksDbError;
use crate::handle::DEFAULT_FAMILY;
use crate::options::{self, RocksDbOptions};
use crate::restore::TargetDb;
use crate::sorter::Sorter;
use crate::tables::{TableFile, Tables};
use crate::target::Work;
use crate::worker;

/// Segments that wait for the thread of a writer.
const SEGMENTS_WAITING: usize = 2;
const DOING: &str = "writing a unit";

/// What is durable of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UnitRecord {
    /// Id of the page.
    pub page: String,
    /// Number of entries.
    pub entries: u64,
    /// First root key, in hex: the unit before may have its index row already, so it is written at the end.
    pub first_root: Option<String>,
    /// The SST files.
    pub tables: Vec<TableFile>,
}

impl UnitRecord {
    /// Returns the path of a unit's record.
    pub(crate) fn path(work: &Work, page: ObjectId) -> PathBuf {
        work.units().join(format!("{page}.done"))
    }

    /// Reads the record of a unit; `None` when the unit is not complete.
    pub(crate) fn read(work: &Work, page: ObjectId) -> Result<Option<Self>, RocksDbError> {
        read_json(&Self::path(work, page))
    }

    /// Tells whether all SST files are there, in their lengths.
    pub(crate) fn has_tables(&self, work: &Work) -> bool {
        self.tables.iter().all(|table| {
            let path = work.tables().join(&table.name);
            std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == table.bytes)
        })
    }
}

enum Piece {
    Segment(Segment),
    /// Only this completes a unit: a writer that is dropped closes the channel too.
    Finish,
}

/// Hands segments to a thread that writes them.
pub(crate) struct UnitWriter {
    pieces: mpsc::Sender<Piece>,
    result: oneshot::Receiver<Result<(), RocksDbError>>,
}

impl UnitWriter {
    /// Starts the thread. It holds on to the database, and so to its lock, until it ends.
    pub(crate) fn start(
        work: Work,
        layout: Layout,
        sorted: bool,
        unit: RestoreUnit,
        settings: RocksDbOptions,
        database: Arc<TargetDb>,
    ) -> Result<Self, RocksDbError> {
        let (pieces, inbox) = mpsc::channel(SEGMENTS_WAITING);
        let (sender, result) = oneshot::channel();
        worker::spawn(DOING, move || {
            let job = Job { work, layout, sorted, unit, settings };
            let done = job.run(inbox);
            drop(database);
            drop(sender.send(done));
        })?;
        Ok(Self { pieces, result })
    }

    async fn send(&mut self, piece: Piece) -> Result<(), RocksDbError> {
        match self.pieces.send(piece).await {
            Ok(()) => Ok(()),
            Err(_) => self.outcome().await,
        }
    }

    async fn outcome(&mut self) -> Result<(), RocksDbError> {
        (&mut self.result).await.unwrap_or(Err(RocksDbError::Worker { doing: DOING }))
    }
}

#[async_trait]
impl RestoreWriter for UnitWriter {
    async fn write(&mut self, segment: Segment) -> Result<(), EngineError> {
        Ok(self.send(Piece::Segment(segment)).await?)
    }

    async fn finish(mut self: Box<Self>) -> Result<(), EngineError> {
        self.send(Piece::Finish).await?;
        Ok(self.outcome().await?)
    }
}

struct Job {
    work: Work,
    layout: Layout,
    sorted: bool,
    unit: RestoreUnit,
    settings: RocksDbOptions,
}

impl Job {
    fn run(&self, mut inbox: mpsc::Receiver<Piece>) -> Result<(), RocksDbError> {
        let options = options::target(self.layout);
        let mut rows = Rows::new(self, &options);
        loop {
            match inbox.blocking_recv() {
                Some(Piece::Segment(segment)) => rows.write(&segment)?,
                Some(Piece::Finish) => break,
                None => return Ok(()),
            }
        }
        let record = rows.finish(&self.unit)?;
        sync_directory(&self.work.tables())?;
        write_json(&UnitRecord::path(&self.work, self.unit.page), &record)
    }
}

/// The rows of a unit on their way to SST files.
struct Rows<'o> {
    layout: Layout,
    encoder: Encoder,
    data: Tables<'o>,
    /// Index rows sort after all data rows, so they go to a file of their own.
    index: Tables<'o>,
    /// In use when rows do not come in the order of their keys; takes index rows too.
    sorter: Option<Sorter>,
    family: String,
    root: Option<Vec<u8>>,
    first_root: Option<Vec<u8>>,
    entries: u64,
}

impl<'o> Rows<'o> {
    fn new(job: &Job, options: &'o Options) -> Self {
        let tables = |kind: &str| {
            let prefix = format!("{}-{kind}", job.unit.page);
            Tables::new(options, &job.work.tables(), prefix, job.settings.sst_bytes)
        };
        Self {
            layout: job.layout,
            encoder: Encoder::new(job.layout),
            data: tables("data"),
            index: tables("index"),
            sorter: (!job.sorted).then(|| Sorter::new(job.settings.sort_bytes)),
            family: DEFAULT_FAMILY.to_owned(),
            root: None,
            first_root: None,
            entries: 0,
        }
    }

    fn write(&mut self, segment: &Segment) -> Result<(), RocksDbError> {
        for group in segment.groups() {
            if self.root.as_deref() != Some(group.root_key) {
                self.enter(group.root_key)?;
            }
            let Self { encoder, data, sorter, family, .. } = self;
            let mut emit = |key: &[u8], value: &[u8]| match sorter {
                Some(sorter) => sorter.put(key, value, data),
                None => data.put(family, key, value),
            };
            for entry in group {
                encoder.encode(group.root_key, entry.key, entry.value, &mut emit)?;
            }
        }
        self.entries += segment.entries();
        Ok(())
    }

    /// Begins a partition: its index row, or its column family.
    fn enter(&mut self, root_key: &[u8]) -> Result<(), RocksDbError> {
        if self.layout == Layout::Linera015
            && let Some(root) = self.root.as_ref().filter(|root| root_key.starts_with(root))
        {
            return Err(RocksDbError::NestedRoots { shorter: show(root), longer: show(root_key) });
        }
        if self.layout == Layout::Plain {
            self.family = family_of(root_key)?;
        }
        if self.first_root.is_none() {
            self.first_root = Some(root_key.to_vec());
        } else if let Some(row) = self.encoder.index_row(root_key) {
            match &mut self.sorter {
                Some(sorter) => sorter.put(row, &[], &mut self.data)?,
                None => self.index.put(DEFAULT_FAMILY, row, &[])?,
            }
        }
        self.root = Some(root_key.to_vec());
        Ok(())
    }

    fn finish(mut self, unit: &RestoreUnit) -> Result<UnitRecord, RocksDbError> {
        let (page, expected, found) = (unit.page, unit.entries, self.entries);
        if expected != found {
            return Err(RocksDbError::UnitEntries { page, expected, found });
        }
        if let Some(sorter) = &mut self.sorter {
            sorter.flush(&mut self.data)?;
        }
        let mut tables = self.data.finish()?;
        tables.extend(self.index.finish()?);
        let first_root = self.first_root.map(hex::encode);
        Ok(UnitRecord { page: page.to_string(), entries: found, first_root, tables })
    }
}

/// Returns the column family of a partition of layout `plain`: the default one for the empty root key.
fn family_of(root_key: &[u8]) -> Result<String, RocksDbError> {
    let refuse = |problem| Err(RocksDbError::FamilyName { root_key: show(root_key), problem });
    match std::str::from_utf8(root_key) {
        Ok("") => Ok(DEFAULT_FAMILY.to_owned()),
        Ok(name) if name.contains('\0') => refuse("it has a zero byte"),
        Ok(name) => Ok(name.to_owned()),
        Err(_) => refuse("it is not UTF-8"),
    }
}
