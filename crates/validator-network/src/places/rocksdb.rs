//! linera's databases in RocksDB, each in a directory of its own.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use linera_views::rocks_db::{RocksDbDatabase, RocksDbStoreConfig};
use linera_views::store::KeyValueDatabase;
use tempfile::TempDir;

use crate::places::{CACHES, NAMESPACE, Place};
use crate::rocksdb;

/// How long to wait for the last handle to be closed, which linera does in the background.
const CLOSING: Duration = Duration::from_secs(30);

/// A temporary directory for a RocksDB database.
#[derive(Debug)]
pub struct RocksDb {
    base: TempDir,
}

impl RocksDb {
    /// Returns where the database is, or will be.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.base.path().join(NAMESPACE)
    }

    fn config(&self) -> RocksDbStoreConfig {
        let config = rocksdb::config(self.base.path().to_owned());
        RocksDbStoreConfig { storage_cache_config: CACHES, ..config }
    }

    async fn exists(&self) -> Result<bool> {
        RocksDbDatabase::exists(&self.config(), NAMESPACE).await.context("looking for a namespace")
    }
}

impl Place for RocksDb {
    type Database = RocksDbDatabase;

    fn new() -> Result<Self> {
        Ok(Self { base: tempfile::tempdir().context("making a temporary directory")? })
    }

    async fn create(&self) -> Result<RocksDbDatabase> {
        RocksDbDatabase::create(&self.config(), NAMESPACE).await.context("creating a RocksDB database")?;
        self.open().await
    }

    async fn open(&self) -> Result<RocksDbDatabase> {
        // Opening creates what is missing.
        ensure!(self.exists().await?, "there is no RocksDB database in {}", self.base.path().display());
        let until = Instant::now() + CLOSING;
        loop {
            match RocksDbDatabase::connect(&self.config(), NAMESPACE).await {
                Ok(database) => return Ok(database),
                // The lock is given back at the very end of closing.
                Err(error) if error.to_string().contains("lock") && Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Err(error) => bail!(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::RocksDb;
    use crate::places::Place;
    use crate::runtime;

    #[test]
    fn an_open_database_is_waited_for() -> anyhow::Result<()> {
        let place = RocksDb::new()?;
        runtime::block_on(|| async {
            let database = place.create().await?;
            let closing = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(200)).await;
                drop(database);
            });
            place.open().await?;
            closing.await?;
            Ok(())
        })
    }

    #[test]
    fn a_missing_database_is_not_made_by_opening_it() -> anyhow::Result<()> {
        let place = RocksDb::new()?;
        let opened = runtime::block_on(|| async { place.open().await.map(drop) });
        assert!(opened.is_err());
        assert_eq!(std::fs::read_dir(place.base.path())?.count(), 0);
        Ok(())
    }
}
