//! RocksDB's own ways.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write, copy};
use std::path::Path;

use anyhow::{Context, Result};
use rocksdb::backup::{BackupEngine, BackupEngineOptions, RestoreOptions};
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    BlockBasedOptions, DB, DBCompressionType, Direction, Env, IteratorMode, Options, ReadOptions,
    SliceTransform,
};

/// The first byte of the keys of linera's index of root keys.
const INDEX: u8 = 1;

/// The options with which linera 0.15 opens a namespace, as far as they matter here.
pub(crate) fn options() -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_format_version(5);
    table.set_block_size(32 << 10);
    table.set_bloom_filter(10.0, false);
    table.set_whole_key_filtering(false);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_block_based_table_factory(&table);
    options.set_prefix_extractor(SliceTransform::create_fixed_prefix(8));
    options.set_write_buffer_size(16 << 20);
    options.set_max_write_buffer_number(6);
    options.set_max_background_jobs(2);
    options
}

pub(crate) fn open_read_only(path: &Path) -> Result<DB> {
    DB::open_for_read_only(&options(), path, false).with_context(|| format!("opening {}", path.display()))
}

/// Returns the root keys that the index has.
pub(crate) fn root_keys(db: &DB) -> Result<Vec<Vec<u8>>> {
    let mut read = ReadOptions::default();
    read.set_total_order_seek(true);
    let rows = db.iterator_opt(IteratorMode::From(&[INDEX], Direction::Forward), read);
    rows.map(|row| Ok(row.context("reading the index")?.0[1..].to_vec())).collect()
}

/// Returns the number of partitions.
pub(crate) fn partitions(db: &DB) -> Result<u64> {
    Ok(root_keys(db)?.len() as u64)
}

/// Backs up with the BackupEngine, which copies so many files at a time.
pub(crate) fn back_up(from: &Path, to: &Path, files: i32) -> Result<()> {
    // As a program that has the database open would: this is not part of what is compared.
    let db = DB::open(&options(), from).with_context(|| format!("opening {}", from.display()))?;
    let mut engine = open(to, files)?;
    engine.create_new_backup_flush(&db, true).context("backing up")
}

pub(crate) fn restore(from: &Path, to: &Path, files: i32) -> Result<()> {
    let mut engine = open(from, files)?;
    engine.restore_from_latest_backup(to, to, &RestoreOptions::default()).context("restoring")
}

fn open(backups: &Path, files: i32) -> Result<BackupEngine> {
    let mut options = BackupEngineOptions::new(backups).context("naming the backups")?;
    options.set_max_background_operations(files);
    BackupEngine::open(&options, &Env::new()?).context("opening the backups")
}

/// Makes a checkpoint, and copies its files durably.
pub(crate) fn checkpoint_and_copy(from: &Path, to: &Path) -> Result<()> {
    let db = DB::open(&options(), from).with_context(|| format!("opening {}", from.display()))?;
    let links = to.with_extension("links");
    Checkpoint::new(&db)?.create_checkpoint(&links).context("making a checkpoint")?;
    fs::create_dir(to).context("creating a directory")?;
    for entry in fs::read_dir(&links)? {
        let path = entry?.path();
        let name = path.file_name().context("a file has a name")?;
        let mut copied = BufWriter::with_capacity(1 << 20, File::create(to.join(name))?);
        copy(&mut BufReader::with_capacity(1 << 20, File::open(&path)?), &mut copied)?;
        copied.flush()?;
        copied.get_ref().sync_all()?;
    }
    File::open(to)?.sync_all()?;
    fs::remove_dir_all(&links).context("removing the checkpoint")
}
