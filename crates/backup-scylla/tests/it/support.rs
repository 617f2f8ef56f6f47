//! A real server, tables in it, and rows as linera writes them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use backup_format::{
    AmendTarget, Amendment, DatabaseBackup, EngineError, Lookup, Restore, RestoreSink, RestoreTarget,
    Snapshot,
};
use backup_layout::cql::{Encoder, SENTINEL, is_exclusive, partition_key};
use backup_layout::{Layout, LayoutError};
use backup_scylla::{CqlNamespace, CqlOptions};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::statement::batch::{Batch, BatchType};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

pub use crate::place::{KEYSPACE, REPLICAS, hosts};

/// Waits until no other test has a large table: a server with a small heap holds several pages of
/// large values at a time.
pub async fn permit_for(bytes: usize) -> Option<SemaphorePermit<'static>> {
    static LARGE: Semaphore = Semaphore::const_new(1);
    if bytes < 32 << 20 {
        return None;
    }
    Some(LARGE.acquire().await.unwrap())
}

/// A session of the tests' own.
pub struct Server {
    pub session: Session,
    dropped: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub async fn connect() -> Self {
        let hosts = hosts();
        let builder = SessionBuilder::new().known_nodes(hosts.split(','));
        let session = builder.build().await.unwrap_or_else(|error| panic!("connecting to {hosts}: {error}"));
        static KEYSPACE_MADE: OnceCell<()> = OnceCell::const_new();
        KEYSPACE_MADE.get_or_init(|| make_keyspace(&session)).await;
        Self { session, dropped: Arc::default() }
    }

    /// Returns a name that no table has.
    pub fn new_name(&self) -> String {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        format!("t{}", NUMBER.fetch_add(1, Ordering::Relaxed))
    }

    pub async fn run(&self, text: &str) {
        self.session.query_unpaged(text, ()).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    }

    /// Creates a table, as an operator would for linera.
    pub async fn create_table(&self) -> String {
        self.drop_tables().await;
        let name = self.new_name();
        self.run(&format!(
            "CREATE TABLE {KEYSPACE}.{name} (root_key blob, k blob, v blob, PRIMARY KEY (root_key, k)) \
             WITH gc_grace_seconds = 0"
        ))
        .await;
        name
    }

    /// Drops tables that are no longer used: a server cannot have very many.
    pub async fn drop_tables(&self) {
        let names = std::mem::take(&mut *self.dropped.lock().unwrap());
        for name in names {
            self.run(&format!("DROP TABLE IF EXISTS {KEYSPACE}.{name}")).await;
        }
    }

    /// Names a table, which is dropped at some time after the namespace.
    pub fn namespace(&self, name: &str, options: CqlOptions) -> Owned {
        Owned { namespace: self.borrowed(name, options), dropped: self.dropped.clone(), permit: None }
    }

    /// Names a table that stays.
    pub fn borrowed(&self, name: &str, options: CqlOptions) -> CqlNamespace {
        let address = format!("scylla://{}/{KEYSPACE}/{name}", hosts()).parse().unwrap();
        CqlNamespace::at(address, options)
    }

    /// Writes entries as the layout has them, without sentinels.
    pub async fn put<'a>(
        &self,
        table: &str,
        layout: Layout,
        entries: impl IntoIterator<Item = (&'a [u8], &'a [u8], &'a [u8])>,
    ) {
        let mut rows = Vec::new();
        let mut encoder = Encoder::new(layout);
        for (root_key, key, value) in entries {
            let mut emit = |key: &[u8], value: &[u8]| {
                rows.push((partition_key(root_key), key.to_vec(), value.to_vec()));
                Ok::<_, LayoutError>(())
            };
            encoder.encode(root_key, key, value, &mut emit).unwrap();
        }
        self.put_rows(table, &rows).await;
    }

    /// Writes rows: partition key, key, value. Neighbours of one partition go together.
    pub async fn put_rows(&self, table: &str, rows: &[(Vec<u8>, Vec<u8>, Vec<u8>)]) {
        let text = format!("INSERT INTO {KEYSPACE}.{table} (root_key, k, v) VALUES (?, ?, ?)");
        let insert = self.session.prepare(text).await.unwrap();
        let bytes = |rows: &[(Vec<u8>, Vec<u8>, Vec<u8>)]| rows.iter().map(|row| row.2.len()).sum::<usize>();
        let mut batches = Vec::new();
        for partition in rows.chunk_by(|one, next| one.0 == next.0) {
            for some in partition.chunks(500) {
                // Large values go one by one.
                let size = if bytes(some) > 1 << 20 { 1 } else { some.len() };
                batches.extend(some.chunks(size));
            }
        }
        let mut writes = Vec::new();
        for rows in batches {
            let mut batch =
                Batch::new_with_statements(BatchType::Unlogged, vec![insert.clone().into(); rows.len()]);
            // The driver repeats it when a connection is lost.
            batch.set_is_idempotent(true);
            writes.push(async move { self.session.batch(&batch, rows).await }.boxed());
        }
        // Many of these at once are more than a small server has room for.
        let at_once = if rows.iter().any(|row| row.2.len() > 1 << 20) { 1 } else { 32 };
        let writes = stream::iter(writes).buffer_unordered(at_once);
        writes.try_for_each(|_| async { Ok(()) }).await.unwrap();
    }

    /// Writes the sentinels that linera writes.
    pub async fn put_sentinels<'a>(
        &self,
        table: &str,
        layout: Layout,
        root_keys: impl IntoIterator<Item = &'a [u8]>,
    ) {
        let exclusive = root_keys.into_iter().filter(|root_key| is_exclusive(layout, root_key));
        let sentinel = |root_key| (partition_key(root_key), SENTINEL.0.to_vec(), SENTINEL.1.to_vec());
        self.put_rows(table, &exclusive.map(sentinel).collect::<Vec<_>>()).await;
    }
}

async fn make_keyspace(session: &Session) {
    for text in [
        format!("DROP KEYSPACE IF EXISTS {KEYSPACE}"),
        format!(
            "CREATE KEYSPACE {KEYSPACE} WITH replication = \
             {{'class': 'NetworkTopologyStrategy', 'replication_factor': {REPLICAS}}}"
        ),
    ] {
        session.query_unpaged(&*text, ()).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

/// A namespace whose table goes with it.
pub struct Owned {
    pub namespace: CqlNamespace,
    dropped: Arc<Mutex<Vec<String>>>,
    pub permit: Option<SemaphorePermit<'static>>,
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.dropped.lock().unwrap().push(self.namespace.address().table().to_owned());
    }
}

#[async_trait]
impl DatabaseBackup for Owned {
    fn name(&self) -> &str {
        DatabaseBackup::name(&self.namespace)
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        self.namespace.snapshot().await
    }
}

#[async_trait]
impl RestoreTarget for Owned {
    fn name(&self) -> &str {
        RestoreTarget::name(&self.namespace)
    }

    async fn check(&self, restore: &Restore) -> Result<(), EngineError> {
        self.namespace.check(restore).await
    }

    async fn begin(&self, restore: &Restore) -> Result<Box<dyn RestoreSink>, EngineError> {
        self.namespace.begin(restore).await
    }
}

#[async_trait]
impl AmendTarget for Owned {
    fn name(&self) -> &str {
        AmendTarget::name(&self.namespace)
    }

    async fn look(&self) -> Result<Box<dyn Lookup>, EngineError> {
        self.namespace.look().await
    }

    async fn amend(&self) -> Result<Box<dyn Amendment>, EngineError> {
        self.namespace.amend().await
    }
}
