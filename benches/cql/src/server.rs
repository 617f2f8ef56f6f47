//! The server that all ways are measured on.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;

use crate::process;

/// The keyspace of all tables.
pub(crate) const KEYSPACE: &str = "kvbackup_bench";

/// A server is quiet when it has taken less than this part of a core for [`QUIET_FOR`].
const QUIET_PART: f64 = 0.1;
const QUIET_FOR: Duration = Duration::from_secs(2);
const QUIET_PATIENCE: Duration = Duration::from_secs(300);

pub(crate) struct Server {
    session: Session,
    pid: u32,
    /// `HOST:PORT`.
    pub(crate) host: String,
    pub(crate) version: String,
}

impl Server {
    /// Connects, and makes the keyspace anew.
    pub(crate) async fn connect(host: &str, pid: u32) -> Result<Self> {
        process::cpu_seconds(pid)?;
        let host = if host.contains(':') { host.to_owned() } else { format!("{host}:9042") };
        let session = SessionBuilder::new().known_node(&host).build().await;
        let session = session.with_context(|| format!("connecting to {host}"))?;
        let version = session.query_unpaged("SELECT release_version FROM system.local", ()).await?;
        let version = version.into_rows_result()?.first_row::<(String,)>()?.0;
        let server = Self { session, pid, host, version };
        server.drop_all().await?;
        let replication = "{'class': 'NetworkTopologyStrategy', 'replication_factor': 1}";
        server.run(&format!("CREATE KEYSPACE {KEYSPACE} WITH replication = {replication}")).await?;
        Ok(server)
    }

    async fn run(&self, text: &str) -> Result<()> {
        self.session.query_unpaged(text, ()).await.with_context(|| text.to_owned())?;
        Ok(())
    }

    /// Names a table as kvbackup does.
    pub(crate) fn address(&self, table: &str) -> String {
        format!("scylla://{}/{KEYSPACE}/{table}", self.host)
    }

    /// Creates a table like another, for tools that do not.
    pub(crate) async fn create_like(&self, table: &str) -> Result<()> {
        // As linera creates it, as far as Cassandra knows the options; backup-scylla does the same.
        self.run(&format!(
            "CREATE TABLE {KEYSPACE}.{table} (root_key blob, k blob, v blob, PRIMARY KEY (root_key, k)) \
             WITH compaction = {{'class': 'LeveledCompactionStrategy', 'sstable_size_in_mb': '160'}} \
             AND compression = {{'class': 'LZ4Compressor', 'chunk_length_in_kb': '4'}} AND gc_grace_seconds = 0"
        ))
        .await
    }

    pub(crate) async fn drop_table(&self, table: &str) -> Result<()> {
        self.run(&format!("DROP TABLE IF EXISTS {KEYSPACE}.{table}")).await
    }

    pub(crate) async fn drop_all(&self) -> Result<()> {
        self.run(&format!("DROP KEYSPACE IF EXISTS {KEYSPACE}")).await
    }

    /// Returns the time that the server had on all cores so far.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        process::cpu_seconds(self.pid)
    }

    /// Waits until it has nothing more to do, and returns the time that it took of the cores for that.
    pub(crate) async fn settle(&self) -> Result<f64> {
        let (begun, before) = (Instant::now(), self.cpu_seconds()?);
        loop {
            let now = self.cpu_seconds()?;
            tokio::time::sleep(QUIET_FOR).await;
            let busy = (self.cpu_seconds()? - now) / QUIET_FOR.as_secs_f64();
            if busy < QUIET_PART || begun.elapsed() > QUIET_PATIENCE {
                return Ok(now - before);
            }
        }
    }
}
