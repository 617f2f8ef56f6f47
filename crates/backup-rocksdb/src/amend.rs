//! Looking entries up, and changing some in place.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{
    AmendTarget, AmendedEntry, Amendment, ContractError, EngineError, FoundValues, Lookup, Snapshot, show,
};
use backup_layout::rocksdb::{DATA, Encoder};
use backup_layout::{Layout, LayoutError};
use rocksdb::{ColumnFamilyDescriptor, DB, DBRawIterator, ReadOptions, WriteBatch, WriteOptions};

use crate::database::{RocksDbNamespace, list_families};
use crate::error::RocksDbError;
use crate::frozen::{Frozen, check_whole};
use crate::native::check_owner;
use crate::options::{self, RocksDbOptions};
use crate::retire::check_not_retired;
use crate::session::is_locked;
use crate::worker;

const LOOKING: &str = "looking entries up in";
const AMENDING: &str = "amending";
/// Bytes of the number of a segment behind a key.
const SEGMENT: [u8; 4] = [0; 4];
/// Bytes before the value in its first segment, when it has no other: the number of segments.
const ONE_SEGMENT: [u8; 4] = [0, 0, 0, 1];

#[async_trait]
impl AmendTarget for RocksDbNamespace {
    fn name(&self) -> &str {
        backup_format::DatabaseBackup::name(self)
    }

    async fn look(&self) -> Result<Box<dyn Lookup>, EngineError> {
        self.check_layout(LOOKING).await?;
        let (path, options) = (self.directory(LOOKING)?, self.options().clone());
        let open = move || Frozen::open(&path, &options);
        let frozen = worker::run("opening a database to look entries up", open).await?;
        Ok(Box::new(Open { holder: Arc::new(frozen) }))
    }

    async fn amend(&self) -> Result<Box<dyn Amendment>, EngineError> {
        let (path, options) = (self.directory(AMENDING)?, self.options().clone());
        // Before anything is opened for writing: RocksDB changes files of a database that it opens.
        self.check_layout(AMENDING).await?;
        let open = move || open(&path, &options);
        let database = worker::run("opening a database to amend it", open).await?;
        Ok(Box::new(Open { holder: Arc::new(database) }))
    }
}

impl RocksDbNamespace {
    /// Checks that the layout is the one that is amended. Opens a view of the database, and writes nothing into it.
    async fn check_layout(&self, doing: &'static str) -> Result<(), EngineError> {
        let view = self.view().await?;
        let found = view.source().layout.clone();
        if found == Layout::Linera015.name() {
            return Ok(());
        }
        let place = self.directory(doing)?.display().to_string();
        Err(ContractError::NotAmendable { doing, place, found }.into())
    }
}

/// Opens a database for writing. Nobody else may have it open.
fn open(path: &Path, given: &RocksDbOptions) -> Result<DB, RocksDbError> {
    check_owner(path)?;
    check_whole(path, given)?;
    check_not_retired(path, AMENDING)?;
    let mut options = options::target(Layout::Linera015);
    if let Some(wal_dir) = &given.wal_dir {
        options.set_wal_dir(wal_dir);
    }
    // A few rows are no reason to rewrite files.
    options.set_disable_auto_compactions(true);
    let families = list_families(path)?;
    let descriptors = families.iter().map(|family| ColumnFamilyDescriptor::new(family, options.clone()));
    DB::open_cf_descriptors(&options, path, descriptors).map_err(|source| {
        if is_locked(&source) {
            let found = "another program holds its lock".to_owned();
            let place = path.display().to_string();
            RocksDbError::Contract(ContractError::InUse { doing: AMENDING, place, found })
        } else {
            RocksDbError::engine("opening database", path)(source)
        }
    })
}

/// What holds a database open.
trait Holder: Send + Sync + 'static {
    fn database(&self) -> &DB;
}

impl Holder for DB {
    fn database(&self) -> &DB {
        self
    }
}

impl Holder for Frozen {
    fn database(&self) -> &DB {
        &self.database
    }
}

/// A database that is open for lookups; that of the namespace itself also for amendments.
struct Open<H> {
    holder: Arc<H>,
}

impl<H: Holder> Open<H> {
    async fn run<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&DB) -> Result<T, RocksDbError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let holder = self.holder.clone();
        Ok(worker::run(doing, move || work(holder.database())).await?)
    }
}

#[async_trait]
impl<H: Holder> Lookup for Open<H> {
    fn layout(&self) -> &str {
        Layout::Linera015.name()
    }

    async fn root_keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, EngineError> {
        let prefix = prefix.to_vec();
        self.run("listing root keys", move |database| root_keys(database, &prefix)).await
    }

    async fn values(&self, root_keys: &[Vec<u8>], keys: &[Vec<u8>]) -> Result<Vec<FoundValues>, EngineError> {
        let (root_keys, keys) = (root_keys.to_vec(), keys.to_vec());
        self.run("looking entries up", move |database| values(database, &root_keys, &keys)).await
    }
}

#[async_trait]
impl Amendment for Open<DB> {
    async fn write(&self, entries: Vec<AmendedEntry>) -> Result<(), EngineError> {
        self.run("amending a database", move |database| write(database, &entries)).await
    }
}

fn seekable(database: &DB) -> DBRawIterator<'_> {
    let mut options = ReadOptions::default();
    options.set_total_order_seek(true);
    options.fill_cache(false);
    database.raw_iterator_opt(options)
}

/// Finds root keys in the rows themselves, with one seek for each: a row begins with a root key of a known shape.
fn root_keys(database: &DB, prefix: &[u8]) -> Result<Vec<Vec<u8>>, RocksDbError> {
    let mut rows = seekable(database);
    let mut found = Vec::new();
    let mut from = [&[DATA], prefix].concat();
    loop {
        rows.seek(&from);
        let root_key = rows
            .key()
            .and_then(|row| row.strip_prefix(&[DATA]))
            .map(|row| Layout::Linera015.root_key_of(row).map(<[u8]>::to_vec).ok_or_else(|| row.to_vec()));
        match root_key {
            None => break,
            Some(Ok(root_key)) if !root_key.starts_with(prefix) => break,
            Some(Err(row)) if !row.starts_with(prefix) => break,
            Some(Err(row)) => {
                let row_key = show(&[&[DATA], &row[..]].concat());
                return Err(layout_error(database)(LayoutError::UnknownRootKey { row_key }));
            }
            Some(Ok(root_key)) => {
                let Some(next) = successor([&[DATA], &root_key[..]].concat()) else { break };
                from = next;
                found.push(root_key);
            }
        }
    }
    rows.status().map_err(RocksDbError::engine("reading rows of database", database.path()))?;
    Ok(found)
}

/// Returns the least key that is above all that begin with this one; `None` when there is none.
fn successor(mut key: Vec<u8>) -> Option<Vec<u8>> {
    while let Some(last) = key.pop() {
        if let Some(next) = last.checked_add(1) {
            key.push(next);
            return Some(key);
        }
    }
    None
}

fn layout_error(database: &DB) -> impl Fn(LayoutError) -> RocksDbError {
    let namespace = database.path().display().to_string();
    move |source| RocksDbError::Layout { namespace: namespace.clone(), source: Box::new(source) }
}

fn row_key(root_key: &[u8], key: &[u8]) -> Vec<u8> {
    [&[DATA], root_key, key, &SEGMENT].concat()
}

fn values(database: &DB, root_keys: &[Vec<u8>], keys: &[Vec<u8>]) -> Result<Vec<FoundValues>, RocksDbError> {
    let value = |root_key: &[u8], key: &[u8]| {
        let row = row_key(root_key, key);
        let found = database.get_pinned(&row);
        let found = found.map_err(RocksDbError::engine("looking up a row of database", database.path()))?;
        let Some(segment) = found else { return Ok(None) };
        match segment.strip_prefix(&ONE_SEGMENT) {
            Some(value) => Ok(Some(value.to_vec())),
            None => Err(layout_error(database)(LayoutError::NoSegmentCount {
                root_key: show(root_key),
                key: show(key),
                found: show(segment.get(..ONE_SEGMENT.len()).unwrap_or(&segment)),
            })),
        }
    };
    let of = |root_key: &Vec<u8>| keys.iter().map(|key| value(root_key, key)).collect();
    root_keys.iter().map(of).collect()
}

/// Checks that a partition has entries: the root key is in the index of linera then, too.
fn check_partition(database: &DB, root_key: &[u8]) -> Result<(), RocksDbError> {
    let start = [&[DATA], root_key].concat();
    let mut rows = seekable(database);
    rows.seek(&start);
    let has_rows = rows.key().is_some_and(|row| row.starts_with(&start));
    rows.status().map_err(RocksDbError::engine("reading rows of database", database.path()))?;
    if has_rows {
        return Ok(());
    }
    let (place, root_key) = (database.path().display().to_string(), show(root_key));
    Err(ContractError::NoPartition { doing: AMENDING, place, root_key }.into())
}

/// Writes all rows in one batch, which is synced.
fn write(database: &DB, entries: &[AmendedEntry]) -> Result<(), RocksDbError> {
    for partition in entries.chunk_by(|one, next| one.root_key == next.root_key) {
        partition.first().map_or(Ok(()), |entry| check_partition(database, &entry.root_key))?;
    }
    let mut batch = WriteBatch::default();
    let mut encoder = Encoder::new(Layout::Linera015);
    for AmendedEntry { root_key, key, value } in entries {
        let encoded = encoder.encode(root_key, key, value, &mut |key, value| {
            batch.put(key, value);
            Ok::<_, LayoutError>(())
        });
        encoded.map_err(layout_error(database))?;
    }
    let mut options = WriteOptions::default();
    options.set_sync(true);
    let written = database.write_opt(batch, &options);
    written.map_err(RocksDbError::engine("writing rows to database", database.path()))
}

#[cfg(test)]
mod tests {
    use super::successor;

    #[test]
    fn a_successor_is_above_all_that_begin_with_a_key() {
        assert_eq!(successor(vec![0, 7]), Some(vec![0, 8]));
        assert_eq!(successor(vec![0, 0xff, 0xff]), Some(vec![1]));
        assert_eq!(successor(vec![0xff]), None);
    }
}
