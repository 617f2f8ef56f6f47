//! The files and the process of one node.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::jvm;
use crate::keys::PASSWORD;

/// Token ranges of a node. They are few and fixed, so that nodes need not agree on them.
const TOKENS: u64 = 4;

/// The settings of a node.
pub(crate) struct Node {
    pub(crate) address: Ipv4Addr,
    /// Its number, from 0.
    pub(crate) index: u8,
    pub(crate) nodes: u8,
    /// Address of the first node.
    pub(crate) seed: Ipv4Addr,
    /// Folder of all its files.
    pub(crate) folder: PathBuf,
    /// The key store of a node whose clients need a password and TLS.
    pub(crate) keys: Option<PathBuf>,
}

impl Node {
    /// Creates the node's folder with settings and empty storage.
    pub(crate) fn prepare(&self, jars: &Path) -> Result<()> {
        if self.folder.is_dir() {
            fs::remove_dir_all(&self.folder)
                .with_context(|| format!("could not remove {:?}", self.folder))?;
        }
        for name in ["data", "commitlog", "hints", "saved_caches", "log", "tmp"] {
            let path = self.folder.join(name);
            fs::create_dir_all(&path).with_context(|| format!("could not create {path:?}"))?;
        }
        self.write("cassandra.yaml", &self.settings())?;
        self.write("logback.xml", LOGBACK)?;
        self.write("jvm.args", &jvm::arguments(&self.folder, jars, self.nodes == 1))
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("could not write {path:?}"))
    }

    /// Returns the tokens of the node. The tokens of all nodes are evenly spaced.
    fn tokens(&self) -> String {
        let step = u64::MAX / (TOKENS * u64::from(self.nodes.max(1)));
        let token = |round: u64| {
            let place = round * u64::from(self.nodes) + u64::from(self.index);
            i64::MIN.wrapping_add_unsigned((place * step) + step / 2).to_string()
        };
        (0..TOKENS).map(token).collect::<Vec<_>>().join(",")
    }

    fn settings(&self) -> String {
        let Self { address, seed, .. } = self;
        let tokens = self.tokens();
        // A node among others may be killed, and must not lose what it acknowledged.
        let commit = match self.nodes {
            1 => "commitlog_sync: periodic\ncommitlog_sync_period: 10000ms",
            _ => "commitlog_sync: batch",
        };
        let security = self.keys.as_deref().map(security).unwrap_or_default();
        format!(
            "\
cluster_name: kvbackup
num_tokens: {TOKENS}
initial_token: \"{tokens}\"
auto_bootstrap: false
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
seed_provider: [{{class_name: org.apache.cassandra.locator.SimpleSeedProvider, parameters: [{{seeds: \"{seed}\"}}]}}]
listen_address: {address}
rpc_address: {address}
start_native_transport: true
{commit}
commitlog_segment_size: 64MiB
commitlog_total_space: 512MiB
native_transport_max_frame_size: 64MiB
native_transport_max_request_data_in_flight: 256MiB
native_transport_max_request_data_in_flight_per_ip: 256MiB
memtable_heap_space: 128MiB
memtable_offheap_space: 64MiB
hinted_handoff_enabled: false
auto_snapshot: false
concurrent_reads: 8
concurrent_writes: 8
{security}"
        )
    }
}

/// Returns the settings that require a password and TLS.
fn security(keys: &Path) -> String {
    let keys = keys.display();
    format!(
        "\
authenticator: PasswordAuthenticator
authorizer: CassandraAuthorizer
role_manager: CassandraRoleManager
client_encryption_options: {{enabled: true, optional: false, keystore: \"{keys}\", \
         keystore_password: {PASSWORD}, store_type: PKCS12}}
"
    )
}

/// Starts the node that was prepared in this folder, and returns its process id.
///
/// The node uses the storage that is there, and outlives this program.
pub(crate) fn launch(java: &Path, folder: &Path) -> Result<u32> {
    let path = log(folder);
    if path.is_file() {
        let old = path.with_extension("before.log");
        fs::rename(&path, &old).with_context(|| format!("could not move {path:?} to {old:?}"))?;
    }
    let log = File::create(&path).with_context(|| format!("could not create {path:?}"))?;
    let mut command = Command::new(java);
    command.arg(format!("@{}", folder.join("jvm.args").display()));
    command.arg("org.apache.cassandra.service.CassandraDaemon");
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).current_dir(folder);
    // A process group of its own: Ctrl-C is not meant for the node.
    let child = command.process_group(0).spawn().with_context(|| format!("could not start {java:?}"))?;
    Ok(child.id())
}

/// Returns the file that holds what the node in this folder prints.
pub(crate) fn log(folder: &Path) -> PathBuf {
    folder.join("log/output.log")
}

const LOGBACK: &str = "\
<configuration><appender name=\"OUT\" class=\"ch.qos.logback.core.ConsoleAppender\"><encoder>\
<pattern>%-5level [%thread] %date{ISO8601} %F:%L - %msg%n</pattern></encoder></appender>\
<root level=\"INFO\"><appender-ref ref=\"OUT\"/></root></configuration>
";

#[cfg(test)]
mod tests {
    use super::*;

    fn node(index: u8, nodes: u8, keys: Option<PathBuf>) -> Node {
        let (address, seed) = (Ipv4Addr::new(127, 0, 1, index + 1), Ipv4Addr::new(127, 0, 1, 1));
        Node { address, index, nodes, seed, folder: "/n".into(), keys }
    }

    #[test]
    fn tokens_of_all_nodes_are_evenly_spaced() {
        for nodes in 1..=5 {
            let mut all: Vec<i64> = Vec::new();
            for index in 0..nodes {
                let tokens = node(index, nodes, None).tokens();
                all.extend(tokens.split(',').map(|token| token.parse::<i64>().unwrap()));
            }
            all.sort_unstable();
            let gaps: Vec<u64> = all.windows(2).map(|pair| pair[1].abs_diff(pair[0])).collect();
            assert_eq!(all.len(), usize::from(nodes) * 4);
            assert!(gaps.iter().all(|gap| *gap == gaps[0] && *gap > 0), "{nodes}: {gaps:?}");
        }
    }

    #[test]
    fn settings_name_the_seed_and_require_a_password_only_if_secured() {
        let plain = node(1, 3, None).settings();
        assert!(
            plain.contains("seeds: \"127.0.1.1\"") && plain.contains("rpc_address: 127.0.1.2\n"),
            "{plain}"
        );
        assert!(!plain.contains("authenticator"), "{plain}");
        assert!(plain.contains("\ncommitlog_sync: batch\n"), "{plain}");
        let secured = node(0, 1, Some("/k/nodes.p12".into())).settings();
        assert!(secured.contains("\ncommitlog_sync: periodic\n"), "{secured}");
        assert!(secured.contains("\nauthenticator: PasswordAuthenticator\n"), "{secured}");
        assert!(secured.contains("keystore: \"/k/nodes.p12\", keystore_password: "), "{secured}");
    }
}
