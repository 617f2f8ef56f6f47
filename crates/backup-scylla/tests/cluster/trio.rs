//! Three nodes, which are killed and started again.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use backup_scylla::{CqlAddress, CqlNamespace, CqlOptions};
use scylla::client::execution_profile::ExecutionProfile;
use scylla::statement::{Consistency, Statement};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};

use crate::place::{KEYSPACE, hosts};
use crate::support::Server;

/// Rounds of a question to all replicas that must succeed one after the other: each may be asked of
/// another node.
const GOOD_ANSWERS: u32 = 30;
const QUESTIONS_MAX: u32 = 600;

/// Nodes that are not known to run.
static DOWN: Mutex<BTreeSet<u8>> = Mutex::new(BTreeSet::new());

/// The three nodes, for one test at a time.
pub struct Trio {
    pub server: Server,
    _turn: MutexGuard<'static, ()>,
}

impl Trio {
    /// Waits for its turn, and until all nodes are there.
    pub async fn whole() -> Self {
        static TURN: AsyncMutex<()> = AsyncMutex::const_new(());
        let turn = TURN.lock().await;
        if DOWN.lock().unwrap().is_empty() {
            // An earlier run may have left some of them dead.
            DOWN.lock().unwrap().extend([1, 2, 3]);
        }
        hosts();
        revive().await;
        let server = Server::connect().await;
        wait_until_whole(&server).await;
        Self { server, _turn: turn }
    }

    /// Starts again what was killed, and waits until all nodes know that all are there.
    pub async fn mend(&self) {
        revive().await;
        wait_until_whole(&self.server).await;
    }

    /// Names a table as one sees it who knows only these nodes to begin with.
    pub fn namespace(&self, table: &str, options: CqlOptions) -> CqlNamespace {
        CqlNamespace::at(address(table), options)
    }
}

fn address(table: &str) -> CqlAddress {
    format!("scylla://{}/{KEYSPACE}/{table}", hosts()).parse().unwrap()
}

/// Kills nodes, by their numbers from 1.
pub async fn kill(nodes: &'static [u8]) {
    for node in nodes {
        DOWN.lock().unwrap().insert(*node);
        xtask(["kill", &node.to_string(), "--name", "trio"].map(str::to_owned)).await;
    }
}

async fn revive() {
    let down = DOWN.lock().unwrap().clone();
    for node in down {
        xtask(["revive", &node.to_string(), "--name", "trio"].map(str::to_owned)).await;
        DOWN.lock().unwrap().remove(&node);
    }
}

async fn xtask(arguments: [String; 4]) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["xtask", "cql"]).args(&arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo xtask cql {arguments:?}: {text}");
}

/// Asks all replicas again and again: a node that was away is believed to be so for some seconds.
async fn wait_until_whole(server: &Server) {
    let table = server.create_table().await;
    let profile = ExecutionProfile::builder().consistency(Consistency::All).build().into_handle();
    let mut question = Statement::new(format!("SELECT * FROM {KEYSPACE}.{table} WHERE root_key = 0x00"));
    question.set_execution_profile_handle(Some(profile));
    let (mut good, mut last) = (0, None);
    for _ in 0..QUESTIONS_MAX {
        match server.session.query_unpaged(question.clone(), ()).await {
            Ok(_) => good += 1,
            Err(error) => {
                (good, last) = (0, Some(error));
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        if good == GOOD_ANSWERS {
            return;
        }
    }
    panic!("the three nodes do not find together again: {last:?}");
}
