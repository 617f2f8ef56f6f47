//! Restoring a namespace beside its place, and moving it there.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use backup_format::{
    EngineError, RestoreMarker, RestorePlan, RestoreSink, RestoreUnit, RestoreWriter, Snapshot,
};
use rocksdb::{ColumnFamilyDescriptor, DBWithThreadMode, MultiThreaded};

use crate::database::list_families;
use crate::durable::{Occupancy, occupancy, sync_directory};
use crate::error::RocksDbError;
use crate::handle::DEFAULT_FAMILY;
use crate::ingest::Ingest;
use crate::options::{self, RocksDbOptions};
use crate::snapshot::RocksDbSnapshot;
use crate::target::{MarkerFile, Stage, Target, Work, WorkLock};
use crate::unit::{UnitRecord, UnitWriter};
use crate::view::ViewClient;
use crate::worker;

/// The database of a restore under way.
pub(crate) type TargetDb = DBWithThreadMode<MultiThreaded>;

/// How long a restore waits for the threads of an earlier one, or for snapshots and writers that were dropped.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);

/// A restore under way. While it lasts, the lock of the work directory keeps others away.
#[derive(Clone)]
pub(crate) struct RocksDbRestore {
    target: Target,
    work: Work,
    marker: MarkerFile,
    plan: RestorePlan,
    options: RocksDbOptions,
    database: Arc<TargetDb>,
    _lock: Arc<WorkLock>,
}

impl RocksDbRestore {
    /// Begins, or goes on with what an earlier try left.
    pub(crate) fn begin(
        target: Target,
        marker: RestoreMarker,
        plan: RestorePlan,
        options: RocksDbOptions,
    ) -> Result<Self, RocksDbError> {
        let work = target.work(&marker);
        let lock = Arc::new(lock_patiently(&target, &marker, &work)?);
        let wanted = MarkerFile::new(&marker, target.layout, plan.order);
        let mut marker = match work.marker()? {
            Some(found) => {
                wanted.check(&found, &work.path)?;
                found
            }
            None => wanted.clone(),
        };
        if marker.stage == Stage::Publishing && occupancy(&work.database())? == Occupancy::Missing {
            // It was moved to its place, and has been moved away from there since.
            work.clear()?;
            marker = wanted;
        }
        let create =
            |path: &Path| fs::create_dir_all(path).map_err(RocksDbError::io("creating directory", path));
        target.sync_base()?;
        work.set_marker(&marker)?;
        let database = Arc::new(open_patiently(&work, &target)?);
        create(&work.tables())?;
        create(&work.units())?;
        sync_directory(&work.path)?;
        Ok(Self { target, work, marker, plan, options, database, _lock: lock })
    }

    fn sorted(&self) -> bool {
        self.target.layout == backup_layout::Layout::Plain
            || self.plan.order == self.target.layout.rocksdb_order()
    }

    fn writer_for(&self, unit: &RestoreUnit) -> Result<Option<UnitWriter>, RocksDbError> {
        let problem = match UnitRecord::read(&self.work, unit.page)? {
            Some(record) if record.entries != unit.entries => {
                let (expected, found) = (unit.entries, record.entries);
                return Err(RocksDbError::UnitEntries { page: unit.page, expected, found });
            }
            Some(_) if self.marker.stage > Stage::Writing => return Ok(None),
            Some(record) if record.has_tables(&self.work) => return Ok(None),
            None if self.marker.stage > Stage::Writing => {
                "it is being completed, yet a unit is not part of it; remove the directory and begin anew"
            }
            Some(_) | None => {
                let sorted = self.sorted();
                let (work, settings) = (self.work.clone(), self.options.clone());
                let database = self.database.clone();
                let layout = self.target.layout;
                return UnitWriter::start(work, layout, sorted, unit.clone(), settings, database).map(Some);
            }
        };
        Err(RocksDbError::Stage { path: self.work.path.clone(), problem })
    }

    fn set_stage(&mut self, stage: Stage) -> Result<(), RocksDbError> {
        self.marker.stage = stage;
        self.work.set_marker(&self.marker)
    }

    fn complete(&mut self) -> Result<(), RocksDbError> {
        if self.marker.stage >= Stage::Complete {
            return Ok(());
        }
        let ingest = Ingest::prepare(&self.work, &self.target, self.plan.entries)?;
        if self.marker.stage == Stage::Writing {
            ingest.check_tables()?;
            self.set_stage(Stage::Ingesting)?;
        }
        ingest.run(&self.database, self.sorted())?;
        self.set_stage(Stage::Complete)
    }

    fn publish(mut self) -> Result<(), RocksDbError> {
        if self.marker.stage < Stage::Complete {
            let problem = "it cannot be put in its place before it is finished";
            return Err(RocksDbError::Stage { path: self.work.path, problem });
        }
        self.target.check_free()?;
        self.set_stage(Stage::Publishing)?;
        let Self { target, work, database, .. } = self;
        close(database, &work)?;
        sync_directory(&work.database())?;
        fs::rename(work.database(), &target.path)
            .map_err(RocksDbError::io("moving the restored database to", &target.path))?;
        target.sync_base()?;
        fs::remove_dir_all(&work.path).map_err(RocksDbError::io("removing", &work.path))?;
        target.sync_base()
    }

    fn discard(self) -> Result<(), RocksDbError> {
        let Self { target, work, database, .. } = self;
        close(database, &work)?;
        fs::remove_dir_all(&work.path).map_err(RocksDbError::io("removing", &work.path))?;
        target.sync_base()
    }
}

/// Makes the work directory and locks it, and waits a while for another restore to end. Whether the target is free is known
/// only with the lock: that other one may just have put it there.
fn lock_patiently(target: &Target, marker: &RestoreMarker, work: &Work) -> Result<WorkLock, RocksDbError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        target.check(marker)?;
        target.create_base()?;
        if let Some(lock) = work.lock()? {
            return match target.check(marker) {
                Ok(()) => Ok(lock),
                Err(error) => {
                    // Nothing but what this has just made is removed.
                    drop(fs::remove_dir(&work.path));
                    Err(error)
                }
            };
        }
        if Instant::now() >= deadline {
            return Err(RocksDbError::Locked {
                path: work.path.clone(),
                holder: "another restore",
                advice: "wait until that one has ended",
            });
        }
        thread::sleep(PAUSE);
    }
}

/// Opens the database, and waits a while if it is locked: threads of a restore that was dropped may still end.
fn open_patiently(work: &Work, target: &Target) -> Result<TargetDb, RocksDbError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match open(work, target) {
            Err(RocksDbError::Locked { .. }) if Instant::now() < deadline => thread::sleep(PAUSE),
            result => return result,
        }
    }
}

fn open(work: &Work, target: &Target) -> Result<TargetDb, RocksDbError> {
    let path = work.database();
    let families = match occupancy(&path.join("CURRENT"))? {
        Occupancy::Missing => vec![DEFAULT_FAMILY.to_owned()],
        _ => list_families(&path)?,
    };
    let mut options = options::target(target.layout);
    options.create_if_missing(true);
    options.set_max_background_jobs(4);
    let descriptors = families.iter().map(|family| ColumnFamilyDescriptor::new(family, options.clone()));
    TargetDb::open_cf_descriptors(&options, &path, descriptors).map_err(|source| {
        if is_locked(&source) {
            RocksDbError::Locked {
                path: path.clone(),
                holder: "another restore",
                advice: "wait until that one has ended",
            }
        } else {
            RocksDbError::engine("opening the database being restored in", &path)(source)
        }
    })
}

/// Tells whether RocksDB could not take the lock of a database.
pub(crate) fn is_locked(error: &rocksdb::Error) -> bool {
    let text = error.to_string();
    text.contains("While lock file") || text.contains("lock hold by current process")
}

/// Closes the database, once the threads of dropped writers and snapshots have let go of it.
fn close(database: Arc<TargetDb>, work: &Work) -> Result<(), RocksDbError> {
    let deadline = Instant::now() + PATIENCE;
    let mut shared = database;
    loop {
        match Arc::try_unwrap(shared) {
            Ok(database) => {
                drop(database);
                return Ok(());
            }
            Err(_) if Instant::now() >= deadline => {
                let problem = "a snapshot or writer of it is still in use; drop it first";
                return Err(RocksDbError::Stage { path: work.path.clone(), problem });
            }
            Err(still) => shared = still,
        }
        thread::sleep(PAUSE);
    }
}

#[async_trait]
impl RestoreSink for RocksDbRestore {
    async fn writer(&self, unit: &RestoreUnit) -> Result<Option<Box<dyn RestoreWriter>>, EngineError> {
        Ok(self.writer_for(unit)?.map(|writer| Box::new(writer) as Box<dyn RestoreWriter>))
    }

    async fn finish(&mut self) -> Result<(), EngineError> {
        let mut copy = self.clone();
        let done = worker::run("completing a restore", move || copy.complete().map(|()| copy.marker)).await?;
        self.marker = done;
        Ok(())
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let path = self.work.database();
        let families = worker::run("listing column families", move || list_families(&path)).await?;
        let client = ViewClient::of_handle(self.database.clone()).await?;
        let options = self.options.clone().with_layout(self.target.layout);
        let name = crate::target::name_of(&self.target.path);
        Ok(Box::new(RocksDbSnapshot::open(client, &name, families, &options).await?))
    }

    async fn publish(self: Box<Self>) -> Result<(), EngineError> {
        Ok(worker::run("putting a restored namespace in its place", move || (*self).publish()).await?)
    }

    async fn discard(self: Box<Self>) -> Result<(), EngineError> {
        Ok(worker::run("discarding a restore", move || (*self).discard()).await?)
    }
}
