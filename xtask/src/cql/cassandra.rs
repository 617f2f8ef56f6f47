//! One node of Apache Cassandra: its files and its process.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::keys::PASSWORD;

/// Token ranges of a node. Few, and given beforehand, so that nodes need not agree on them.
const TOKENS: u64 = 4;

/// What a node is to be.
pub(super) struct Node {
    pub(super) address: Ipv4Addr,
    /// Its number among all, from 0.
    pub(super) index: u8,
    pub(super) nodes: u8,
    /// Address of the first node.
    pub(super) seed: Ipv4Addr,
    /// Where all its files are.
    pub(super) folder: PathBuf,
    /// The key store of a node whose clients need a password and TLS.
    pub(super) keys: Option<PathBuf>,
}

impl Node {
    /// Makes the node's folder: settings, and empty storage.
    pub(super) fn prepare(&self, jars: &Path) -> Result<()> {
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
        let special = if self.nodes == 1 { ALONE } else { AMONG_OTHERS };
        self.write("jvm.args", &jvm_arguments(&self.folder, jars, special))
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("could not write {path:?}"))
    }

    /// Returns the tokens of the node: all nodes' tokens are equally far from each other.
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
        // Among others a node may be killed, and must not lose what it acknowledged.
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

/// Returns the settings that make clients use a password and TLS.
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

/// Starts the node that was prepared in a folder, on the storage that is there, and returns the id of its process. It lives on
/// when this program ends.
pub(super) fn launch(java: &Path, folder: &Path) -> Result<u32> {
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
    // A group of its own: what interrupts us is not meant for the node.
    let child = command.process_group(0).spawn().with_context(|| format!("could not start {java:?}"))?;
    Ok(child.id())
}

/// Returns the file that holds what the node in this folder prints.
pub(super) fn log(folder: &Path) -> PathBuf {
    folder.join("log/output.log")
}

const LOGBACK: &str = "\
<configuration><appender name=\"OUT\" class=\"ch.qos.logback.core.ConsoleAppender\"><encoder>\
<pattern>%-5level [%thread] %date{ISO8601} %F:%L - %msg%n</pattern></encoder></appender>\
<root level=\"INFO\"><appender-ref ref=\"OUT\"/></root></configuration>
";

/// A node alone is given the longest values that there are. It is never killed to be started again, so it may do without what
/// makes its schema outlive that.
const ALONE: &[&str] = &["-Xmx1g", "-Dcassandra.unsafesystem=true"];
const AMONG_OTHERS: &[&str] = &["-Xmx768m"];

const MEMORY: [&str; 6] = [
    "-Xms512m",
    "-XX:MaxDirectMemorySize=512m",
    "-XX:+UseParallelGC",
    "-Xss256k",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
];

const SYSTEM: [&str; 9] = [
    "-Djdk.attach.allowAttachSelf=true",
    "-Djava.security.manager=allow",
    "-Djava.net.preferIPv4Stack=true",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dcassandra-foreground=yes",
    "-Dcassandra.available_processors=2",
    "-Dcassandra.skip_wait_for_gossip_to_settle=0",
    "-Dcassandra.ring_delay_ms=1000",
    "-Dcassandra.superuser_setup_delay_ms=0",
];

/// Packages that Cassandra uses although Java's modules hide them.
const EXPORTS: [&str; 10] = [
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.base/java.lang.ref",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "jdk.unsupported/sun.misc",
    "jdk.attach/sun.tools.attach",
];

const OPENS: [&str; 20] = [
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.lang.reflect",
    "java.base/java.io",
    "java.base/java.nio",
    "java.base/java.net",
    "java.base/java.math",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/sun.nio.ch",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.util.jar",
    "jdk.management/com.sun.management.internal",
    "java.rmi/sun.rmi.transport.tcp",
    "java.base/jdk.internal.misc",
];

/// Returns a file of arguments, one on each line, for Java.
fn jvm_arguments(folder: &Path, jars: &Path, special: &[&str]) -> String {
    let folder = folder.display();
    let mut lines: Vec<String> =
        MEMORY.iter().chain(&SYSTEM).chain(special).map(ToString::to_string).collect();
    lines.push(format!("-javaagent:{}", jars.join("jamm-0.4.0.jar").display()));
    lines.extend(EXPORTS.iter().map(|package| format!("--add-exports={package}=ALL-UNNAMED")));
    lines.extend(OPENS.iter().map(|package| format!("--add-opens={package}=ALL-UNNAMED")));
    let url = folder.to_string().replace('%', "%25").replace(' ', "%20");
    lines.push(format!("-Dcassandra.config=file://{url}/cassandra.yaml"));
    lines.push(format!("-Dlogback.configurationFile={folder}/logback.xml"));
    lines.push(format!("-Dcassandra.storagedir={folder}"));
    lines.push(format!("-Dcassandra.logdir={folder}/log"));
    lines.push(format!("-Djava.io.tmpdir={folder}/tmp"));
    lines.push("-cp".to_owned());
    lines.push(format!("{}/*", jars.display()));
    lines.iter().map(|line| format!("\"{}\"\n", line.replace('\\', "\\\\"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(index: u8, nodes: u8, keys: Option<PathBuf>) -> Node {
        let (address, seed) = (Ipv4Addr::new(127, 0, 1, index + 1), Ipv4Addr::new(127, 0, 1, 1));
        Node { address, index, nodes, seed, folder: "/n".into(), keys }
    }

    #[test]
    fn tokens_of_all_nodes_are_distinct_and_equally_far_from_each_other() {
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
    fn nodes_know_the_first_one_and_ask_for_a_password_only_when_they_are_to() {
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

    #[test]
    fn arguments_with_spaces_stay_one_argument() {
        let text = jvm_arguments(Path::new("/a b/n"), Path::new("/a b/jars"), ALONE);
        assert!(text.contains("\"-Dcassandra.storagedir=/a b/n\"\n"), "{text}");
        assert!(text.lines().all(|line| line.starts_with('"') && line.ends_with('"')));
    }
}
