//! Small files and directories that outlive a power failure.

use std::fs::{self, File};
use std::io::{Error, ErrorKind, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::RocksDbError;

/// Writes a JSON file that appears whole or not at all.
pub(crate) fn write_json(path: &Path, content: &impl Serialize) -> Result<(), RocksDbError> {
    let json = serde_json::to_vec_pretty(content)
        .map_err(|source| RocksDbError::Record { path: path.to_owned(), source })?;
    write_whole(path, &json)
}

/// Writes a file that appears whole or not at all, durably.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> Result<(), RocksDbError> {
    let temporary = path.with_extension("new");
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(RocksDbError::io("writing", path))?;
    sync_directory(path.parent().expect("a file lies in a directory"))
}

/// Reads a JSON file; `None` when there is none.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RocksDbError> {
    let json = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.map_err(RocksDbError::io("reading", path))?,
    };
    serde_json::from_slice(&json)
        .map(Some)
        .map_err(|source| RocksDbError::Record { path: path.to_owned(), source })
}

/// Makes what was created, renamed or removed in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), RocksDbError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path).and_then(|file| file.sync_all()).map_err(RocksDbError::io("syncing directory", path))
}

/// Makes what was created, renamed or removed in a directory durable, and the directory itself: those above it may be as new.
pub(crate) fn sync_with_parents(path: &Path) -> Result<(), RocksDbError> {
    sync_directory(path)?;
    let path = path.canonicalize().map_err(RocksDbError::io("syncing directory", path))?;
    // What is not ours to open, or takes no changes, is not ours to have made.
    let is_foreign = |error: &Error| {
        matches!(
            error.kind(),
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::InvalidInput
        )
    };
    for above in path.ancestors().skip(1) {
        match File::open(above).and_then(|directory| directory.sync_all()) {
            Err(error) if !is_foreign(&error) => {
                return Err(RocksDbError::io("syncing directory", above)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Makes a file durable.
pub(crate) fn sync_file(path: &Path) -> Result<(), RocksDbError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(RocksDbError::io("syncing", path))
}

/// Returns whether a path is missing, an empty directory, or anything else.
pub(crate) fn occupancy(path: &Path) -> Result<Occupancy, RocksDbError> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(if entries.next().is_none() { Occupancy::Empty } else { Occupancy::Taken }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Occupancy::Missing),
        Err(error) if error.kind() == ErrorKind::NotADirectory => Ok(Occupancy::Taken),
        Err(error) => Err(RocksDbError::io("looking into", path)(error)),
    }
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occupancy {
    /// Nothing.
    Missing,
    /// A directory without entries.
    Empty,
    /// Something.
    Taken,
}
