//! Taking the SST files of all units into the database.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use backup_layout::Layout;
use backup_layout::rocksdb::Encoder;
use rocksdb::{IngestExternalFileOptions, WaitForCompactOptions, WriteBatch, WriteOptions};

use crate::durable::read_json;
use crate::error::RocksDbError;
use crate::handle::DEFAULT_FAMILY;
use crate::options;
use crate::range::FAMILIES_MAX;
use crate::restore::TargetDb;
use crate::target::{Target, Work};
use crate::unit::UnitRecord;

/// Files that overlap each other and are taken in at a time.
const OVERLAPPING_FILES: usize = 8;
/// Overlapping files above which a restore waits for RocksDB to merge some.
const LEVEL0_FILES: u64 = 16;
const PAUSE: Duration = Duration::from_millis(20);
/// Index rows that are written at a time.
const INDEX_ROWS: usize = 1_000;

/// The SST files of all units, by column family.
pub(crate) struct Ingest {
    work: Work,
    layout: Layout,
    records: Vec<UnitRecord>,
}

impl Ingest {
    /// Reads the records of all units, and checks that they have all entries.
    pub(crate) fn prepare(work: &Work, target: &Target, entries: u64) -> Result<Self, RocksDbError> {
        let mut records = Vec::new();
        let units = work.units();
        for entry in fs::read_dir(&units).map_err(RocksDbError::io("looking into", &units))? {
            let path = entry.map_err(RocksDbError::io("looking into", &units))?.path();
            if path.extension().is_some_and(|extension| extension == "done") {
                records.extend(read_json::<UnitRecord>(&path)?);
            }
        }
        let found = records.iter().map(|record| record.entries).fold(0, u64::saturating_add);
        if found != entries {
            return Err(RocksDbError::Incomplete { path: work.path.clone(), expected: entries, found });
        }
        records.sort_by(|left, right| left.page.cmp(&right.page));
        Ok(Self { work: work.clone(), layout: target.layout, records })
    }

    /// Checks that all files are there, in their lengths.
    pub(crate) fn check_tables(&self) -> Result<(), RocksDbError> {
        match self.records.iter().find(|record| !record.has_tables(&self.work)) {
            Some(record) => {
                let file = format!("an SST file of page {}", record.page);
                let path = self.work.path.clone();
                Err(RocksDbError::FileMissing { path, file, named_by: "the record of its unit" })
            }
            None => Ok(()),
        }
    }

    /// Takes the files in, completes the index and makes all durable.
    ///
    /// May be repeated after it was interrupted anywhere: a file that is missing was taken in, and one that is taken in
    /// twice holds the same rows.
    pub(crate) fn run(&self, database: &TargetDb, sorted: bool) -> Result<(), RocksDbError> {
        for (family, tables) in self.tables()? {
            self.create_family(database, &family)?;
            match sorted {
                true => self.take_in(database, &family, tables)?,
                false => self.take_in_overlapping(database, &family, tables)?,
            }
        }
        self.complete_index(database)?;
        database.flush().map_err(self.engine("flushing the database being restored in"))?;
        database.flush_wal(true).map_err(self.engine("syncing the log of the database being restored in"))?;
        if !sorted {
            database
                .wait_for_compact(&WaitForCompactOptions::default())
                .map_err(self.engine("compacting the database being restored in"))?;
        }
        Ok(())
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

    /// Takes files in so slowly that RocksDB can merge them: a hundred overlapping files would need memory for each of
    /// them at once, and would stop the first program that opens the database.
    fn take_in_overlapping(
        &self,
        database: &TargetDb,
        family: &str,
        tables: Vec<PathBuf>,
    ) -> Result<(), RocksDbError> {
        let number = |property: &str| database.property_int_value(property).ok().flatten().unwrap_or(0);
        for some in tables.chunks(OVERLAPPING_FILES) {
            self.take_in(database, family, some.to_vec())?;
            while number("rocksdb.num-files-at-level0") > LEVEL0_FILES {
                if number("rocksdb.background-errors") > 0 {
                    let path = self.work.path.clone();
                    let problem = "RocksDB reports an error of a compaction; see the file db/LOG there";
                    return Err(RocksDbError::Stage { path, problem });
                }
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
