//! Following RocksDB's manifest: which files make up the database, and which logs are still needed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::edit::{Edit, NewTable};
use crate::error::RocksDbError;
use crate::records::{Next, Records};

/// What the edits of a manifest add up to.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// The SST files, by their numbers.
    pub tables: BTreeMap<u64, NewTable>,
    /// Logs with lower numbers may be deleted at any time.
    pub log_min: u64,
    /// For each column family, the first log that may hold writes which are in none of its SST files.
    pub family_logs: BTreeMap<u32, u64>,
    /// Files of each column family, which go when it is dropped.
    family_tables: BTreeMap<u32, BTreeSet<u64>>,
    /// Logs that the manifest tracks, with the length that was synced. Empty unless the writer tracks them.
    pub tracked_logs: BTreeMap<u64, u64>,
    /// The highest sequence number that was ever in an SST file.
    pub last_sequence: u64,
    /// What the last flush of each column family says: records of this log and later ones have sequence numbers above this.
    pub flushed: BTreeMap<u32, (u64, u64)>,
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
        for table in &edit.new_tables {
            self.tables.insert(table.number, *table);
            own.insert(table.number);
            self.last_sequence = self.last_sequence.max(table.last_sequence);
        }
        self.last_sequence = self.last_sequence.max(edit.last_sequence.unwrap_or(0));
        if edit.drops_family {
            for table in self.family_tables.remove(&family).into_iter().flatten() {
                self.tables.remove(&table);
            }
            self.family_logs.remove(&family);
            self.flushed.remove(&family);
        } else if let Some(log) = edit.log_number {
            // The first edit of a family sums up what was before this manifest, files that were not flushed included.
            let known = self.family_logs.entry(family).or_insert(0);
            let summary = *known == 0;
            *known = log.max(*known);
            let flushed =
                edit.new_tables.iter().filter(|table| table.level == 0).map(|table| table.last_sequence);
            if let Some(sequence) = flushed.max().filter(|_| !summary) {
                self.flushed.insert(family, (log, sequence));
            }
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

/// Reads a manifest as far as it is written, and resumes when more was written.
pub(crate) struct Manifest {
    records: Records,
    pub state: State,
}

impl Manifest {
    /// Opens a manifest and applies all edits that are written.
    pub(crate) fn read(path: &Path) -> Result<Self, RocksDbError> {
        let records = Records::of_manifest(path).map_err(RocksDbError::io("opening", path))?;
        let mut manifest = Self { records, state: State::default() };
        manifest.follow()?;
        Ok(manifest)
    }

    /// Applies the edits that follow in `path`, of which the file that was read is a copy.
    pub(crate) fn follow_in(&mut self, path: &Path) -> Result<(), RocksDbError> {
        self.records.continue_in(path).map_err(RocksDbError::io("opening", path))?;
        self.follow()
    }

    /// Returns how far it is read, in bytes.
    pub(crate) fn offset(&self) -> u64 {
        self.records.offset()
    }

    fn follow(&mut self) -> Result<(), RocksDbError> {
        while let Some(record) = self.record()? {
            let edit = Edit::decode(&record).map_err(|problem| self.malformed(problem))?;
            self.state.apply(edit);
        }
        Ok(())
    }

    /// Reads the next whole record; `None` when it is not, or not wholly, written.
    fn record(&mut self) -> Result<Option<Vec<u8>>, RocksDbError> {
        match self.records.next() {
            Ok(Next::Record(record)) => Ok(Some(record)),
            Ok(Next::End) => Ok(None),
            Ok(Next::Packed) => Err(self.malformed("expected the header of a record")),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                Err(self.malformed("expected the header of a record"))
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    fn malformed(&self, problem: &'static str) -> RocksDbError {
        let (path, offset) = (self.records.path().to_owned(), self.records.offset());
        RocksDbError::Manifest { path, offset, problem }
    }

    fn failed(&self, error: io::Error) -> RocksDbError {
        RocksDbError::io("reading", self.records.path())(error)
    }
}
