//! linera's databases in memory, each in a namespace of its own.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::{Context, Result};
use linera_views::memory::{MemoryDatabase, MemoryStoreConfig};
use linera_views::store::KeyValueDatabase;

use crate::places::{NAMESPACE, Place};

/// linera would remove a namespace with the first of its handles.
const CONFIG: MemoryStoreConfig = MemoryStoreConfig { max_stream_queries: 10, kill_on_drop: false };

/// The name of a namespace in this process's memory.
#[derive(Debug)]
pub struct Memory {
    name: String,
}

impl Memory {
    /// Returns the name of the namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns true if there is a database.
    ///
    /// # Errors
    ///
    /// When linera cannot tell.
    pub async fn exists(&self) -> Result<bool> {
        MemoryDatabase::exists(&CONFIG, &self.name).await.context("looking for a namespace")
    }
}

impl Place for Memory {
    type Database = MemoryDatabase;

    fn new() -> Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Ok(Self { name: format!("{NAMESPACE}_{}", COUNT.fetch_add(1, Relaxed)) })
    }

    async fn create(&self) -> Result<MemoryDatabase> {
        MemoryDatabase::create(&CONFIG, &self.name).await.context("creating a database in memory")?;
        self.open().await
    }

    async fn open(&self) -> Result<MemoryDatabase> {
        let database = MemoryDatabase::connect(&CONFIG, &self.name).await;
        database.with_context(|| format!("opening {} in memory", self.name))
    }
}
