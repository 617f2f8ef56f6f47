//! The write-ahead logs of a database: where they lie, and whether they continue what its SST files hold.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::RocksDbError;
use crate::manifest::State;
use crate::options::RocksDbOptions;
use crate::options_file::OptionsFile;
use crate::records::{Next, Records};

/// Bytes at the start of a batch of writes: its sequence number and its count.
const BATCH_HEAD_BYTES: usize = 12;

/// Logs in one directory.
pub(crate) struct Logs {
    pub directory: PathBuf,
    /// Lengths in bytes, by number.
    pub bytes: BTreeMap<u64, u64>,
}

impl Logs {
    /// Lists the logs in a directory.
    pub(crate) fn list(directory: &Path) -> Result<Self, RocksDbError> {
        let mut bytes = BTreeMap::new();
        for entry in fs::read_dir(directory).map_err(RocksDbError::io("looking into", directory))? {
            let entry = entry.map_err(RocksDbError::io("looking into", directory))?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".log")?.parse::<u64>().ok());
            let Some(number) = number else { continue };
            match entry.metadata() {
                Ok(found) => drop(bytes.insert(number, found.len())),
                // A log that vanishes meanwhile is not needed any more.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(RocksDbError::io("looking at", &entry.path())(error)),
            }
        }
        Ok(Self { directory: directory.to_owned(), bytes })
    }

    /// Lists the logs of a database where they are: in the directory that is given, or where its options say.
    ///
    /// A checkpoint brings its logs with it, and the options of the database that it was made of. So logs in the directory of the
    /// database come before what the options say. Where another directory is given as well, it is not known which are right.
    pub(crate) fn find(path: &Path, state: &State, options: &RocksDbOptions) -> Result<Self, RocksDbError> {
        let own = Self::list(path)?;
        let has_own = own.bytes.range(state.log_needed()..).any(|(_, bytes)| *bytes > 0);
        if options.allow_missing_log {
            return options.wal_dir.as_deref().map_or(Ok(own), Self::list);
        }
        match &options.wal_dir {
            Some(given) if has_own && !same_directory(given, path) => {
                Err(RocksDbError::LogsTwice { path: path.to_owned(), wal_dir: given.clone() })
            }
            Some(given) => Self::list(given),
            None if has_own => Ok(own),
            None => match OptionsFile::newest(path)? {
                Some(file) => match file.wal_dir().filter(|wal_dir| !same_directory(wal_dir, path)) {
                    Some(wal_dir) => Err(RocksDbError::LogElsewhere {
                        path: path.to_owned(),
                        wal_dir,
                        options_file: file.name().to_owned(),
                    }),
                    None => Ok(own),
                },
                None => Ok(own),
            },
        }
    }

    /// Checks that there is a log that may hold what the SST files do not, and all logs that the manifest tracks.
    ///
    /// A program that opens a database to write begins a log at or above the number in the manifest. So a directory
    /// without any such log is not all of a database.
    pub(crate) fn check_there(&self, path: &Path, state: &State) -> Result<(), RocksDbError> {
        let missing = |number| Err(RocksDbError::LogMissing { path: path.to_owned(), number });
        let needed = state.log_needed();
        let short = |(number, bytes): &(&u64, &u64)| self.bytes.get(number).is_none_or(|found| found < bytes);
        match state.tracked_logs.iter().find(short) {
            Some((number, _)) => missing(*number),
            None if self.bytes.range(needed..).next().is_none() => missing(needed),
            None => Ok(()),
        }
    }

    /// Checks that the logs continue what the SST files hold, and each other: no sequence number is left out, and none
    /// comes that was flushed before its log began.
    ///
    /// Transactions of two phases take sequence numbers in another order than that of their records: with them nothing is checked.
    ///
    /// # Errors
    ///
    /// [`RocksDbError::LogGap`] and [`RocksDbError::LogForeign`], which name the logs by `directory`, where they came from.
    pub(crate) fn check_continuous(
        &self,
        path: &Path,
        directory: &Path,
        state: &State,
    ) -> Result<(), RocksDbError> {
        if OptionsFile::newest(path)?.is_some_and(|file| file.has_two_phases()) {
            return Ok(());
        }
        let mut last = state.last_sequence;
        for number in self.bytes.range(state.log_needed()..).map(|(number, _)| *number) {
            let before = state.flushed.values().filter(|(log, _)| *log <= number);
            let floor = before.map(|(_, sequence)| *sequence).max().unwrap_or(0);
            let log = directory.join(name_of(number));
            for batch in Batches::open(&self.directory.join(name_of(number)), number)? {
                let Batch { sequence, count } = batch?;
                if sequence > last.saturating_add(1) {
                    return Err(RocksDbError::LogGap { path: path.to_owned(), log, last, found: sequence });
                }
                if sequence <= floor {
                    return Err(RocksDbError::LogForeign {
                        path: path.to_owned(),
                        log,
                        flushed: floor,
                        found: sequence,
                    });
                }
                // A batch without rows takes a number in databases that count batches.
                last = last.max(sequence.saturating_add(count.saturating_sub(1)));
            }
        }
        Ok(())
    }
}

/// Returns the file name of a log.
pub(crate) fn name_of(number: u64) -> String {
    format!("{number:06}.log")
}

/// Head of a batch of writes.
struct Batch {
    sequence: u64,
    count: u64,
}

/// The batches of a log, as far as they are written. It ends where something else follows: that is RocksDB's to judge.
struct Batches {
    records: Records,
}

impl Batches {
    fn open(path: &Path, number: u64) -> Result<Self, RocksDbError> {
        let records = Records::of_log(path, number, BATCH_HEAD_BYTES);
        Ok(Self { records: records.map_err(RocksDbError::io("opening", path))? })
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, RocksDbError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.records.next() {
            Ok(Next::Record(record)) => {
                let (sequence, count) = record.split_first_chunk::<8>()?;
                let count = u32::from_le_bytes(*count.first_chunk()?);
                Some(Ok(Batch { sequence: u64::from_le_bytes(*sequence), count: count.into() }))
            }
            Ok(Next::Packed | Next::End) => None,
            Err(error) if error.kind() == ErrorKind::InvalidData => None,
            Err(error) => Some(Err(RocksDbError::io("reading", self.records.path())(error))),
        }
    }
}

fn same_directory(left: &Path, right: &Path) -> bool {
    matches!((left.canonicalize(), right.canonicalize()), (Ok(left), Ok(right)) if left == right)
}
