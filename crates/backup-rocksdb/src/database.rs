//! A namespace as source of a backup and target of a restore.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{
    ContractError, DatabaseBackup, EngineError, Restore, RestoreSink, RestoreTarget, Snapshot,
};
use futures::future::BoxFuture;
use rocksdb::{DB, DBWithThreadMode, Options, ThreadMode};
use tokio::sync::oneshot;

use crate::error::RocksDbError;
use crate::frozen::Frozen;
use crate::handle::{DEFAULT_FAMILY, Handle};
use crate::native::{self, NativeBackup};
use crate::options::RocksDbOptions;
use crate::restore::RocksDbRestore;
use crate::scratch::Scratch;
use crate::snapshot::RocksDbSnapshot;
use crate::view::ViewClient;
use crate::worker::Caller;
use crate::{target, worker};

/// One RocksDB database as a namespace.
///
/// By path ([`RocksDbNamespace::at`]) it is read while any other process may hold it open, and it can be restored
/// to. By handle ([`RocksDbNamespace::from_handle`]) a program backs up the database that it has open itself.
#[derive(Debug)]
pub struct RocksDbNamespace {
    origin: Origin,
    name: String,
    options: RocksDbOptions,
}

enum Origin {
    Path(PathBuf),
    /// A native backup, unpacked into a scratch directory.
    Unpacked(Scratch),
    Handle(Box<dyn Viewable>),
}

/// An open database, whichever type it has.
trait Viewable: Send + Sync {
    fn path(&self) -> &Path;
    fn back_up(&self, backups: PathBuf) -> BoxFuture<'static, Result<NativeBackup, RocksDbError>>;
    fn view(&self) -> BoxFuture<'static, Result<ViewClient, RocksDbError>>;
}

impl<D: Handle> Viewable for Arc<D> {
    fn path(&self) -> &Path {
        self.directory()
    }

    fn back_up(&self, backups: PathBuf) -> BoxFuture<'static, Result<NativeBackup, RocksDbError>> {
        let database = self.clone();
        let work = move || native::backup_handle(&*database, &backups);
        Box::pin(worker::run("making a native backup", work))
    }

    fn view(&self) -> BoxFuture<'static, Result<ViewClient, RocksDbError>> {
        Box::pin(ViewClient::of_handle(self.clone()))
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => out.debug_tuple("Path").field(path).finish(),
            Self::Unpacked(scratch) => out.debug_tuple("Unpacked").field(&scratch.path()).finish(),
            Self::Handle(database) => out.debug_tuple("Handle").field(&database.path()).finish(),
        }
    }
}

impl RocksDbNamespace {
    /// Names the database in `directory`. The last part of its path, without links, is the name of the namespace. Whether there is a
    /// database shows when it is used.
    #[must_use]
    pub fn at(directory: impl Into<PathBuf>, options: RocksDbOptions) -> Self {
        let directory = directory.into();
        // What is not there yet has the name that it is given.
        let name = target::name_of(directory.canonicalize().as_ref().unwrap_or(&directory));
        Self { origin: Origin::Path(directory), name, options }
    }

    /// Names a database that this program has open. It is only read; snapshots keep it open until they are dropped.
    ///
    /// The handle must have been opened with all column families.
    #[must_use]
    pub fn from_handle<T: ThreadMode>(
        database: Arc<DBWithThreadMode<T>>,
        name: impl Into<String>,
        options: RocksDbOptions,
    ) -> Self
    where
        DBWithThreadMode<T>: Handle,
    {
        Self { origin: Origin::Handle(Box::new(database)), name: name.into(), options }
    }

    /// Unpacks a backup of RocksDB's BackupEngine (`None`: the latest) into a scratch directory, to be read from there
    /// under the name `name`. The scratch directory needs the room of the whole database; it is removed when this is
    /// dropped.
    ///
    /// # Errors
    ///
    /// [`RocksDbError::NoBackup`] when there is no such backup; [`RocksDbError::Engine`] and [`RocksDbError::Io`] when
    /// it cannot be unpacked.
    pub async fn from_native_backup(
        backups: impl Into<PathBuf>,
        id: Option<u32>,
        name: impl Into<String>,
        options: RocksDbOptions,
    ) -> Result<Self, RocksDbError> {
        let backups = backups.into();
        let mut options = RocksDbOptions { wal_dir: None, ..options };
        let settings = options.clone();
        let unpack = move || native::unpack(&backups, id, &settings);
        let scratch = worker::run("unpacking a native backup", unpack).await?;
        // The engine leaves out logs without a record.
        options.allow_missing_log = true;
        Ok(Self { origin: Origin::Unpacked(scratch), name: name.into(), options })
    }

    /// Adds this database to a directory of RocksDB's BackupEngine, which is made if it is missing. The database is
    /// flushed first. By path it must not be open anywhere, and is opened for writing: RocksDB writes files of its own
    /// into it, as each program does that opens a database.
    ///
    /// # Errors
    ///
    /// [`RocksDbError::Locked`] when another program has the database open; [`RocksDbError::OtherOwner`] when it is not of
    /// the user of this process. [`RocksDbError::BadBackups`] when `backups` lies in the database, or holds something else;
    /// [`RocksDbError::LogMissing`] and [`RocksDbError::LogElsewhere`] as when reading;
    /// [`RocksDbError::NoDatabase`], [`RocksDbError::Engine`] and [`RocksDbError::Io`].
    pub async fn native_backup(&self, backups: impl Into<PathBuf>) -> Result<NativeBackup, RocksDbError> {
        let (backups, options) = (backups.into(), self.options.clone());
        let path = match &self.origin {
            Origin::Handle(database) => return database.back_up(backups).await,
            Origin::Path(path) => path.clone(),
            Origin::Unpacked(scratch) => scratch.path().to_owned(),
        };
        worker::run("making a native backup", move || native::backup_path(&path, &options, &backups)).await
    }

    pub(crate) async fn view(&self) -> Result<RocksDbSnapshot, RocksDbError> {
        let (client, families) = match &self.origin {
            Origin::Handle(database) => {
                let path = database.path().to_owned();
                let families = worker::run("listing column families", move || list_families(&path)).await?;
                (database.view().await?, families)
            }
            Origin::Path(path) => self.view_path(path.clone()).await?,
            Origin::Unpacked(scratch) => self.view_path(scratch.path().to_owned()).await?,
        };
        RocksDbSnapshot::open(client, &self.name, families, &self.options).await
    }

    async fn view_path(&self, path: PathBuf) -> Result<(ViewClient, Vec<String>), RocksDbError> {
        let options = self.options.clone();
        let (names, listed) = oneshot::channel();
        let client = ViewClient::start(move |server| {
            let frozen = Frozen::open(&path, &options)?;
            drop(names.send(frozen.families.clone()));
            server.serve_frozen(&frozen.database);
            Ok(())
        })
        .await?;
        let doing = "opening a read view";
        Ok((client, listed.await.map_err(|_| RocksDbError::Worker { doing })?))
    }

    pub(crate) fn options(&self) -> &RocksDbOptions {
        &self.options
    }

    /// Returns the directory of a namespace that is named by its path.
    pub(crate) fn directory(&self, doing: &'static str) -> Result<PathBuf, RocksDbError> {
        let place = self.name.clone();
        match &self.origin {
            Origin::Path(path) => Ok(path.clone()),
            Origin::Unpacked(_) => {
                let found = "it is the copy of a native backup".to_owned();
                Err(ContractError::InUse { doing, place, found }.into())
            }
            Origin::Handle(_) => {
                let found = "it is open in this program".to_owned();
                Err(ContractError::InUse { doing, place, found }.into())
            }
        }
    }

    fn target(&self) -> Result<target::Target, RocksDbError> {
        let problem = match (&self.origin, self.options.layout) {
            (Origin::Handle(_), _) => "it is open in this program; restore to a directory by path",
            (Origin::Unpacked(_), _) => "it is the copy of a native backup; restore to a directory by path",
            (Origin::Path(_), None) => "its layout is not known; say which one it is to have",
            (Origin::Path(path), Some(layout)) => {
                return target::Target::new(path, layout);
            }
        };
        Err(RocksDbError::NoTarget { namespace: self.name.clone(), problem })
    }
}

/// Lists the column families of a database; the driver does not list those of a handle.
pub(crate) fn list_families(path: &Path) -> Result<Vec<String>, RocksDbError> {
    let mut families = DB::list_cf(&Options::default(), path)
        .map_err(RocksDbError::engine("listing the column families of database", path))?;
    if families.is_empty() {
        families.push(DEFAULT_FAMILY.to_owned());
    }
    Ok(families)
}

#[async_trait]
impl DatabaseBackup for RocksDbNamespace {
    fn name(&self) -> &str {
        &self.name
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        Ok(Box::new(self.view().await?))
    }
}

#[async_trait]
impl RestoreTarget for RocksDbNamespace {
    fn name(&self) -> &str {
        &self.name
    }

    async fn check(&self, restore: &Restore) -> Result<(), EngineError> {
        let (target, dump) = (self.target()?, restore.dump);
        worker::run("checking a restore target", move || target.check(dump)).await?;
        Ok(())
    }

    async fn begin(&self, restore: &Restore) -> Result<Box<dyn RestoreSink>, EngineError> {
        let (target, restore, options) = (self.target()?, *restore, self.options.clone());
        let begin = move |caller: &Caller<'_>| RocksDbRestore::begin(target, restore, options, caller);
        Ok(Box::new(worker::run_while_wanted("beginning a restore", begin).await?))
    }
}
