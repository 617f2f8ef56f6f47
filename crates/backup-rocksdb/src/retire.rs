//! Retiring a database: RocksDB opens it no more, and its last dump can be restored for the same key.
//!
//! `CURRENT` names the manifest, and RocksDB reads it first. A database without that file it takes for a new one, and writes another
//! `CURRENT`. So it is replaced by one that names no manifest, and what it said stays in a file beside it.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use backup_format::{ContractError, EngineError, ObjectId, RetireTarget, Retirement};
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;

use crate::database::RocksDbNamespace;
use crate::durable::write_whole;
use crate::error::RocksDbError;
use crate::frozen::current_manifest;
use crate::native::check_owner;
use crate::worker;

const RETIRING: &str = "retiring";
/// What RocksDB locks while it has a database open.
const LOCK: &str = "LOCK";
const CURRENT: &str = "CURRENT";
/// How the text of `CURRENT` begins in a retired database. The id of the dump follows, and the end of the line.
const RETIRED: &str = "retired by kvbackup for dump ";

#[async_trait]
impl RetireTarget for RocksDbNamespace {
    async fn lock(&self) -> Result<Box<dyn Retirement>, EngineError> {
        let path = self.directory(RETIRING)?;
        Ok(Box::new(worker::run("locking a database", move || Locked::new(path)).await?))
    }
}

/// A database that this process has locked as RocksDB does.
struct Locked {
    path: PathBuf,
    retired_for: Option<ObjectId>,
    /// Closing any other handle of the file would unlock it.
    _lock: File,
}

impl Locked {
    fn new(path: PathBuf) -> Result<Self, RocksDbError> {
        // The file may have to be made, and what root makes a validator may not open.
        check_owner(&path)?;
        current_manifest(&path)?;
        let file = path.join(LOCK);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&file);
        let lock = opened.map_err(RocksDbError::io("opening", &file))?;
        match fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::AGAIN | Errno::ACCESS) => {
                let place = path.display().to_string();
                let found = "another program holds its lock".to_owned();
                return Err(ContractError::InUse { doing: RETIRING, place, found }.into());
            }
            Err(error) => return Err(RocksDbError::io("locking", &file)(error.into())),
        }
        let retired_for = retired_for(&path)?;
        Ok(Self { path, retired_for, _lock: lock })
    }
}

#[async_trait]
impl Retirement for Locked {
    fn retired_for(&self) -> Option<ObjectId> {
        self.retired_for
    }

    async fn retire(&self, dump: ObjectId) -> Result<(), EngineError> {
        let path = self.path.clone();
        Ok(worker::run("retiring a database", move || retire(&path, dump)).await?)
    }
}

/// Keeps what `CURRENT` says, and only then replaces it.
fn retire(path: &Path, dump: ObjectId) -> Result<(), RocksDbError> {
    let current = read_current(path)?;
    write_whole(&kept(path, dump), current.as_bytes())?;
    write_whole(&path.join(CURRENT), format!("{RETIRED}{dump}\n").as_bytes())
}

/// Returns the file that keeps what `CURRENT` said.
fn kept(path: &Path, dump: ObjectId) -> PathBuf {
    path.join(format!("{CURRENT}.retired-{dump}"))
}

fn read(path: &Path) -> Result<String, RocksDbError> {
    fs::read_to_string(path).map_err(RocksDbError::io("reading", path))
}

fn dump_of(current: &str) -> Option<ObjectId> {
    current.trim_end().strip_prefix(RETIRED)?.parse().ok()
}

/// Returns the dump that a database was retired for; `None` if it was not.
fn retired_for(path: &Path) -> Result<Option<ObjectId>, RocksDbError> {
    Ok(dump_of(&read(&path.join(CURRENT))?))
}

/// Reads `CURRENT` as it was before the database was retired.
pub(crate) fn read_current(path: &Path) -> Result<String, RocksDbError> {
    let current = read(&path.join(CURRENT))?;
    match dump_of(&current) {
        Some(dump) => read(&kept(path, dump)),
        None => Ok(current),
    }
}

/// Refuses a retired database, before it is opened for writing.
pub(crate) fn check_not_retired(path: &Path, doing: &'static str) -> Result<(), RocksDbError> {
    match retired_for(path)? {
        Some(dump) => Err(RocksDbError::Retired { doing, path: path.to_owned(), dump }),
        None => Ok(()),
    }
}
