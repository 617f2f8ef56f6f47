//! Following RocksDB's manifest: which files make up the database, and which logs are still needed.
//!
//! A secondary instance falls back to an older version of the database without a word when a file is missing, and takes
//! a log that was deleted while it opened for one that is not needed. Both would lose writes, so what it opened is
//! compared with what the manifest says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::edit::Edit;
use crate::error::RocksDbError;

const BLOCK_BYTES: u64 = 32 << 10;
const HEADER_BYTES: u64 = 7;
/// Longest record that is read: far above any edit that RocksDB writes.
const RECORD_BYTES_MAX: usize = 256 << 20;

/// What the edits of a manifest add up to.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// Numbers of the SST files, with their lengths in bytes.
    pub tables: BTreeMap<u64, u64>,
    /// Logs with lower numbers may be deleted at any time.
    pub log_min: u64,
    /// For each column family, the first log that may hold writes which are in none of its SST files.
    pub family_logs: BTreeMap<u32, u64>,
    /// Files of each column family, which go when it is dropped.
    family_tables: BTreeMap<u32, BTreeSet<u64>>,
    /// Logs that the manifest tracks, with the length that was synced. Empty unless the writer tracks them.
    pub tracked_logs: BTreeMap<u64, u64>,
}

impl State {
    /// Returns the first log that is needed: 0 when that is not known.
    pub(crate) fn log_needed(&self) -> u64 {
        self.family_logs.values().copied().min().unwrap_or(0).max(self.log_min)
    }

    fn apply(&mut self, edit: Edit) {
        let family = edit.family;
        if edit.adds_family {
            self.family_logs.entry(family).or_insert(0);
        }
        let own = self.family_tables.entry(family).or_default();
        for table in &edit.deleted_tables {
            self.tables.remove(table);
            own.remove(table);
        }
        // A file that only changes its level is deleted and added by one edit.
        for (table, bytes) in &edit.new_tables {
            self.tables.insert(*table, *bytes);
            own.insert(*table);
        }
        if edit.drops_family {
            for table in self.family_tables.remove(&family).unwrap_or_default() {
                self.tables.remove(&table);
            }
            self.family_logs.remove(&family);
        } else if let Some(log) = edit.log_number {
            let known = self.family_logs.entry(family).or_insert(0);
            *known = log.max(*known);
        }
        self.log_min = self.log_min.max(edit.log_min.unwrap_or(0));
        for (log, bytes) in edit.added_logs {
            let known = self.tracked_logs.entry(log).or_insert(0);
            *known = bytes.max(*known);
        }
        if let Some(first) = edit.deleted_logs_before {
            self.tracked_logs = self.tracked_logs.split_off(&first);
        }
    }
}

/// Reads a manifest as far as it is written, and goes on when more was written.
pub(crate) struct Manifest {
    pub path: PathBuf,
    file: BufReader<File>,
    /// Offset of the next record.
    offset: u64,
    pub state: State,
}

impl Manifest {
    /// Opens a manifest before its first edit.
    pub(crate) fn open(path: &Path) -> Result<Self, RocksDbError> {
        let file = File::open(path).map_err(RocksDbError::io("opening", path))?;
        let file = BufReader::with_capacity(64 << 10, file);
        Ok(Self { path: path.to_owned(), file, offset: 0, state: State::default() })
    }

    /// Tells how far it is read.
    pub(crate) fn position(&self) -> (PathBuf, u64) {
        (self.path.clone(), self.offset)
    }

    /// Applies all edits that are written, and shows the state before the first and after each to `each`.
    pub(crate) fn follow(&mut self, mut each: impl FnMut(&State)) -> Result<(), RocksDbError> {
        each(&self.state);
        while let Some(record) = self.record()? {
            let edit = Edit::decode(&record).map_err(|problem| RocksDbError::Manifest {
                path: self.path.clone(),
                offset: self.offset,
                problem,
            })?;
            self.state.apply(edit);
            each(&self.state);
        }
        Ok(())
    }

    /// Reads the next whole record; `None` when it is not, or not wholly, written.
    fn record(&mut self) -> Result<Option<Vec<u8>>, RocksDbError> {
        let start = self.offset;
        match self.read_record() {
            Ok(record) => Ok(Some(record)),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                self.offset = start;
                self.seek(start)?;
                Ok(None)
            }
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                let problem = "expected the header of a record";
                Err(RocksDbError::Manifest { path: self.path.clone(), offset: self.offset, problem })
            }
            Err(error) => Err(RocksDbError::io("reading", &self.path)(error)),
        }
    }

    /// Joins the fragments of a record. Checksums are left to RocksDB, which reads the same file.
    fn read_record(&mut self) -> io::Result<Vec<u8>> {
        let mut record = Vec::new();
        // The first fragment is empty where its header ends a block, so the record's length does not tell.
        let mut begun = false;
        loop {
            let left = BLOCK_BYTES - self.offset % BLOCK_BYTES;
            if left < HEADER_BYTES {
                self.skip(left)?;
                continue;
            }
            let mut header = [0u8; HEADER_BYTES as usize];
            self.file.read_exact(&mut header)?;
            self.offset += HEADER_BYTES;
            let [_, _, _, _, low, high, kind] = header;
            let length = usize::from(u16::from_le_bytes([low, high]));
            // Zeros are room that was allocated before it is written.
            if kind == 0 && length == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let fits = length as u64 + HEADER_BYTES <= left && record.len() + length <= RECORD_BYTES_MAX;
            if !fits || !matches!((kind, begun), (1 | 2, false) | (3 | 4, true)) {
                return Err(ErrorKind::InvalidData.into());
            }
            begun = true;
            let filled = record.len();
            record.resize(filled + length, 0);
            self.file.read_exact(record.get_mut(filled..).unwrap_or_default())?;
            self.offset += length as u64;
            if matches!(kind, 1 | 4) {
                return Ok(record);
            }
        }
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.file.by_ref().take(bytes), &mut io::sink())?;
        self.offset += skipped;
        if skipped < bytes { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    fn seek(&mut self, offset: u64) -> Result<(), RocksDbError> {
        use io::Seek;
        let sought = self.file.seek(io::SeekFrom::Start(offset));
        sought.map(|_| ()).map_err(RocksDbError::io("reading", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(kind: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 0];
        bytes.extend_from_slice(&(length as u16).to_le_bytes());
        bytes.push(kind);
        bytes.resize(bytes.len() + length, 7);
        bytes
    }

    /// Writes records of these fragments, and returns the lengths of the records that are read.
    fn read(fragments: &[(u8, usize)]) -> Vec<usize> {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("MANIFEST-000001");
        let bytes: Vec<u8> = fragments.iter().flat_map(|(kind, length)| fragment(*kind, *length)).collect();
        std::fs::write(&path, bytes).unwrap();
        let mut manifest = Manifest::open(&path).unwrap();
        let next = || manifest.record().unwrap().map(|record| record.len());
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn a_record_may_begin_with_an_empty_fragment_at_the_end_of_a_block() {
        let block = BLOCK_BYTES as usize;
        let header = HEADER_BYTES as usize;
        assert_eq!(read(&[(1, block - 2 * header), (2, 0), (4, 50), (1, 3)]), [block - 2 * header, 50, 3]);
        assert_eq!(read(&[(1, block - 2 * header - 1), (2, 1), (4, 50)]), [block - 2 * header - 1, 51]);
    }

    #[test]
    fn a_record_that_is_not_wholly_written_is_not_there_yet() {
        assert_eq!(read(&[(1, 9), (2, BLOCK_BYTES as usize - 9 - 2 * HEADER_BYTES as usize)]), [9]);
        assert_eq!(read(&[]), [0; 0]);
    }
}
