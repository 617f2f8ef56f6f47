//! Databases, and driving the traits by hand.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use backup_format::{
    DatabaseBackup, EngineError, EntryBatch, ErrorClass, ObjectId, Order, Range, Restore, RestoreSink,
    RestoreTarget, RestoreUnit, Segment, Snapshot,
};
use backup_layout::Layout;
use backup_layout::rocksdb::Encoder;
use backup_rocksdb::{RocksDbNamespace, RocksDbOptions};
use futures::StreamExt;
use rocksdb::{DB, Options, WriteBatch};
use sha2::{Digest, Sha256};

/// Root key, key, value.
pub type Entry = (Vec<u8>, Vec<u8>, Vec<u8>);

pub fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

pub fn entry(root: &str, key: &str, value: &str) -> Entry {
    (bytes(root), bytes(key), bytes(value))
}

/// Copies the database that linera-core wrote.
pub fn fixture(to: &Path) -> PathBuf {
    let from = fixtures().join("namespace/validator_0");
    let copy = to.join("validator_0");
    copy_directory(&from, &copy);
    copy
}

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/linera-0.15.23")
}

pub fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

/// Entries as the fixture's list has them: root key, key, SHA-256 of the value, length of the value.
pub fn listing(entries: &[Entry]) -> Vec<String> {
    let line = |(root, key, value): &Entry| {
        let hash = Sha256::digest(value);
        format!("{} {} {} {}", hex::encode(root), hex::encode(key), hex::encode(hash), value.len())
    };
    entries.iter().map(line).collect()
}

/// The fixture's list, without the totals in its last line.
pub fn expected_listing() -> Vec<String> {
    let text = fs::read_to_string(fixtures().join("entries.txt")).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.pop();
    lines
}

pub fn at(path: &Path) -> RocksDbNamespace {
    RocksDbNamespace::at(path, RocksDbOptions::default())
}

pub fn with(path: &Path, layout: Layout) -> RocksDbNamespace {
    RocksDbNamespace::at(path, RocksDbOptions::default().with_layout(layout))
}

pub async fn try_read(namespace: &dyn DatabaseBackup) -> Result<Vec<Entry>, EngineError> {
    let snapshot = namespace.snapshot().await?;
    read_all(&*snapshot, 1).await
}

pub async fn read(namespace: &dyn DatabaseBackup) -> Vec<Entry> {
    try_read(namespace).await.unwrap()
}

/// Plans at most `ranges_max` ranges; there is one phase.
pub async fn ranges(snapshot: &dyn Snapshot, ranges_max: usize) -> Vec<Range> {
    let mut plan = snapshot.plan(NonZeroUsize::new(ranges_max).unwrap()).await.unwrap();
    assert_eq!(plan.phases.len(), 1);
    plan.phases.remove(0)
}

/// Reads all ranges, one after the other.
pub async fn read_all(snapshot: &dyn Snapshot, ranges_max: usize) -> Result<Vec<Entry>, EngineError> {
    let mut entries = Vec::new();
    for range in ranges(snapshot, ranges_max).await {
        entries.extend(read_range(snapshot, &range).await?);
    }
    Ok(entries)
}

pub async fn read_range(snapshot: &dyn Snapshot, range: &Range) -> Result<Vec<Entry>, EngineError> {
    let mut entries = Vec::new();
    let mut stream = snapshot.entries(range).await?;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        entries.extend(
            batch.iter().map(|(root, entry)| (root.to_vec(), entry.key.to_vec(), entry.value.to_vec())),
        );
    }
    Ok(entries)
}

/// Options like those that linera opens a namespace with.
pub fn linera_options() -> Options {
    let mut tables = rocksdb::BlockBasedOptions::default();
    tables.set_format_version(5);
    tables.set_block_size(32 << 10);
    tables.set_bloom_filter(10.0, false);
    tables.set_whole_key_filtering(false);
    tables.set_cache_index_and_filter_blocks(true);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_block_based_table_factory(&tables);
    options.set_prefix_extractor(rocksdb::SliceTransform::create_fixed_prefix(8));
    options.set_compression_type(rocksdb::DBCompressionType::Lz4);
    options
}

/// Returns options with which a database has several logs, because nothing is flushed before there are five.
pub fn options_with_many_logs() -> Options {
    let mut options = linera_options();
    options.set_max_write_buffer_number(10);
    options.set_min_write_buffer_number_to_merge(5);
    options.set_write_buffer_size(64 << 10);
    options
}

/// Writes entries and their index rows as linera of that layout does.
pub fn put(database: &DB, layout: Layout, entries: &[Entry]) {
    let mut encoder = Encoder::new(layout);
    let mut batch = WriteBatch::default();
    for (root, key, value) in entries {
        let mut emit = |key: &[u8], value: &[u8]| {
            batch.put(key, value);
            Ok::<_, std::convert::Infallible>(())
        };
        encoder.encode(root, key, value, &mut emit).unwrap();
        if let Some(row) = encoder.index_row(root) {
            batch.put(row, b"");
        }
    }
    database.write(batch).unwrap();
}

/// Entries under root keys of linera 0.15: `chains` chain states with `keys` entries each.
pub fn chains(chains: usize, keys: usize, value_bytes: usize) -> Vec<Entry> {
    let mut entries = Vec::new();
    for chain in 0..chains {
        let mut root = vec![0u8; 33];
        root[1..9].copy_from_slice(&(chain as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        root[9..17].copy_from_slice(&(chain as u64).to_be_bytes());
        for key in 0..keys {
            let mut state = (chain as u64) << 32 | key as u64;
            let mut noise = || {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                (state >> 56) as u8
            };
            let value: Vec<u8> = (0..value_bytes).map(|_| noise()).collect();
            entries.push((root.clone(), (key as u32 + 0x0100_0000).to_be_bytes().to_vec(), value));
        }
    }
    entries.sort();
    entries
}

/// Names, lengths and times of change of all files in a directory.
pub fn look(directory: &Path) -> BTreeMap<String, (u64, SystemTime)> {
    let files = fs::read_dir(directory).unwrap().map(|file| {
        let file = file.unwrap();
        let found = file.metadata().unwrap();
        (file.file_name().into_string().unwrap(), (found.len(), found.modified().unwrap()))
    });
    files.collect()
}

/// A restore of these entries. All restores with the same number are of the same dump.
pub fn restore_of(number: u8, order: Order, entries: &[Entry]) -> Restore {
    Restore { dump: ObjectId([number; 32]), order, entries: entries.len() as u64 }
}

pub fn segment(entries: &[Entry]) -> Segment {
    let mut batch = EntryBatch::default();
    for (root, key, value) in entries {
        batch.push(root, key, value);
    }
    Segment::from_batch(&batch)
}

pub fn unit(number: usize, entries: &[Entry]) -> RestoreUnit {
    let mut page = [0xee; 32];
    page[..8].copy_from_slice(&(number as u64).to_be_bytes());
    RestoreUnit { page: ObjectId(page), entries: entries.len() as u64 }
}

/// Writes one unit, in segments of some entries; returns true if it was still to be written.
pub async fn write_unit(
    sink: &dyn RestoreSink,
    number: usize,
    entries: &[Entry],
) -> Result<bool, EngineError> {
    let Some(mut writer) = sink.writer(&unit(number, entries)).await? else { return Ok(false) };
    for some in entries.chunks(7) {
        writer.write(segment(some)).await?;
    }
    writer.finish().await?;
    Ok(true)
}

/// Restores entries in units of `unit_entries`, reads them back and puts the namespace in its place.
pub async fn restore(
    target: &RocksDbNamespace,
    order: Order,
    entries: &[Entry],
    unit_entries: usize,
) -> Result<Vec<Entry>, EngineError> {
    let sink = target.begin(&restore_of(1, order, entries)).await?;
    for (number, some) in entries.chunks(unit_entries).enumerate() {
        assert!(write_unit(&*sink, number, some).await?);
    }
    let restored = sink.finish().await?;
    let snapshot = restored.snapshot().await?;
    let found = read_all(&*snapshot, 3).await?;
    drop(snapshot);
    restored.publish().await?;
    Ok(found)
}

pub fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// An error with all its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

pub fn assert_error<T>(result: Result<T, EngineError>, class: ErrorClass, words: &[&str]) {
    let Err(error) = result else { panic!("expected an error with {words:?}") };
    let text = chain(&error);
    assert_eq!(error.class(), class, "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}
