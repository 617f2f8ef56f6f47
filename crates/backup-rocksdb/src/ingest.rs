//! Taking the SST files of all units into the database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use backup_layout::Layout;
use backup_layout::rocksdb::Encoder;
use rocksdb::{ErrorKind, IngestExternalFileOptions, WaitForCompactOptions, WriteBatch, WriteOptions};

use crate::error::RocksDbError;
use crate::handle::DEFAULT_FAMILY;
use crate::options;
use crate::range::FAMILIES_MAX;
use crate::session::TargetDb;
use crate::target::{Target, Work};
use crate::unit::UnitRecord;
use crate::worker::Caller;

/// Files that overlap each other and are taken in at a time.
const OVERLAPPING_FILES: usize = 8;
/// Overlapping files above which a restore waits for RocksDB to merge some.
const LEVEL0_FILES: u64 = 16;
const PAUSE: Duration = Duration::from_millis(20);
/// How long it is waited for a compaction before it is seen whether the restore is still wanted.
const COMPACTION_MICROS: u64 = 500_000;
const DOING: &str = "completing a restore";
/// Index rows that are written at a time.
const INDEX_ROWS: usize = 1_000;

/// The SST files of all units, by column family.
pub(crate) struct Ingest {
    work: Work,
    layout: Layout,
    records: Vec<UnitRecord>,
}

impl Ingest {
    /// Takes the records of all units, and checks that they have all entries.
    pub(crate) fn prepare(
        work: &Work,
        target: &Target,
        records: Vec<UnitRecord>,
        entries: u64,
    ) -> Result<Self, RocksDbError> {
        let found = records.iter().map(|record| record.entries).fold(0, u64::saturating_add);
        if found != entries {
            return Err(RocksDbError::Incomplete { path: work.path.clone(), expected: entries, found });
        }
        Ok(Self { work: work.clone(), layout: target.layout, records })
    }

    /// Checks that all files are there, in their lengths.
    pub(crate) fn check_tables(&self) -> Result<(), RocksDbError> {
        for record in &self.records {
            if !record.has_tables(&self.work)? {
                let file = format!("an SST file of page {}", record.page);
                let path = self.work.path.clone();
                return Err(RocksDbError::FileMissing { path, file, named_by: "the record of its unit" });
            }
        }
        Ok(())
    }

    /// Takes the files in, completes the index and makes all durable.
    ///
    /// May be repeated after it was interrupted anywhere: a file that is missing was taken in, and one that is taken in
    /// twice holds the same rows.
    pub(crate) fn run(
        &self,
        database: &TargetDb,
        sorted: bool,
        caller: &Caller<'_>,
    ) -> Result<(), RocksDbError> {
        for (family, tables) in self.tables()? {
            caller.check(DOING)?;
            self.create_family(database, &family)?;
            match sorted {
                true => self.take_in(database, &family, tables)?,
                false => self.take_in_overlapping(database, &family, tables, caller)?,
            }
        }
        self.complete_index(database)?;
        database.flush().map_err(self.engine("flushing the database being restored in"))?;
        database.flush_wal(true).map_err(self.engine("syncing the log of the database being restored in"))?;
        if sorted { Ok(()) } else { self.compact(database, caller) }
    }

    /// Waits until RocksDB has merged files that overlap each other.
    fn compact(&self, database: &TargetDb, caller: &Caller<'_>) -> Result<(), RocksDbError> {
        let mut options = WaitForCompactOptions::default();
        options.set_timeout(COMPACTION_MICROS);
        loop {
            caller.check(DOING)?;
            match database.wait_for_compact(&options) {
                Err(error) if error.kind() == ErrorKind::TimedOut => {}
                done => return done.map_err(self.engine("compacting the database being restored in")),
            }
        }
    }

    /// Returns the files that are not in the database yet.
    fn tables(&self) -> Result<BTreeMap<String, Vec<PathBuf>>, RocksDbError> {
        let mut tables: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for table in self.records.iter().flat_map(|record| &record.tables) {
            let of_family = tables.entry(table.family.clone()).or_default();
            let path = self.work.tables().join(&table.name);
            if path.exists() {
                of_family.push(path);
            }
        }
        if tables.len() > FAMILIES_MAX {
            let namespace = self.work.path.display().to_string();
            return Err(RocksDbError::TooManyFamilies { namespace, found: tables.len() });
        }
        Ok(tables)
    }

    fn create_family(&self, database: &TargetDb, family: &str) -> Result<(), RocksDbError> {
        if family == DEFAULT_FAMILY || database.cf_handle(family).is_some() {
            return Ok(());
        }
        database
            .create_cf(family, &options::target(self.layout))
            .map_err(self.engine("creating a column family of the database being restored in"))
    }

    fn take_in(&self, database: &TargetDb, family: &str, tables: Vec<PathBuf>) -> Result<(), RocksDbError> {
        if tables.is_empty() {
            return Ok(());
        }
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        let taken = match database.cf_handle(family) {
            Some(handle) => database.ingest_external_file_cf_opts(&handle, &options, tables),
            None => database.ingest_external_file_opts(&options, tables),
        };
        taken.map_err(self.engine("taking SST files into the database being restored in"))
    }

    /// Takes files in so slowly that RocksDB can merge them. A hundred overlapping files would need memory for each of
    /// them at once, and would stop the first program that opens the database.
    fn take_in_overlapping(
        &self,
        database: &TargetDb,
        family: &str,
        tables: Vec<PathBuf>,
        caller: &Caller<'_>,
    ) -> Result<(), RocksDbError> {
        let stage = |problem| RocksDbError::Stage { path: self.work.path.clone(), problem };
        let number = |property: &str| {
            let found = database
                .property_int_value(property)
                .map_err(self.engine("reading a property of the database being restored in"))?;
            found.ok_or_else(|| stage("RocksDB does not say how many files it has to merge"))
        };
        for some in tables.chunks(OVERLAPPING_FILES) {
            self.take_in(database, family, some.to_vec())?;
            while number("rocksdb.num-files-at-level0")? > LEVEL0_FILES {
                if number("rocksdb.background-errors")? > 0 {
                    return Err(stage("RocksDB reports an error of a compaction; see the file db/LOG there"));
                }
                caller.check(DOING)?;
                thread::sleep(PAUSE);
            }
        }
        Ok(())
    }

    /// Writes the index rows of the units' first root keys.
    fn complete_index(&self, database: &TargetDb) -> Result<(), RocksDbError> {
        let mut encoder = Encoder::new(self.layout);
        for records in self.records.chunks(INDEX_ROWS) {
            let mut batch = WriteBatch::default();
            for root_key in records.iter().filter_map(|record| record.first_root.as_ref()) {
                let root_key = hex::decode(root_key).map_err(|_| RocksDbError::Stage {
                    path: self.work.path.clone(),
                    problem: "the record of a unit has a root key that is not hex; remove the directory",
                })?;
                if let Some(row) = encoder.index_row(&root_key) {
                    batch.put(row, b"");
                }
            }
            database
                .write_opt(batch, &WriteOptions::default())
                .map_err(self.engine("writing index rows to the database being restored in"))?;
        }
        Ok(())
    }

    fn engine(&self, doing: &'static str) -> impl FnOnce(rocksdb::Error) -> RocksDbError {
        let path: &Path = &self.work.path;
        RocksDbError::engine(doing, path)
    }
}
