//! The directory that a restore makes, and the work directory beside it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use backup_format::{ContractError, ObjectId, Order, Restore};
use backup_layout::Layout;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::durable::{Occupancy, occupancy, read_json, sync_with_parents, write_json};
use crate::error::RocksDbError;

const FORMAT: &str = "kvbackup-restore";
/// What stands between the names of a namespace and of a dump in the name of a work directory.
const INFIX: &str = ".restoring-";
/// Digits of the dump's id in the name of a work directory.
const ID_DIGITS: usize = 16;

/// Where a restore goes.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    base: PathBuf,
    name: String,
    pub path: PathBuf,
    pub layout: Layout,
}

/// How far a restore has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Units are written to SST files.
    Writing,
    /// SST files are moved into the database: one that is missing is in it already.
    Ingesting,
    /// The database is complete.
    Complete,
    /// The database is moved to its place.
    Publishing,
}

/// What tells which restore a work directory belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MarkerFile {
    format: String,
    version: u32,
    pub dump: ObjectId,
    layout: String,
    order: Order,
    tool: String,
    pub stage: Stage,
}

impl MarkerFile {
    pub(crate) fn new(restore: &Restore, layout: Layout) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: 1,
            dump: restore.dump,
            layout: layout.name().to_owned(),
            order: restore.order,
            tool: concat!("backup-rocksdb ", env!("CARGO_PKG_VERSION")).to_owned(),
            stage: Stage::Writing,
        }
    }

    /// Checks that a restore of the same dump was begun as `self` would begin it.
    pub(crate) fn check(&self, found: &Self, path: &Path) -> Result<(), RocksDbError> {
        let differ = |what, expected: String, found: String| {
            Err(RocksDbError::OtherPlan { path: path.to_owned(), what, expected, found })
        };
        if (&found.format, found.version) != (&self.format, self.version) {
            let name = |marker: &Self| format!("{} {}", marker.format, marker.version);
            return differ("format", name(self), name(found));
        }
        if found.layout != self.layout {
            return differ("layout", self.layout.clone(), found.layout.clone());
        }
        if found.order != self.order {
            return differ("order", format!("{}", self.order as u8), format!("{}", found.order as u8));
        }
        Ok(())
    }
}

/// Returns the last part of a path as text; the whole path if its end names nothing.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

impl Target {
    pub(crate) fn new(path: &Path, layout: Layout) -> Result<Self, RocksDbError> {
        let name = name_of(path);
        if path.to_str().is_none() {
            let problem = "its path is not UTF-8, and the driver opens no other";
            return Err(RocksDbError::NoTarget { namespace: name, problem });
        }
        match path.parent() {
            Some(base) if path.file_name().is_some() => {
                let base = if base.as_os_str().is_empty() { Path::new(".") } else { base };
                Ok(Self { base: base.to_owned(), name, path: path.to_owned(), layout })
            }
            _ => Err(RocksDbError::NoTarget {
                namespace: path.display().to_string(),
                problem: "a target is a directory of its own, like BASE/NAMESPACE",
            }),
        }
    }

    /// Returns the directory beside the target in which a restore works.
    pub(crate) fn work(&self, dump: ObjectId) -> Work {
        let id: String = dump.to_string().chars().take(ID_DIGITS).collect();
        Work { path: self.base.join(format!("{}{INFIX}{id}", self.name)) }
    }

    /// Checks that the target is free and that no other restore was begun. Changes nothing.
    pub(crate) fn check(&self, dump: ObjectId) -> Result<(), RocksDbError> {
        self.check_free(dump)?;
        let own = self.work(dump);
        for path in self.work_directories()? {
            let other = Work { path };
            match other.marker()? {
                Some(found) if other.path == own.path && found.dump == dump => {}
                Some(MarkerFile { dump: found, .. }) => {
                    return Err(ContractError::OtherRestore { place: self.place(), dump, found }.into());
                }
                None if other.path == own.path && other.is_unmarked()? => {}
                None => return Err(RocksDbError::Unmarked { path: other.path }),
            }
        }
        Ok(())
    }

    /// Checks that nothing, or an empty directory, is where the target is to be.
    pub(crate) fn check_free(&self, dump: ObjectId) -> Result<(), RocksDbError> {
        match self.is_free()? {
            true => Ok(()),
            false => {
                let found = "something is there".to_owned();
                Err(ContractError::NotEmpty { place: self.place(), dump, found }.into())
            }
        }
    }

    /// Returns true if nothing, or an empty directory, is where the target is to be. No directory can be renamed to a
    /// symbolic link, wherever it leads.
    pub(crate) fn is_free(&self) -> Result<bool, RocksDbError> {
        // With a slash at its end a path would be followed.
        if self.base.join(&self.name).is_symlink() {
            let problem = "it is a symbolic link; name the place that it leads to";
            return Err(RocksDbError::NoTarget { namespace: self.path.display().to_string(), problem });
        }
        let free = occupancy(&self.path)? != Occupancy::Taken;
        if free && is_mount_point(&self.path)? {
            let problem = "something is mounted there, and no directory can be moved to that place; name a directory in it";
            return Err(RocksDbError::NoTarget { namespace: self.path.display().to_string(), problem });
        }
        Ok(free)
    }

    /// Names the target for errors of the contract.
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    /// Makes a directory beside the target for the restore of a native backup, which is removed when it is dropped.
    pub(crate) fn scratch(&self) -> Result<TempDir, RocksDbError> {
        let prefix = format!("{}{INFIX}native-", self.name);
        let mut builder = tempfile::Builder::new();
        builder
            .prefix(&prefix)
            .tempdir_in(&self.base)
            .map_err(RocksDbError::io("making a directory in", &self.base))
    }

    fn work_directories(&self) -> Result<Vec<PathBuf>, RocksDbError> {
        if occupancy(&self.base)? == Occupancy::Missing {
            return Ok(Vec::new());
        }
        let prefix = format!("{}{INFIX}", self.name);
        let list = || {
            let mut found = Vec::new();
            for entry in fs::read_dir(&self.base)? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with(&prefix) {
                    found.push(entry.path());
                }
            }
            Ok(found)
        };
        list().map_err(RocksDbError::io("looking into", &self.base))
    }

    /// Creates the directory that holds the target.
    pub(crate) fn create_base(&self) -> Result<(), RocksDbError> {
        fs::create_dir_all(&self.base).map_err(RocksDbError::io("creating directory", &self.base))
    }

    /// Makes what was renamed or removed beside the target durable.
    pub(crate) fn sync_base(&self) -> Result<(), RocksDbError> {
        sync_with_parents(&self.base)
    }
}

/// Returns true if a file system, or a directory of one, is mounted at a path.
fn is_mount_point(path: &Path) -> Result<bool, RocksDbError> {
    let looking = RocksDbError::io("looking at", path);
    let found = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        found => found.map_err(looking)?,
    };
    let absolute = path.canonicalize().map_err(RocksDbError::io("resolving", path))?;
    let above =
        absolute.parent().map(fs::metadata).transpose().map_err(RocksDbError::io("looking at", path))?;
    // A directory of the same file system may be mounted as well.
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let is_listed =
        mounts.lines().filter_map(|line| line.split(' ').nth(4)).any(|point| Path::new(point) == absolute);
    Ok(is_listed || above.is_some_and(|above| above.dev() != found.dev()))
}

/// The lock of a work directory, which lasts until this is dropped.
#[derive(Debug)]
pub(crate) struct WorkLock(#[expect(dead_code, reason = "it is held, not used")] File);

/// The directory in which a restore works. It has `marker.json`, `db` with the database, `sst` with files that are not
/// in it yet, `units` with a record for each unit that is written.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub path: PathBuf,
}

impl Work {
    /// Reads the marker; `None` when there is none.
    pub(crate) fn marker(&self) -> Result<Option<MarkerFile>, RocksDbError> {
        read_json(&self.marker_path())
    }

    /// Writes the marker, durably.
    pub(crate) fn set_marker(&self, marker: &MarkerFile) -> Result<(), RocksDbError> {
        write_json(&self.marker_path(), marker)
    }

    /// Makes the directory, and locks it; `None` while another restore holds the lock.
    pub(crate) fn lock(&self) -> Result<Option<WorkLock>, RocksDbError> {
        let lock = || -> io::Result<Option<WorkLock>> {
            fs::create_dir_all(&self.path)?;
            let file = File::open(&self.path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => return Ok(None),
                result => result?,
            }
            // The holder before may have removed the directory meanwhile, and the lock is that of nothing.
            let (held, there) = (file.metadata()?, fs::metadata(&self.path)?);
            Ok((held.dev() == there.dev() && held.ino() == there.ino()).then_some(WorkLock(file)))
        };
        match lock() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            result => result.map_err(RocksDbError::io("locking", &self.path)),
        }
    }

    /// Removes all but the marker and the lock.
    pub(crate) fn clear(&self) -> Result<(), RocksDbError> {
        for path in [self.database(), self.tables(), self.units()] {
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(RocksDbError::io("removing", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("db")
    }

    pub(crate) fn tables(&self) -> PathBuf {
        self.path.join("sst")
    }

    pub(crate) fn units(&self) -> PathBuf {
        self.path.join("units")
    }

    /// Returns true if nothing but an unfinished marker is there: creating the directory was interrupted.
    fn is_unmarked(&self) -> Result<bool, RocksDbError> {
        let list = || {
            for entry in fs::read_dir(&self.path)? {
                if entry?.file_name() != "marker.new" {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        list().map_err(RocksDbError::io("looking into", &self.path))
    }

    fn marker_path(&self) -> PathBuf {
        self.path.join("marker.json")
    }
}
