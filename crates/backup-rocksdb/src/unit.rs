//! Writing one unit of a restore to SST files.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use backup_format::{EngineError, ObjectId, RestoreWriter, Segment, show};
use backup_layout::Layout;
use backup_layout::rocksdb::Encoder;
use rocksdb::Options;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::durable::{read_json, sync_directory, write_json};
use crate::error::RocksDbError;
use crate::handle::DEFAULT_FAMILY;
use crate::options::{self, RocksDbOptions};
use crate::session::{Held, Session};
use crate::sorter::Sorter;
use crate::tables::{TableFile, Tables};
use crate::target::Work;
use crate::worker::{self, Worker};

/// Segments that wait for the thread of a writer.
const SEGMENTS_WAITING: usize = 2;
const DOING: &str = "writing a unit";
/// Extension of the file that holds the record of a unit.
const DONE: &str = "done";

/// The units that are written whole, with their records.
pub(crate) type Written = Arc<Mutex<BTreeMap<ObjectId, UnitRecord>>>;

/// What is durable of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UnitRecord {
    /// Id of the page.
    pub page: ObjectId,
    /// Number of entries.
    pub entries: u64,
    /// First root key, in hex: the unit before may have its index row already, so it is written at the end.
    pub first_root: Option<String>,
    /// The SST files.
    pub tables: Vec<TableFile>,
}

impl UnitRecord {
    /// Returns true if all SST files are there, in their lengths.
    pub(crate) fn has_tables(&self, work: &Work) -> Result<bool, RocksDbError> {
        for table in &self.tables {
            let path = work.tables().join(&table.name);
            match fs::metadata(&path) {
                Ok(found) if found.is_file() && found.len() == table.bytes => {}
                Ok(_) => return Ok(false),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(RocksDbError::io("looking at", &path)(error)),
            }
        }
        Ok(true)
    }
}

/// Reads the records of the units that earlier tries wrote whole.
///
/// As long as units can be written, one whose files are gone is left out: it has to be written anew.
pub(crate) fn written(session: &Session) -> Result<Written, RocksDbError> {
    let (work, directory) = (&session.work, session.work.units());
    let mut written = BTreeMap::new();
    for entry in fs::read_dir(&directory).map_err(RocksDbError::io("looking into", &directory))? {
        let path = entry.map_err(RocksDbError::io("looking into", &directory))?.path();
        if path.extension().is_none_or(|extension| extension != DONE) {
            continue;
        }
        let record: Option<UnitRecord> = read_json(&path)?;
        if let Some(record) = record
            && (session.is_past_writing() || record.has_tables(work)?)
        {
            written.insert(record.page, record);
        }
    }
    Ok(Arc::new(Mutex::new(written)))
}

enum Piece {
    Segment(Segment),
    /// Only this completes a unit: a writer that is dropped closes the channel too.
    Finish,
}

/// Hands segments to a thread that writes them.
pub(crate) struct UnitWriter {
    // Dropped in this order: without pieces the thread ends, and the database is not closed before.
    pieces: mpsc::Sender<Piece>,
    result: oneshot::Receiver<Result<(), RocksDbError>>,
    _thread: Worker,
    _held: Arc<Held>,
}

impl UnitWriter {
    /// Starts the thread. It adds the unit to `written` when that is whole and durable.
    pub(crate) fn start(session: &Session, page: ObjectId, written: &Written) -> Result<Self, RocksDbError> {
        let (pieces, inbox) = mpsc::channel(SEGMENTS_WAITING);
        let (sender, result) = oneshot::channel();
        let job = Job {
            work: session.work.clone(),
            layout: session.target.layout,
            sorted: session.sorted(),
            page,
            settings: session.options.clone(),
            written: Arc::clone(written),
        };
        let thread = worker::spawn(DOING, move || {
            let done = job.run(inbox);
            drop(job);
            drop(sender.send(done));
        })?;
        Ok(Self { pieces, result, _thread: thread, _held: Arc::clone(&session.held) })
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
    page: ObjectId,
    settings: RocksDbOptions,
    written: Written,
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
        let record = rows.finish(self.page)?;
        sync_directory(&self.work.tables())?;
        write_json(&self.work.units().join(format!("{}.{DONE}", self.page)), &record)?;
        self.written.lock().unwrap_or_else(PoisonError::into_inner).insert(self.page, record);
        Ok(())
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
            let prefix = format!("{}-{kind}", job.page);
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

    fn finish(mut self, page: ObjectId) -> Result<UnitRecord, RocksDbError> {
        if let Some(sorter) = &mut self.sorter {
            sorter.flush(&mut self.data)?;
        }
        let mut tables = self.data.finish()?;
        tables.extend(self.index.finish()?);
        let first_root = self.first_root.map(hex::encode);
        Ok(UnitRecord { page, entries: self.entries, first_root, tables })
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
