//! RocksDB's own BackupEngine.

use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use rocksdb::backup::{BackupEngine, BackupEngineOptions, RestoreOptions};
use rocksdb::{ColumnFamilyDescriptor, DB, Env};

use crate::database::list_families;
use crate::durable::{sync_directory, sync_file, sync_with_parents};
use crate::error::RocksDbError;
use crate::frozen::{check_whole, scratch};
use crate::handle::Open;
use crate::options::{self, RocksDbOptions};
use crate::retire::check_not_retired;
use crate::scratch::Scratch;
use crate::session::is_locked;
use crate::target::Target;
use crate::worker;
use backup_layout::Layout;

/// Files that the engine copies at a time.
const FILES_AT_A_TIME: i32 = 4;

/// One backup in a directory of RocksDB's BackupEngine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NativeBackup {
    /// Its number, which grows with each backup in the same directory.
    pub id: u32,
    /// When it was made, in seconds since 1970.
    pub timestamp: i64,
    /// Bytes of its files, those shared with other backups included.
    pub bytes: u64,
    /// Number of its files.
    pub files: u32,
}

/// Lists the backups in a directory, the oldest first.
///
/// # Errors
///
/// [`RocksDbError::NoBackup`] when the directory holds none, [`RocksDbError::Engine`] when it cannot be read.
pub async fn native_list(backups: impl Into<PathBuf>) -> Result<Vec<NativeBackup>, RocksDbError> {
    let backups = backups.into();
    worker::run("listing native backups", move || list(&open_existing(&backups)?, &backups)).await
}

/// Checks that the files of a backup are there. The driver offers no more: it compares lengths with those that the files
/// had when the directory was opened, so neither content nor a truncated file is noticed. A restore checks the
/// checksums of all files; so does a dump of the backup.
///
/// # Errors
///
/// [`RocksDbError::NoBackup`] when there is no such backup, or when it lacks a file and the engine does not list it for
/// that; [`RocksDbError::Engine`] when a file has gone since.
pub async fn native_verify(
    backups: impl Into<PathBuf>,
    id: Option<u32>,
) -> Result<NativeBackup, RocksDbError> {
    let backups = backups.into();
    worker::run("verifying a native backup", move || verify(&open_existing(&backups)?, &backups, id)).await
}

/// Restores a backup (`None`: the latest) to a directory that is missing or empty, and checks the checksums of its
/// files. It appears there whole or not at all.
///
/// # Errors
///
/// [`RocksDbError::TargetNotEmpty`] when the directory holds anything (RocksDB itself would empty it);
/// [`RocksDbError::NoBackup`], [`RocksDbError::Engine`] and [`RocksDbError::Io`].
pub async fn native_restore(
    backups: impl Into<PathBuf>,
    id: Option<u32>,
    target: impl Into<PathBuf>,
) -> Result<NativeBackup, RocksDbError> {
    let (backups, target) = (backups.into(), target.into());
    worker::run("restoring a native backup", move || restore(&backups, id, &target)).await
}

/// Backs up an open database: flushes it, then copies the files that the directory does not have yet.
pub(crate) fn backup_handle<D: Open>(database: &D, backups: &Path) -> Result<NativeBackup, RocksDbError> {
    let doing = "making a native backup in";
    check_place(database.directory(), backups)?;
    fs::create_dir_all(backups).map_err(RocksDbError::io("creating directory", backups))?;
    let mut engine = open_engine(backups)?;
    database.back_up(&mut engine).map_err(RocksDbError::engine(doing, backups))?;
    sync_with_parents(backups)?;
    list(&engine, backups)?.pop().ok_or_else(|| RocksDbError::NoBackup { path: backups.to_owned(), id: None })
}

/// Backs up the database in a directory, which nobody may have open. RocksDB opens it for writing, and writes new files
/// into it: what is missing, or not one's own, is refused before.
pub(crate) fn backup_path(
    path: &Path,
    given: &RocksDbOptions,
    backups: &Path,
) -> Result<NativeBackup, RocksDbError> {
    check_owner(path)?;
    check_place(path, backups)?;
    check_whole(path, given)?;
    check_not_retired(path, "making a native backup of")?;
    let mut options = options::target(given.layout.unwrap_or(Layout::Plain));
    if let Some(wal_dir) = &given.wal_dir {
        options.set_wal_dir(wal_dir);
    }
    let families = list_families(path)?;
    let descriptors = families.iter().map(|family| ColumnFamilyDescriptor::new(family, options.clone()));
    let database = DB::open_cf_descriptors(&options, path, descriptors).map_err(|source| {
        if is_locked(&source) {
            RocksDbError::Locked {
                path: path.to_owned(),
                holder: "another program",
                advice: "RocksDB's own backup then works only from inside of that program; use `backup` instead",
            }
        } else {
            RocksDbError::engine("opening database", path)(source)
        }
    })?;
    backup_handle(&database, backups)
}

/// Checks that the database is this user's: the files of another one, who could not open them any more, would not be.
pub(crate) fn check_owner(path: &Path) -> Result<(), RocksDbError> {
    let user = rustix::process::geteuid().as_raw();
    let files = [path.to_owned(), path.join("CURRENT")];
    let mut owners = files.iter().filter_map(|file| fs::metadata(file).ok()).map(|found| found.uid());
    match owners.find(|owner| *owner != user) {
        Some(owner) => Err(RocksDbError::OtherOwner { path: path.to_owned(), owner, user }),
        None => Ok(()),
    }
}

/// Checks that native backups may lie in a directory: not in the database, and not among other things that are known.
fn check_place(database: &Path, backups: &Path) -> Result<(), RocksDbError> {
    let refused = |problem| Err(RocksDbError::BadBackups { path: backups.to_owned(), problem });
    let (database, place) = (resolve(database)?, resolve(backups)?);
    match place.strip_prefix(&database) {
        Ok(rest) if rest.as_os_str().is_empty() => return refused("it is the database"),
        Ok(_) => return refused("it is inside the database"),
        Err(_) => {}
    }
    if place.join("config.json").exists() {
        return refused("it holds config.json, so it seems to be a repository of dumps");
    }
    if place.join("CURRENT").exists() {
        return refused("it holds CURRENT, so it seems to be a database");
    }
    Ok(())
}

/// Returns a path without links, also of a directory that is not there yet.
fn resolve(path: &Path) -> Result<PathBuf, RocksDbError> {
    let resolving = |path| RocksDbError::io("resolving", path);
    let mut resolved = PathBuf::new();
    for part in std::path::absolute(path).map_err(resolving(path))?.components() {
        resolved = match part {
            Component::ParentDir => resolved.parent().unwrap_or(&resolved).to_owned(),
            part => resolved.join(part),
        };
        match resolved.canonicalize() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => resolved = found.map_err(resolving(path))?,
        }
    }
    Ok(resolved)
}

/// Restores a backup into a scratch directory, to be read there.
pub(crate) fn unpack(
    backups: &Path,
    id: Option<u32>,
    options: &RocksDbOptions,
) -> Result<Scratch, RocksDbError> {
    let directory = scratch(options)?;
    let mut engine = open_existing(backups)?;
    let backup = verify(&engine, backups, id)?;
    let copied = copy_out(&mut engine, backup, backups, directory.path());
    // Its threads may still write into the directory, which is removed after an error.
    drop(engine);
    copied.map(|()| directory)
}

fn restore(backups: &Path, id: Option<u32>, path: &Path) -> Result<NativeBackup, RocksDbError> {
    let target = Target::new(path, Layout::Plain)?;
    if !target.is_free()? {
        return Err(RocksDbError::TargetNotEmpty { path: path.to_owned() });
    }
    let mut engine = open_existing(backups)?;
    let backup = verify(&engine, backups, id)?;
    target.create_base()?;
    let work = target.scratch()?;
    let copied = copy_out(&mut engine, backup, backups, work.path());
    // Its threads may still write into the directory, which is removed after an error.
    drop(engine);
    copied?;
    for entry in fs::read_dir(work.path()).map_err(RocksDbError::io("looking into", work.path()))? {
        sync_file(&entry.map_err(RocksDbError::io("looking into", work.path()))?.path())?;
    }
    sync_directory(work.path())?;
    fs::rename(work.path(), path).map_err(RocksDbError::io("moving the restored database to", path))?;
    target.sync_base()?;
    Ok(backup)
}

fn copy_out(
    engine: &mut BackupEngine,
    backup: NativeBackup,
    backups: &Path,
    to: &Path,
) -> Result<(), RocksDbError> {
    engine
        .restore_from_backup(to, to, &RestoreOptions::default(), backup.id)
        .map_err(RocksDbError::engine("restoring a native backup from", backups))
}

fn verify(engine: &BackupEngine, path: &Path, id: Option<u32>) -> Result<NativeBackup, RocksDbError> {
    let found = list(engine, path)?.into_iter().rev().find(|backup| id.is_none_or(|id| backup.id == id));
    let Some(backup) = found else { return Err(RocksDbError::NoBackup { path: path.to_owned(), id }) };
    engine.verify_backup(backup.id).map_err(RocksDbError::engine("verifying a native backup in", path))?;
    Ok(backup)
}

fn list(engine: &BackupEngine, path: &Path) -> Result<Vec<NativeBackup>, RocksDbError> {
    let mut backups: Vec<_> = engine
        .get_backup_info()
        .into_iter()
        .map(|info| NativeBackup {
            id: info.backup_id,
            timestamp: info.timestamp,
            bytes: info.size,
            files: info.num_files,
        })
        .collect();
    backups.sort_by_key(|backup| backup.id);
    if backups.is_empty() {
        return Err(RocksDbError::NoBackup { path: path.to_owned(), id: None });
    }
    Ok(backups)
}

/// Opens a directory of backups that exists: the engine would make one of any path.
fn open_existing(path: &Path) -> Result<BackupEngine, RocksDbError> {
    if !path.join("meta").is_dir() {
        return Err(RocksDbError::NoBackup { path: path.to_owned(), id: None });
    }
    open_engine(path)
}

fn open_engine(path: &Path) -> Result<BackupEngine, RocksDbError> {
    let doing = "opening the native backups in";
    let mut options = BackupEngineOptions::new(path).map_err(RocksDbError::engine(doing, path))?;
    options.set_max_background_operations(FILES_AT_A_TIME);
    let env = Env::new().map_err(RocksDbError::engine(doing, path))?;
    BackupEngine::open(&options, &env).map_err(RocksDbError::engine(doing, path))
}
