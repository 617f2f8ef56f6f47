//! What every engine must do, in each layout, by path and by handle.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use backup_format::Limits;
use backup_format::limits::VALUE_BYTES_CEILING;
use backup_layout::Layout;
use backup_rocksdb::{RocksDbNamespace, RocksDbOptions};
use backup_testkit::{
    Amendable, Capabilities, Content, Engine, Live, Namespace, Put, RootKeys, Writer, suite,
};
use rocksdb::DB;
use tempfile::TempDir;

use crate::support::{linera_options, put};

struct RocksDb {
    layout: Layout,
    /// Read the handle that wrote the content, and not its directory.
    by_handle: bool,
    base: TempDir,
    namespaces: AtomicU32,
}

impl RocksDb {
    fn new(layout: Layout, by_handle: bool) -> Self {
        Self { layout, by_handle, base: tempfile::tempdir().unwrap(), namespaces: AtomicU32::new(0) }
    }

    fn path(&self) -> PathBuf {
        self.base.path().join(format!("ns{}", self.namespaces.fetch_add(1, Ordering::Relaxed)))
    }

    fn options(&self) -> RocksDbOptions {
        let limits = Limits::default().with_value_bytes_max(VALUE_BYTES_CEILING);
        RocksDbOptions::default().with_layout(self.layout).with_limits(limits)
    }

    fn fill(&self, content: &Content) -> (PathBuf, Arc<DB>) {
        let path = self.path();
        let database = DB::open(&linera_options(), &path).unwrap();
        let entries: Vec<_> =
            content.iter().map(|(root, key, value)| (root.to_vec(), key.to_vec(), value.to_vec())).collect();
        for some in entries.chunks(10_000) {
            put(&database, self.layout, some);
        }
        (path, Arc::new(database))
    }

    fn namespace(&self, path: PathBuf, database: Arc<DB>) -> Namespace {
        match self.by_handle {
            true => Namespace::of(RocksDbNamespace::from_handle(database, "test", self.options())),
            false => Namespace::of(RocksDbNamespace::at(path, self.options())),
        }
    }
}

#[async_trait]
impl Engine for RocksDb {
    fn name(&self) -> &str {
        self.layout.name()
    }

    fn capabilities(&self) -> Capabilities {
        let root_keys = match self.layout {
            Layout::Linera015 => RootKeys::PrefixFree,
            Layout::Linera016 => RootKeys::Any,
            Layout::Plain => RootKeys::OnlyEmpty,
        };
        Capabilities { root_keys, ..Capabilities::default() }
    }

    async fn create(&self, content: &Content) -> Namespace {
        let (path, database) = self.fill(content);
        self.namespace(path, database)
    }

    async fn empty(&self) -> Namespace {
        Namespace::of(RocksDbNamespace::at(self.path(), self.options()))
    }

    async fn amendable(&self, content: &Content) -> Option<Amendable> {
        if self.layout != Layout::Linera015 || self.by_handle {
            return None;
        }
        let path = if content.is_empty() { self.path() } else { self.fill(content).0 };
        Some(Amendable::of(RocksDbNamespace::at(path, self.options()), true))
    }

    async fn live(&self, content: &Content) -> Option<Live> {
        let (path, database) = self.fill(content);
        let writer = Arc::new(Validator { database: database.clone(), layout: self.layout });
        Some(Live { database: self.namespace(path, database).source, writer })
    }
}

struct Validator {
    database: Arc<DB>,
    layout: Layout,
}

#[async_trait]
impl Writer for Validator {
    async fn write(&self, puts: &[Put]) {
        let entries: Vec<_> =
            puts.iter().map(|put| (put.root_key.clone(), put.key.clone(), put.value.clone())).collect();
        put(&self.database, self.layout, &entries);
    }
}

mod linera_0_15 {
    use super::*;
    backup_testkit::conformance!(RocksDb::new(Layout::Linera015, false));
}

#[test]
fn linera_0_16_by_handle_passes_all_checks_but_the_heavy_ones() {
    passes(RocksDb::new(Layout::Linera016, true));
}

#[test]
fn plain_passes_all_checks_but_the_heavy_ones() {
    passes(RocksDb::new(Layout::Plain, false));
}

fn passes(engine: RocksDb) {
    let failures = suite::failures(&engine, |check| !check.is_heavy());
    assert_eq!(suite::block_on(failures), []);
}
