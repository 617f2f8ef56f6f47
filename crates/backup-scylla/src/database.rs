//! A namespace as source of a backup and target of a restore.

use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{DatabaseBackup, EngineError, Restore, RestoreSink, RestoreTarget, Snapshot};
use backup_layout::Layout;

use crate::address::CqlAddress;
use crate::client::Client;
use crate::error::CqlError;
use crate::options::CqlOptions;
use crate::restore::CqlSink;
use crate::snapshot::CqlSnapshot;
use crate::table::Table;
use crate::target;

/// One table of ScyllaDB or Apache Cassandra as a namespace.
///
/// Each snapshot and each restore has a session of its own, which lives on the tokio runtime that
/// it was opened on.
#[derive(Debug)]
pub struct CqlNamespace {
    address: CqlAddress,
    options: CqlOptions,
}

impl CqlNamespace {
    /// Names a table. Does no I/O, and does not check that the table exists.
    #[must_use]
    pub fn at(address: CqlAddress, options: CqlOptions) -> Self {
        Self { address, options }
    }

    /// Returns the address.
    #[must_use]
    pub fn address(&self) -> &CqlAddress {
        &self.address
    }

    pub(crate) async fn connect(&self) -> Result<Arc<Client>, CqlError> {
        Client::connect(&self.address, &self.options).await
    }

    async fn view(&self) -> Result<CqlSnapshot, CqlError> {
        let client = self.connect().await?;
        Table::look_for_reading(&client).await?;
        CqlSnapshot::open(client, self.options.layout).await
    }

    fn target_layout(&self) -> Result<Layout, CqlError> {
        self.options.layout.ok_or_else(|| CqlError::NoLayout { address: self.address.to_string() })
    }
}

#[async_trait]
impl DatabaseBackup for CqlNamespace {
    fn name(&self) -> &str {
        self.address.table()
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        Ok(Box::new(self.view().await?))
    }
}

#[async_trait]
impl RestoreTarget for CqlNamespace {
    fn name(&self) -> &str {
        self.address.table()
    }

    async fn check(&self, restore: &Restore) -> Result<(), EngineError> {
        let layout = self.target_layout()?;
        let client = self.connect().await?;
        target::check(&client, layout, restore.dump).await?;
        Ok(())
    }

    async fn begin(&self, restore: &Restore) -> Result<Box<dyn RestoreSink>, EngineError> {
        let layout = self.target_layout()?;
        let client = self.connect().await?;
        Ok(Box::new(CqlSink::begin(client, layout, restore.dump).await?))
    }
}
