//! A namespace as source of a backup and target of a restore.

use std::sync::OnceLock;

use async_trait::async_trait;
use backup_format::{
    DatabaseBackup, EngineError, RestoreMarker, RestorePlan, RestoreSink, Snapshot, SourceInfo,
};
use backup_layout::Layout;

use crate::address::CqlAddress;
use crate::client::Client;
use crate::error::CqlError;
use crate::options::CqlOptions;
use crate::restore::CqlRestore;
use crate::snapshot::CqlSnapshot;
use crate::table::Table;
use crate::target;

/// One table of ScyllaDB or Apache Cassandra as a namespace.
///
/// Each snapshot and each restore has a session of its own, which lives on the tokio runtime that it was opened on.
#[derive(Debug)]
pub struct CqlNamespace {
    address: CqlAddress,
    options: CqlOptions,
    /// What the last session saw: layout and version of the server.
    seen_layout: OnceLock<Layout>,
    seen_version: OnceLock<String>,
}

impl CqlNamespace {
    /// Names a table. Does no I/O; whether there is one shows when it is used.
    #[must_use]
    pub fn at(address: CqlAddress, options: CqlOptions) -> Self {
        Self { address, options, seen_layout: OnceLock::new(), seen_version: OnceLock::new() }
    }

    /// Returns the address.
    #[must_use]
    pub fn address(&self) -> &CqlAddress {
        &self.address
    }

    /// Returns the layout: that of the options, or the one that the last snapshot told from the rows. `None` before.
    #[must_use]
    pub fn layout(&self) -> Option<Layout> {
        self.options.layout.or_else(|| self.seen_layout.get().copied())
    }

    async fn connect(&self) -> Result<std::sync::Arc<Client>, CqlError> {
        let client = Client::connect(&self.address, &self.options).await?;
        let _ = self.seen_version.set(client.server.version.clone());
        Ok(client)
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
    /// Describes the namespace. The engine's version is empty until a server was asked, and so is the layout if the options
    /// do not name it.
    fn source(&self) -> SourceInfo {
        SourceInfo {
            engine: "scylla".to_owned(),
            engine_version: self.seen_version.get().cloned().unwrap_or_default(),
            layout: self.layout().map(|layout| layout.name().to_owned()).unwrap_or_default(),
            namespace: self.address.table().to_owned(),
        }
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let snapshot = self.view().await?;
        let _ = self.seen_layout.set(snapshot.layout());
        Ok(Box::new(snapshot))
    }

    async fn restore(
        &self,
        marker: &RestoreMarker,
        plan: &RestorePlan,
    ) -> Result<Box<dyn RestoreSink>, EngineError> {
        let layout = self.target_layout()?;
        let client = self.connect().await?;
        Ok(Box::new(CqlRestore::begin(client, layout, marker, plan).await?))
    }

    async fn check_restorable(&self, marker: &RestoreMarker) -> Result<(), EngineError> {
        self.target_layout()?;
        let client = self.connect().await?;
        target::check(&client, marker).await?;
        Ok(())
    }
}
