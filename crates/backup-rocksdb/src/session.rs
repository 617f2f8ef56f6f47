//! The work directory of a restore, locked, and the database in it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use backup_format::{ErrorClass, ObjectId, Restore};
use backup_layout::Layout;
use rocksdb::{ColumnFamilyDescriptor, DBWithThreadMode, MultiThreaded};

use crate::database::list_families;
use crate::durable::{Occupancy, occupancy, sync_directory};
use crate::error::RocksDbError;
use crate::handle::DEFAULT_FAMILY;
use crate::ingest::Ingest;
use crate::options::{self, RocksDbOptions};
use crate::target::{MarkerFile, Stage, Target, Work, WorkLock};
use crate::unit::UnitRecord;
use crate::worker::Caller;

/// The database of a restore under way.
pub(crate) type TargetDb = DBWithThreadMode<MultiThreaded>;

/// How long a restore waits for another one to end.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);

/// A restore that holds the lock of its work directory, and its database open.
pub(crate) struct Session {
    pub target: Target,
    pub work: Work,
    pub options: RocksDbOptions,
    pub held: Arc<Held>,
    marker: MarkerFile,
    restore: Restore,
}

/// What keeps others away from a work directory. Writers and snapshots hold it too.
pub(crate) struct Held {
    pub database: Arc<TargetDb>,
    _lock: WorkLock,
}

impl Session {
    /// Begins a restore, or resumes what an earlier try left.
    pub(crate) fn begin(
        target: Target,
        restore: Restore,
        options: RocksDbOptions,
        caller: &Caller<'_>,
    ) -> Result<Self, RocksDbError> {
        let work = target.work(restore.dump);
        let lock = lock_patiently(&target, restore.dump, &work, caller)?;
        let wanted = MarkerFile::new(&restore, target.layout);
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
            marker = wanted.clone();
        }
        let create =
            |path: &Path| fs::create_dir_all(path).map_err(RocksDbError::io("creating directory", path));
        target.sync_base()?;
        work.set_marker(&marker)?;
        let database = match open(&work, &target) {
            // Its disk failed while it was written, and the dump has all of it.
            Err(error) if error.class() == ErrorClass::Damaged => {
                work.clear()?;
                marker = wanted;
                work.set_marker(&marker)?;
                open(&work, &target)?
            }
            opened => opened?,
        };
        let database = Arc::new(database);
        create(&work.tables())?;
        create(&work.units())?;
        sync_directory(&work.path)?;
        let held = Arc::new(Held { database, _lock: lock });
        Ok(Self { target, work, options, held, marker, restore })
    }

    /// Returns true if rows come in the order of their keys.
    pub(crate) fn sorted(&self) -> bool {
        self.target.layout == Layout::Plain || self.restore.order == self.target.layout.rocksdb_order()
    }

    /// Returns true if no unit can be written any more.
    pub(crate) fn is_past_writing(&self) -> bool {
        self.marker.stage > Stage::Writing
    }

    /// Takes all units into the database.
    pub(crate) fn complete(
        &mut self,
        records: Vec<UnitRecord>,
        caller: &Caller<'_>,
    ) -> Result<(), RocksDbError> {
        if self.marker.stage >= Stage::Complete {
            return Ok(());
        }
        let ingest = Ingest::prepare(&self.work, &self.target, records, self.restore.entries)?;
        if self.marker.stage == Stage::Writing {
            ingest.check_tables()?;
            self.set_stage(Stage::Ingesting)?;
        }
        ingest.run(&self.held.database, self.sorted(), caller)?;
        self.set_stage(Stage::Complete)
    }

    /// Moves the database to its place.
    pub(crate) fn publish(mut self) -> Result<(), RocksDbError> {
        self.target.check_free(self.restore.dump)?;
        self.set_stage(Stage::Publishing)?;
        let Self { target, work, held, .. } = self;
        let _lock = close(held, &work)?;
        sync_directory(&work.database())?;
        fs::rename(work.database(), &target.path)
            .map_err(RocksDbError::io("moving the restored database to", &target.path))?;
        target.sync_base()?;
        fs::remove_dir_all(&work.path).map_err(RocksDbError::io("removing", &work.path))?;
        target.sync_base()
    }

    /// Removes the work directory.
    pub(crate) fn discard(self) -> Result<(), RocksDbError> {
        let Self { target, work, held, .. } = self;
        let _lock = close(held, &work)?;
        fs::remove_dir_all(&work.path).map_err(RocksDbError::io("removing", &work.path))?;
        target.sync_base()
    }

    fn set_stage(&mut self, stage: Stage) -> Result<(), RocksDbError> {
        self.marker.stage = stage;
        self.work.set_marker(&self.marker)
    }
}

/// Makes the work directory and locks it, and waits a while for another restore to end.
///
/// Whether the target is free is known only with the lock: that other one may just have put it there.
fn lock_patiently(
    target: &Target,
    dump: ObjectId,
    work: &Work,
    caller: &Caller<'_>,
) -> Result<WorkLock, RocksDbError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        target.check(dump)?;
        target.create_base()?;
        if let Some(lock) = work.lock()? {
            return match target.check(dump) {
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
        caller.check("beginning a restore")?;
        thread::sleep(PAUSE);
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

/// Returns true if RocksDB could not take the lock of a database.
pub(crate) fn is_locked(error: &rocksdb::Error) -> bool {
    let text = error.to_string();
    text.contains("While lock file") || text.contains("lock hold by current process")
}

/// Closes the database and keeps the lock. No writer and no snapshot may be left.
fn close(held: Arc<Held>, work: &Work) -> Result<WorkLock, RocksDbError> {
    let in_use = || RocksDbError::Stage {
        path: work.path.clone(),
        problem: "a snapshot or writer of it is still in use; drop it first",
    };
    let Held { database, _lock: lock } = Arc::into_inner(held).ok_or_else(in_use)?;
    drop(Arc::into_inner(database).ok_or_else(in_use)?);
    Ok(lock)
}
