//! The file in which RocksDB keeps the options that a database was opened with.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::RocksDbError;

/// The options that the last writer of a database opened it with.
pub(crate) struct OptionsFile {
    name: String,
    text: String,
}

impl OptionsFile {
    /// Reads the newest options file of a database; `None` where there is none.
    pub(crate) fn newest(path: &Path) -> Result<Option<Self>, RocksDbError> {
        let Some(name) = newest_name(path)? else { return Ok(None) };
        match fs::read_to_string(path.join(&name)) {
            // A file that vanished was replaced by a newer one, of a writer that is at work.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            read => {
                let text = read.map_err(RocksDbError::io("reading", &path.join(&name)))?;
                Ok(Some(Self { name, text }))
            }
        }
    }

    /// Returns the name of the file.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the directory of the write-ahead log, `None` for that of the database.
    pub(crate) fn wal_dir(&self) -> Option<PathBuf> {
        self.value("wal_dir").filter(|wal_dir| !wal_dir.is_empty()).map(PathBuf::from)
    }

    /// Returns true if transactions may be prepared before they are committed.
    pub(crate) fn has_two_phases(&self) -> bool {
        ["allow_2pc", "two_write_queues"].iter().any(|name| self.value(name) == Some("true"))
    }

    fn value(&self, name: &str) -> Option<&str> {
        let mut values = self.text.lines().filter_map(|line| line.trim().split_once('='));
        values.find(|(found, _)| found.trim() == name).map(|(_, value)| value.trim())
    }
}

fn newest_name(path: &Path) -> Result<Option<String>, RocksDbError> {
    let mut newest = None;
    for entry in fs::read_dir(path).map_err(RocksDbError::io("looking into", path))? {
        let name = entry.map_err(RocksDbError::io("looking into", path))?.file_name();
        let name = name.to_string_lossy();
        if let Some(number) = name.strip_prefix("OPTIONS-").and_then(|number| number.parse::<u64>().ok()) {
            newest = newest.max(Some((number, name.into_owned())));
        }
    }
    Ok(newest.map(|(_, name)| name))
}
