//! A real CQL server, and the keyspace that these tests make anew in it.

use std::path::Path;

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::deserialize::row::DeserializeRow;
use scylla::serialize::row::SerializeRow;
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

/// Names another keyspace than `kvbackup_cli`, for two runs at a time on one server.
const VARIABLE: &str = "KVBACKUP_TEST_KEYSPACE";

/// Returns the servers' addresses: those of `SCYLLA_URI`, or of the server that xtask started.
pub fn hosts() -> String {
    if let Ok(uri) = std::env::var("SCYLLA_URI") {
        return uri;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    match std::fs::read_to_string(target.join("cql/uri")) {
        Ok(uri) => uri.trim().to_owned(),
        Err(_) => panic!(
            "these tests need a CQL server, and there is none: run `cargo xtask cql start` before them, or \
             `cargo xtask test -p backup-cli`, which starts one; or name a server in SCYLLA_URI"
        ),
    }
}

/// Returns the keyspace.
pub fn keyspace() -> String {
    std::env::var(VARIABLE).unwrap_or_else(|_| "kvbackup_cli".to_owned())
}

/// Returns the locator of a table.
pub fn table(name: &str) -> String {
    format!("scylla://{}/{}/{name}", hosts(), keyspace())
}

/// A session of the tests' own.
pub struct Server {
    runtime: Runtime,
    session: Session,
}

impl Server {
    /// Connects. The first one in a process removes what an earlier run left.
    pub fn connect() -> Self {
        static EMPTIED: OnceCell<()> = OnceCell::const_new();
        let hosts = hosts();
        let runtime = Runtime::new().unwrap();
        let session = runtime.block_on(async {
            let builder = SessionBuilder::new().known_nodes(hosts.split(','));
            let session =
                builder.build().await.unwrap_or_else(|error| panic!("connecting to {hosts}: {error}"));
            EMPTIED.get_or_init(|| empty(&session)).await;
            session
        });
        Self { runtime, session }
    }

    /// Runs a statement and returns its rows.
    pub fn rows<R>(&self, text: &str, values: impl SerializeRow) -> Vec<R>
    where
        R: for<'frame> DeserializeRow<'frame, 'frame>,
    {
        let result = self.runtime.block_on(self.session.query_unpaged(text, values)).unwrap();
        result.into_rows_result().unwrap().rows::<R>().unwrap().map(Result::unwrap).collect()
    }

    /// Counts the rows of a table up to some number; there are none while the server does not know the table.
    pub fn rows_up_to(&self, limit: u32, table: &str) -> usize {
        let text = format!("SELECT root_key FROM {}.{table} LIMIT {limit}", keyspace());
        let result = self.runtime.block_on(self.session.query_unpaged(text, ()));
        result.map_or(0, |result| result.into_rows_result().unwrap().rows_num())
    }

    /// Runs a statement without rows.
    pub fn run(&self, text: &str) {
        let result = self.runtime.block_on(self.session.query_unpaged(text, ()));
        result.unwrap_or_else(|error| panic!("{text}: {error}"));
    }

    /// Returns true if a table is there.
    pub fn has_table(&self, name: &str) -> bool {
        let text = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
        let rows: Vec<(String,)> = self.rows(text, (keyspace(),));
        rows.iter().any(|(found,)| found == name)
    }
}

async fn empty(session: &Session) {
    let text = format!("DROP KEYSPACE IF EXISTS {}", keyspace());
    session.query_unpaged(&*text, ()).await.unwrap_or_else(|error| panic!("{text}: {error}"));
}
