//! SST files that are written before the database takes them in.

use std::fs;
use std::path::{Path, PathBuf};

use rocksdb::{Options, SstFileWriter};
use serde::{Deserialize, Serialize};

use crate::durable::sync_file;
use crate::error::RocksDbError;

/// One SST file of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableFile {
    /// Name in the directory of SST files.
    pub name: String,
    /// Length in bytes.
    pub bytes: u64,
    /// Name of the column family that takes it in.
    pub family: String,
}

/// Writes rows, which come in ascending order within each column family, to one SST file after the other.
pub(crate) struct Tables<'o> {
    options: &'o Options,
    directory: PathBuf,
    prefix: String,
    bytes_max: usize,
    open: Option<OpenTable<'o>>,
    done: Vec<TableFile>,
}

struct OpenTable<'o> {
    writer: SstFileWriter<'o>,
    file: TableFile,
    path: PathBuf,
    bytes: usize,
}

impl<'o> Tables<'o> {
    /// Starts before the first file, whose name will be `prefix` and a number. A file ends after `bytes_max` bytes
    /// of rows.
    pub(crate) fn new(options: &'o Options, directory: &Path, prefix: String, bytes_max: usize) -> Self {
        Self { options, directory: directory.to_owned(), prefix, bytes_max, open: None, done: Vec::new() }
    }

    /// Appends a row.
    pub(crate) fn put(&mut self, family: &str, key: &[u8], value: &[u8]) -> Result<(), RocksDbError> {
        let full = |table: &OpenTable<'_>| table.bytes >= self.bytes_max || table.file.family != family;
        if self.open.as_ref().is_some_and(full) {
            self.close()?;
        }
        let mut table = match self.open.take() {
            Some(table) => table,
            None => self.begin(family)?,
        };
        table.bytes += key.len() + value.len();
        table.writer.put(key, value).map_err(RocksDbError::engine("writing a row to", &table.path))?;
        self.open = Some(table);
        Ok(())
    }

    /// Ends the file that is being written, so that the next row begins another.
    pub(crate) fn close(&mut self) -> Result<(), RocksDbError> {
        let Some(mut table) = self.open.take() else { return Ok(()) };
        table.writer.finish().map_err(RocksDbError::engine("completing", &table.path))?;
        sync_file(&table.path)?;
        let length = fs::metadata(&table.path).map_err(RocksDbError::io("looking at", &table.path))?.len();
        self.done.push(TableFile { bytes: length, ..table.file });
        Ok(())
    }

    /// Ends the last file and returns all. Their directory is still to be synced.
    pub(crate) fn finish(mut self) -> Result<Vec<TableFile>, RocksDbError> {
        self.close()?;
        Ok(self.done)
    }

    fn begin(&self, family: &str) -> Result<OpenTable<'o>, RocksDbError> {
        let name = format!("{}{:05}.sst", self.prefix, self.done.len());
        let path = self.directory.join(&name);
        let writer = SstFileWriter::create(self.options);
        writer.open(&path).map_err(RocksDbError::engine("creating", &path))?;
        let file = TableFile { name, bytes: 0, family: family.to_owned() };
        Ok(OpenTable { writer, file, path, bytes: 0 })
    }
}
