//! A namespace as source of a backup and target of a restore.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use backup_format::{
    DatabaseBackup, EngineError, RestoreMarker, RestorePlan, RestoreSink, Snapshot, SourceInfo,
};
use backup_layout::Layout;
use futures::future::BoxFuture;
use rocksdb::{DB, DBWithThreadMode, Options, ThreadMode};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::error::RocksDbError;
use crate::handle::{DEFAULT_FAMILY, Handle};
use crate::native::{self, NativeBackup};
use crate::options::RocksDbOptions;
use crate::restore::RocksDbRestore;
use crate::secondary::Secondary;
use crate::snapshot::RocksDbSnapshot;
use crate::view::ViewClient;
use crate::{target, worker};

/// Version of RocksDB in this build.
const ENGINE_VERSION: &str = "10.4.2";

/// One RocksDB database as a namespace.
///
/// By path ([`RocksDbNamespace::at`]) it is read while any other process may hold it open, and it can be restored
/// to. By handle ([`RocksDbNamespace::from_handle`]) a program backs up the database that it has open itself.
#[derive(Debug)]
pub struct RocksDbNamespace {
    origin: Origin,
    name: String,
    options: RocksDbOptions,
    /// The layout as rows told it, when the options do not say it.
    seen: OnceLock<Layout>,
}

enum Origin {
    Path(PathBuf),
    /// A native backup, unpacked into a scratch directory.
    Unpacked(TempDir),
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
    /// Names the database in `directory`, whose last part is the name of the namespace. Does no I/O; whether there is a
    /// database shows when it is used.
    #[must_use]
    pub fn at(directory: impl Into<PathBuf>, options: RocksDbOptions) -> Self {
        let directory = directory.into();
        let name = target::name_of(&directory);
        Self { origin: Origin::Path(directory), name, options, seen: OnceLock::new() }
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
        Self { origin: Origin::Handle(Box::new(database)), name: name.into(), options, seen: OnceLock::new() }
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
        Ok(Self { origin: Origin::Unpacked(scratch), name: name.into(), options, seen: OnceLock::new() })
    }

    /// Adds this database to a directory of RocksDB's BackupEngine, which is made if it is missing. The database is
    /// flushed first. By path it must not be open anywhere, and is opened for writing: RocksDB writes files of its own
    /// into it, as each program does that opens a database.
    ///
    /// # Errors
    ///
    /// [`RocksDbError::Locked`] when another program has the database open; [`RocksDbError::OtherOwner`] when it is not of
    /// the user of this process; [`RocksDbError::BadBackups`] when `backups` lies in the database, or holds something else;
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

    /// Returns the layout: that of the options, or the one that the last snapshot told from the rows. `None` before.
    #[must_use]
    pub fn layout(&self) -> Option<Layout> {
        self.options.layout.or_else(|| self.seen.get().copied())
    }

    async fn view(&self) -> Result<RocksDbSnapshot, RocksDbError> {
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
            let secondary = Secondary::open(&path, &options)?;
            drop(names.send(secondary.families.clone()));
            server.serve_frozen(&secondary.database);
            Ok(())
        })
        .await?;
        let doing = "opening a read view";
        Ok((client, listed.await.map_err(|_| RocksDbError::Worker { doing })?))
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

/// Lists the column families of a database; the driver does not tell those of a handle.
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
    /// Describes the namespace. The layout is empty as long as neither the options nor a snapshot told it.
    fn source(&self) -> SourceInfo {
        SourceInfo {
            engine: "rocksdb".to_owned(),
            engine_version: ENGINE_VERSION.to_owned(),
            layout: self.layout().map(|layout| layout.name().to_owned()).unwrap_or_default(),
            namespace: self.name.clone(),
        }
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let snapshot = self.view().await?;
        let _ = self.seen.set(snapshot.layout());
        Ok(Box::new(snapshot))
    }

    async fn restore(
        &self,
        marker: &RestoreMarker,
        plan: &RestorePlan,
    ) -> Result<Box<dyn RestoreSink>, EngineError> {
        let target = self.target()?;
        let (marker, plan, options) = (*marker, *plan, self.options.clone());
        let doing = "beginning a restore";
        let sink = worker::run(doing, move || RocksDbRestore::begin(target, marker, plan, options)).await?;
        Ok(Box::new(sink))
    }

    async fn check_restorable(&self, marker: &RestoreMarker) -> Result<(), EngineError> {
        let target = self.target()?;
        let marker = *marker;
        worker::run("checking a restore target", move || target.check(&marker)).await?;
        Ok(())
    }
}
