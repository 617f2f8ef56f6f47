//! The upstream file as a source of backups: `memory_backup.bcs`.

use std::io::{self, Read, Seek};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use async_trait::async_trait;
use backup_format::upstream::{DroppedPartitions, UpstreamReader};
use backup_format::{
    Consistency, DatabaseBackup, EngineError, EntryBatch, EntryStream, ErrorClass, FormatError, Limits,
    Order, Range, ReadPlan, Snapshot, SourceInfo,
};
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::error::RepositoryError;
use crate::work;

/// Batches that are read ahead.
const AHEAD: usize = 2;

/// A file that can be read from anywhere.
pub trait SeekableRead: Read + Seek + Send {}

impl<T: Read + Seek + Send> SeekableRead for T {}

type Open = Arc<dyn Fn() -> io::Result<Box<dyn SeekableRead>> + Send + Sync>;
type KindOf = fn(&[u8]) -> Option<&'static str>;

/// The file that linera's tests write (BCS of a map of maps), as a namespace that can be backed up and not restored
/// into.
///
/// It holds entries; a file of ScyllaDB *rows*, whose root keys all begin with 00, is refused, because its rows are
/// not yet joined to entries here. Partitions without entries are no content: they are dropped and counted.
#[derive(Clone)]
pub struct UpstreamFile {
    name: String,
    open: Open,
    layout: (String, KindOf),
    limits: Limits,
    dropped: Arc<Mutex<DroppedPartitions>>,
}

impl UpstreamFile {
    /// Makes a source of what `open` opens, which is called once for each reading. The name is that of the namespace.
    #[must_use]
    pub fn new(
        name: &str,
        open: impl Fn() -> io::Result<Box<dyn SeekableRead>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.to_owned(),
            open: Arc::new(open),
            layout: ("plain".to_owned(), |_| None),
            limits: Limits::default(),
            dropped: Arc::default(),
        }
    }

    /// Sets the layout that the namespace had, and how it names kinds of partition; `plain` without kinds by default.
    #[must_use]
    pub fn with_layout(mut self, name: &str, kind: KindOf) -> Self {
        self.layout = (name.to_owned(), kind);
        self
    }

    /// Sets ceilings on what is read.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Returns the partitions without entries that the last complete reading dropped.
    #[must_use]
    pub fn dropped(&self) -> DroppedPartitions {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reader(&self) -> Result<UpstreamReader<Box<dyn SeekableRead>>, EngineError> {
        let file = (self.open)().map_err(|source| {
            failed(RepositoryError::File { doing: "opening", path: self.name.clone(), source })
        })?;
        UpstreamReader::new(file, &self.limits).map_err(|source| self.bad(source))
    }

    fn bad(&self, source: FormatError) -> EngineError {
        let class = match &source {
            FormatError::Io { .. } => ErrorClass::Failed,
            _ if source.asks_for_higher_limit() => ErrorClass::Refused,
            _ => ErrorClass::Damaged,
        };
        EngineError::new(class, RepositoryError::Entry { namespace: self.name.clone(), source })
    }

    /// Reads the file to its end, sending batches; stops when nobody receives them any more.
    fn read(&self, batches: &mpsc::Sender<Result<EntryBatch, EngineError>>) -> Result<(), EngineError> {
        let mut reader = self.reader()?;
        let mut rows = RowCheck::default();
        while let Some(batch) = reader.next_batch().map_err(|source| self.bad(source))? {
            rows.see(&batch);
            if batches.blocking_send(Ok(batch)).is_err() {
                return Ok(());
            }
        }
        rows.finish(&self.name)?;
        *self.dropped.lock().unwrap_or_else(PoisonError::into_inner) = reader.dropped().clone();
        Ok(())
    }
}

impl std::fmt::Debug for UpstreamFile {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "UpstreamFile({})", self.name)
    }
}

fn failed(error: RepositoryError) -> EngineError {
    EngineError::new(ErrorClass::Failed, error)
}

/// Tells rows of ScyllaDB from entries: linera stores each root key behind a byte 00.
#[derive(Default)]
struct RowCheck {
    roots: u64,
    others: bool,
}

impl RowCheck {
    fn see(&mut self, batch: &EntryBatch) {
        for group in batch.groups() {
            self.roots += 1;
            self.others |= group.root_key.first() != Some(&0);
        }
    }

    fn finish(&self, name: &str) -> Result<(), EngineError> {
        if self.others || self.roots < 2 {
            return Ok(());
        }
        let problem = "all its root keys begin with 00, so it seems to hold rows of ScyllaDB and not entries; \
                       only files of entries (memory_backup.bcs) can be imported";
        let source =
            FormatError::Malformed { object: "upstream file", offset: 0, problem: problem.to_owned() };
        let error = RepositoryError::Entry { namespace: name.to_owned(), source };
        Err(EngineError::new(ErrorClass::Refused, error))
    }
}

#[async_trait]
impl DatabaseBackup for UpstreamFile {
    fn name(&self) -> &str {
        &self.name
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let file = self.clone();
        let opened = spawn_blocking(move || file.reader().map(|reader| reader.file_len())).await;
        let bytes = opened.map_err(|error| failed(error.into()))??;
        let source = SourceInfo {
            engine: "file".to_owned(),
            engine_version: String::new(),
            layout: self.layout.0.clone(),
            namespace: self.name.clone(),
        };
        Ok(Box::new(FileSnapshot { file: self.clone(), source, bytes }))
    }
}

/// The file as it is: nobody vouches for how it came about.
struct FileSnapshot {
    file: UpstreamFile,
    source: SourceInfo,
    bytes: u64,
}

#[async_trait]
impl Snapshot for FileSnapshot {
    fn source(&self) -> &SourceInfo {
        &self.source
    }

    fn consistency(&self) -> Consistency {
        Consistency::Fuzzy
    }

    fn order(&self) -> Order {
        Order::Prefixed
    }

    fn kind(&self, root_key: &[u8]) -> Option<&'static str> {
        (self.file.layout.1)(root_key)
    }

    async fn estimate(&self) -> Result<Option<u64>, EngineError> {
        Ok(Some(self.bytes))
    }

    async fn plan(&self, _: NonZeroUsize) -> Result<ReadPlan, EngineError> {
        Ok(ReadPlan::of_one_phase(vec![Range { token: Vec::new() }]))
    }

    async fn entries(&self, _: &Range) -> Result<EntryStream, EngineError> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let file = self.file.clone();
        let read = move || {
            if let Err(error) = file.read(&sender) {
                // Nobody is left to receive it when the receiver is gone.
                drop(sender.blocking_send(Err(error)));
            }
        };
        // It waits for the pump, so it has no place among the runtime's threads for short work.
        let spawned = thread::Builder::new().name("kvbackup-import".to_owned()).spawn(read);
        let thread = spawned.map_err(|source| {
            failed(RepositoryError::File { doing: "starting to read", path: self.file.name.clone(), source })
        })?;
        let reading = Reading { receiver, thread: Some(thread) };
        Ok(futures::stream::unfold(reading, Reading::next).boxed())
    }
}

/// A thread that reads the file, and what it has read. Dropping it ends and joins the thread.
struct Reading {
    receiver: mpsc::Receiver<Result<EntryBatch, EngineError>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Reading {
    async fn next(mut self) -> Option<(Result<EntryBatch, EngineError>, Self)> {
        if let Some(batch) = self.receiver.recv().await {
            return Some((batch, self));
        }
        // The end of the channel is the end of the file only if the thread did not panic.
        let panic = self.thread.take()?.join().err()?;
        let problem = work::text_of(&*panic);
        Some((Err(failed(RepositoryError::Worker { problem })), self))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.receiver.close();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
