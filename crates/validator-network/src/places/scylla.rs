//! linera's databases in ScyllaDB or Apache Cassandra, each in a table of its own.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use linera_views::scylla_db::ScyllaDbDatabase;
use linera_views::store::KeyValueDatabase;

use crate::cql::{self, KEYSPACE};
use crate::places::{CACHES, Place};

/// The name of a table, which no other process has. The table is dropped with it.
#[derive(Debug)]
pub struct Scylla {
    hosts: String,
    table: String,
}

impl Scylla {
    /// Returns the table's address: `scylla://HOST[:PORT][,HOST[:PORT]..]/KEYSPACE/TABLE`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("scylla://{}/{KEYSPACE}/{}", self.hosts, self.table)
    }

    /// Returns keyspace and table, as they stand in statements.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{KEYSPACE}.{}", self.table)
    }

    /// Makes an empty table.
    ///
    /// # Errors
    ///
    /// When there is one already, or no server.
    pub fn create_table(&self) -> Result<()> {
        cql::alter(cql::create_table(&self.table))
    }
}

impl Place for Scylla {
    type Database = ScyllaDbDatabase;

    fn new() -> Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Ok(Self {
            hosts: cql::hosts()?,
            table: format!("boot_{}_{}", process_name(), COUNT.fetch_add(1, Relaxed)),
        })
    }

    async fn create(&self) -> Result<ScyllaDbDatabase> {
        self.create_table()?;
        self.open().await
    }

    async fn open(&self) -> Result<ScyllaDbDatabase> {
        let database = ScyllaDbDatabase::connect(&cql::config(CACHES)?, &self.table).await;
        database.with_context(|| format!("opening table {}", self.full_name()))
    }
}

impl Drop for Scylla {
    fn drop(&mut self) {
        if let Err(error) = cql::alter(format!("DROP TABLE IF EXISTS {}", self.full_name())) {
            eprintln!("could not drop table {}: {error:#}", self.full_name());
        }
    }
}

/// Returns what is part of the names of this process's tables: a server may know those of others that were killed.
fn process_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{:x}_{:x}", since.as_millis(), std::process::id())
    })
}
