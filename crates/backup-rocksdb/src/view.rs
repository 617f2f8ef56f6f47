//! Frozen views of a database, served by a thread of their own.
//!
//! A snapshot and an iterator of the driver borrow the database, so they cannot be kept in a struct beside it.
//! Here a thread keeps database and snapshot on its stack and runs jobs that borrow them, each on a thread again.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use rocksdb::{DBAccess, DBRawIteratorWithThreadMode, LiveFile, ReadOptions, SnapshotWithThreadMode};
use tokio::sync::oneshot;

use crate::error::RocksDbError;
use crate::handle::Handle;
use crate::worker::{self, Worker};

/// A database at one moment.
pub(crate) trait View: Sync {
    /// Opens an iterator over a column family; without a position until it is asked to seek.
    fn rows(&self, family: &str, options: ReadOptions) -> Result<Rows<'_>, RocksDbError>;

    /// Returns a property as text; `None` when there is none.
    fn property(&self, family: &str, name: &str) -> Result<Option<String>, RocksDbError>;

    /// Lists the SST files.
    fn files(&self) -> Result<Vec<LiveFile>, RocksDbError>;

    /// Returns the directory.
    fn path(&self) -> &Path;
}

/// Key and value of a row.
pub(crate) type Row<'a> = (&'a [u8], &'a [u8]);

/// An iterator over rows, whose errors are never taken for its end.
pub(crate) struct Rows<'v> {
    cursor: Box<dyn Cursor + 'v>,
    path: PathBuf,
}

impl Rows<'_> {
    /// Goes to the first row that is not below `key`.
    pub(crate) fn seek(&mut self, key: &[u8]) {
        self.cursor.seek(key);
    }

    /// Goes to the last row that is not above `key`.
    pub(crate) fn seek_back(&mut self, key: &[u8]) {
        self.cursor.seek_back(key);
    }

    /// Goes to the next row; only after [`Rows::current`] returned one.
    pub(crate) fn advance(&mut self) {
        self.cursor.advance();
    }

    /// Returns key and value of the row, `None` at the end.
    pub(crate) fn current(&self) -> Result<Option<Row<'_>>, RocksDbError> {
        match self.cursor.item() {
            Some(item) => Ok(Some(item)),
            None => {
                self.cursor.status().map_err(RocksDbError::engine("reading rows of database", &self.path))?;
                Ok(None)
            }
        }
    }
}

trait Cursor {
    fn seek(&mut self, key: &[u8]);
    fn seek_back(&mut self, key: &[u8]);
    fn advance(&mut self);
    fn item(&self) -> Option<Row<'_>>;
    fn status(&self) -> Result<(), rocksdb::Error>;
}

impl<D: DBAccess> Cursor for DBRawIteratorWithThreadMode<'_, D> {
    fn seek(&mut self, key: &[u8]) {
        DBRawIteratorWithThreadMode::seek(self, key);
    }

    fn seek_back(&mut self, key: &[u8]) {
        self.seek_for_prev(key);
    }

    fn advance(&mut self) {
        if self.valid() {
            self.next();
        }
    }

    fn item(&self) -> Option<Row<'_>> {
        DBRawIteratorWithThreadMode::item(self)
    }

    fn status(&self) -> Result<(), rocksdb::Error> {
        DBRawIteratorWithThreadMode::status(self)
    }
}

struct HandleView<'d, D: Handle> {
    database: &'d D,
    /// `None` for a copy that nobody writes to: it stands still by itself.
    snapshot: Option<SnapshotWithThreadMode<'d, D>>,
}

impl<D: Handle> View for HandleView<'_, D> {
    fn rows(&self, family: &str, mut options: ReadOptions) -> Result<Rows<'_>, RocksDbError> {
        if let Some(snapshot) = &self.snapshot {
            options.set_snapshot(snapshot);
        }
        let path = self.path().to_owned();
        match self.database.rows(family, options) {
            Some(cursor) => Ok(Rows { cursor: Box::new(cursor), path }),
            None => Err(RocksDbError::FamilyNotOpen { path, family: family.to_owned() }),
        }
    }

    fn property(&self, family: &str, name: &str) -> Result<Option<String>, RocksDbError> {
        let doing = "reading a property of database";
        self.database.property(family, name).map_err(RocksDbError::engine(doing, self.path()))
    }

    fn files(&self) -> Result<Vec<LiveFile>, RocksDbError> {
        self.database.files().map_err(RocksDbError::engine("listing the files of database", self.path()))
    }

    fn path(&self) -> &Path {
        self.database.directory()
    }
}

type Job = Box<dyn FnOnce(&dyn View) + Send>;

/// The part of a view that its own thread holds.
pub(crate) struct Server {
    jobs: Receiver<Job>,
    ready: oneshot::Sender<()>,
}

impl Server {
    /// Takes a snapshot of a database and runs jobs on it until no client and no job is left.
    pub(crate) fn serve_snapshot<D: Handle>(self, database: &D) {
        let snapshot = Some(SnapshotWithThreadMode::new(database));
        self.serve(&HandleView { database, snapshot });
    }

    /// The same with a database that stands still by itself.
    pub(crate) fn serve_frozen<D: Handle>(self, database: &D) {
        self.serve(&HandleView { database, snapshot: None });
    }

    fn serve(self, view: &dyn View) {
        let Self { jobs, ready } = self;
        if ready.send(()).is_err() {
            return;
        }
        thread::scope(|scope| {
            for job in jobs {
                // A job that cannot be started is dropped, and who waits for it sees that.
                drop(thread::Builder::new().name(worker::NAME.to_owned()).spawn_scoped(scope, || job(view)));
            }
        });
    }
}

/// Sends jobs to the thread of a view. Dropping the last one ends the view, and joins its threads.
#[derive(Clone, Debug)]
pub(crate) struct ViewClient(Arc<Client>);

/// The sender is dropped before the thread is joined: that ends it.
#[derive(Debug)]
struct Client {
    jobs: Sender<Job>,
    _thread: Worker,
}

/// A job that runs. Dropping this waits until it has ended; what makes it end must be dropped before.
///
/// It keeps the view, whose thread waits for all of its jobs.
#[derive(Debug)]
pub(crate) struct Running {
    ended: Receiver<Infallible>,
    _view: ViewClient,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing is ever sent: the job drops the other end.
        let _ = self.ended.recv();
    }
}

impl ViewClient {
    /// Takes a snapshot of an open database.
    pub(crate) async fn of_handle<D: Handle>(database: Arc<D>) -> Result<Self, RocksDbError> {
        Self::start(move |server| {
            server.serve_snapshot(&*database);
            Ok(())
        })
        .await
    }

    /// Starts the thread: `work` opens what is to be viewed and has it served.
    pub(crate) async fn start(
        work: impl FnOnce(Server) -> Result<(), RocksDbError> + Send + 'static,
    ) -> Result<Self, RocksDbError> {
        let doing = "opening a read view";
        let (sender, jobs) = channel();
        let (ready, opened) = oneshot::channel();
        let (failed, failure) = oneshot::channel();
        let thread = worker::spawn(doing, move || {
            if let Err(error) = work(Server { jobs, ready }) {
                drop(failed.send(error));
            }
        })?;
        let client = Self(Arc::new(Client { jobs: sender, _thread: thread }));
        match opened.await {
            Ok(()) => Ok(client),
            Err(_) => Err(failure.await.unwrap_or(RocksDbError::Worker { doing })),
        }
    }

    /// Runs `question` on the view and waits for its answer.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        doing: &'static str,
        question: impl FnOnce(&dyn View) -> Result<T, RocksDbError> + Send + 'static,
    ) -> Result<T, RocksDbError> {
        let (sender, receiver) = oneshot::channel();
        let _running = self.run(doing, move |view| drop(sender.send(question(view))))?;
        receiver.await.map_err(|_| RocksDbError::Worker { doing })?
    }

    /// Starts `job` on the view.
    pub(crate) fn run(
        &self,
        doing: &'static str,
        job: impl FnOnce(&dyn View) + Send + 'static,
    ) -> Result<Running, RocksDbError> {
        let (end, ended) = channel();
        let job = move |view: &dyn View| {
            job(view);
            drop(end);
        };
        self.0.jobs.send(Box::new(job)).map_err(|_| RocksDbError::Worker { doing })?;
        Ok(Running { ended, _view: self.clone() })
    }
}
