//! The CQL server of the tests, and linera's own ScyllaDB database on it.

use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use anyhow::{Context, Result, anyhow};
use linera_views::lru_prefix_cache::StorageCacheConfig;
use linera_views::scylla_db::{ScyllaDbStoreConfig, ScyllaDbStoreInternalConfig};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use tokio::runtime::Builder;

/// The keyspace of linera's databases, which it has no other of.
pub const KEYSPACE: &str = "kv";

/// Names servers that are there already: `HOST[:PORT][,HOST[:PORT]..]`.
const VARIABLE: &str = "SCYLLA_URI";

/// Returns the servers' addresses: those of `SCYLLA_URI`, or of the server that xtask started.
///
/// # Errors
///
/// When there is no server.
pub fn hosts() -> Result<String> {
    if let Ok(hosts) = std::env::var(VARIABLE) {
        return Ok(hosts);
    }
    let program = std::env::current_exe().context("looking for the target folder")?;
    // xtask leaves the addresses in the target folder, which this program is somewhere in.
    let files = program.ancestors().map(|folder| folder.join("cql/uri")).collect::<Vec<PathBuf>>();
    let found = files.iter().find_map(|file| std::fs::read_to_string(file).ok());
    found.map(|hosts| hosts.trim().to_owned()).with_context(|| {
        format!(
            "this needs a CQL server, and there is none: run `cargo xtask cql start` before it, or `cargo xtask \
             boot-tests`, which starts one; or name a server in {VARIABLE}"
        )
    })
}

/// Opens a session of plain CQL, on the runtime that this runs on.
///
/// # Errors
///
/// When there is no server, or it cannot be reached.
pub async fn connect() -> Result<Session> {
    let hosts = hosts()?;
    let session = SessionBuilder::new().known_nodes(hosts.split(',')).build().await;
    session.with_context(|| format!("connecting to {hosts}"))
}

/// Makes the configuration for linera's own database on the server.
///
/// # Errors
///
/// When there is no server.
pub fn config(storage_cache_config: StorageCacheConfig) -> Result<ScyllaDbStoreConfig> {
    let hosts = hosts()?;
    let uri = hosts.split(',').next().unwrap_or_default().to_owned();
    let inner_config = ScyllaDbStoreInternalConfig {
        uri,
        max_concurrent_queries: None,
        max_stream_queries: 10,
        replication_factor: 1,
    };
    Ok(ScyllaDbStoreConfig { inner_config, storage_cache_config })
}

/// Returns the statement that makes a table as linera does. linera's own has options that Apache Cassandra does not know.
pub(crate) fn create_table(table: &str) -> String {
    format!(
        "CREATE TABLE {KEYSPACE}.{table} (root_key blob, k blob, v blob, PRIMARY KEY (root_key, k)) \
         WITH compaction = {{'class': 'LeveledCompactionStrategy', 'sstable_size_in_mb': '160'}} \
         AND gc_grace_seconds = 0"
    )
}

/// Changes the schema and waits until that is done, also where nobody can wait for a future: when a place is dropped.
///
/// # Errors
///
/// When there is no server, or it refuses.
pub(crate) fn alter(statement: String) -> Result<()> {
    let (answer, answered) = channel();
    schema().send((statement, answer)).map_err(|_| anyhow!("the thread of the schema has ended"))?;
    answered.recv().context("the thread of the schema has ended")?
}

type Change = (String, Sender<Result<()>>);

/// Returns where changes of the schema go: to one thread with one session for the whole process. Servers make such
/// changes one after the other.
fn schema() -> Sender<Change> {
    static SCHEMA: OnceLock<Mutex<Sender<Change>>> = OnceLock::new();
    let sender = SCHEMA.get_or_init(|| {
        let (sender, changes) = channel::<Change>();
        thread::spawn(move || {
            let mut server = None;
            for (statement, answer) in changes {
                // Nobody waits any more if this cannot be sent.
                drop(answer.send(change(&mut server, &statement)));
            }
        });
        Mutex::new(sender)
    });
    sender.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A session, and the runtime that it lives on.
type Server = (Session, tokio::runtime::Runtime);

fn change(server: &mut Option<Server>, statement: &str) -> Result<()> {
    let (session, runtime) = match server {
        Some(server) => server,
        None => server.insert(begin()?),
    };
    let changed = runtime.block_on(session.query_unpaged(statement, ()));
    changed.with_context(|| statement.to_owned())?;
    Ok(())
}

fn begin() -> Result<Server> {
    let runtime = Builder::new_current_thread().enable_all().build().context("starting a runtime")?;
    let session = runtime.block_on(connect())?;
    let keyspace = format!(
        "CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} WITH replication = \
         {{'class': 'NetworkTopologyStrategy', 'replication_factor': 1}}"
    );
    runtime.block_on(session.query_unpaged(&*keyspace, ())).context(keyspace)?;
    Ok((session, runtime))
}
