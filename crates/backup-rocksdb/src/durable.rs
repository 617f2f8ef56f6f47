//! Small files and directories that outlive a power failure.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::RocksDbError;

/// Writes a JSON file that appears whole or not at all.
pub(crate) fn write_json(path: &Path, content: &impl Serialize) -> Result<(), RocksDbError> {
    let json = serde_json::to_vec_pretty(content)
        .map_err(|source| RocksDbError::Record { path: path.to_owned(), source })?;
    let temporary = path.with_extension("new");
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(&json)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(RocksDbError::io("writing", path))?;
    sync_directory(path.parent().unwrap_or(path))
}

/// Reads a JSON file; `None` when there is none.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RocksDbError> {
    let json = match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
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

/// Makes a file durable.
pub(crate) fn sync_file(path: &Path) -> Result<(), RocksDbError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(RocksDbError::io("syncing", path))
}

/// Tells whether a path is missing, an empty directory, or anything else.
pub(crate) fn occupancy(path: &Path) -> Result<Occupancy, RocksDbError> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(if entries.next().is_none() { Occupancy::Empty } else { Occupancy::Taken }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Occupancy::Missing),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Ok(Occupancy::Taken),
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
