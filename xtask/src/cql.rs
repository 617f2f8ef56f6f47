//! `cql`: real CQL servers for tests, without containers: Apache Cassandra from its Maven artifacts.
//!
//! All it keeps is below `cql` in the target folder: the jars, a folder for each node, `state.json` with the processes,
//! and `uri` with the addresses, which tests read. A cluster with a name has these in `named/NAME` there.

mod cassandra;
mod cluster;
mod keys;
mod maven;
mod options;
mod ready;
mod wire;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{cargo, setup};
use cassandra::Node;
use cluster::{Cluster, PORT, Process, State, UNNAMED, cql_port, uri};
use options::{Order, Wanted};

/// Names servers that are there already: `HOST[:PORT][,HOST[:PORT]..]`.
const VARIABLE: &str = "SCYLLA_URI";

const STOP_PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(250);

/// The clusters that the failure tests of backup-scylla break, and mend again.
const BREAKABLE: [(&str, Wanted); 2] =
    [("trio", Wanted { nodes: 3, secured: false }), ("secured", Wanted { nodes: 1, secured: true })];

/// Runs the task.
pub(crate) fn run(options: &[String]) -> Result<()> {
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let (order, name) = options::parse(&options)?;
    let top = top()?;
    let cluster = Cluster::named(name.unwrap_or(UNNAMED), &top)?;
    match order {
        Order::Start(wanted) => start(&cluster, wanted),
        Order::Stop if name.is_some() => stop(&cluster),
        Order::Stop => stop_all(&top),
        Order::Status => status(&top),
        Order::Kill(node) => kill(&cluster, node),
        Order::Revive(node) => revive(&cluster, node),
    }
}

/// Does some work with a server: the one that is there, or one that is started for it and stopped again. Where the
/// workspace has no crate that needs it, there is none.
pub(crate) fn with_server<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    if !setup::cql_is_needed() {
        return work();
    }
    let cluster = Cluster::named(UNNAMED, &top()?)?;
    let ours = std::env::var_os(VARIABLE).is_none() && cluster.running()?.is_empty();
    start(&cluster, Wanted { nodes: 1, secured: false })?;
    let result = work();
    if ours {
        stop(&cluster)?;
    }
    result
}

/// What a comparison on a server needs to know of it.
pub(crate) struct Measured {
    /// `HOST:PORT`.
    pub(crate) host: String,
    pub(crate) pid: u32,
    /// Folder with the jars of dsbulk.
    pub(crate) dsbulk: PathBuf,
}

/// Does some work with a server of one node on this machine, whose process is known, and with dsbulk.
pub(crate) fn with_measured<T>(work: impl FnOnce(&Measured) -> Result<T>) -> Result<T> {
    if let Ok(uri) = std::env::var(VARIABLE) {
        bail!("{VARIABLE}={uri}: what a server takes can be measured only of one that is started here");
    }
    with_server(|| {
        let cluster = Cluster::named(UNNAMED, &top()?)?;
        let running = cluster.running()?;
        let [process] = running.as_slice() else { bail!("expected one node, found {}", running.len()) };
        let host = cql_port(process.address).to_string();
        work(&Measured { host, pid: process.pid, dsbulk: maven::dsbulk_jars(&top()?)? })
    })
}

/// Does some work with the clusters that the failure tests break. Those that are not there are started, and stopped again.
pub(crate) fn with_breakable<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let top = top()?;
    let mut ours = Vec::new();
    let mut started = Ok(());
    for (name, wanted) in BREAKABLE {
        let cluster = Cluster::named(name, &top)?;
        if cluster.running()?.len() != usize::from(wanted.nodes) {
            stop(&cluster)?;
            started = start(&cluster, wanted);
            ours.push(cluster);
        }
        if started.is_err() {
            break;
        }
    }
    let result = started.and_then(|()| work());
    ours.iter().try_for_each(stop)?;
    result
}

fn top() -> Result<PathBuf> {
    Ok(cargo::target_folder()?.join("cql"))
}

fn start(cluster: &Cluster, wanted: Wanted) -> Result<()> {
    if let (true, Ok(uri)) = (cluster.is_unnamed(), std::env::var(VARIABLE)) {
        let version = ready::wait_for_any(&uri)?;
        println!("cql: {VARIABLE}={uri} is there: {version}");
        return Ok(());
    }
    let (running, options) = (cluster.running()?.len(), cluster.options());
    if running > 0 && (running, cluster.read()?.secured) == (wanted.nodes.into(), wanted.secured) {
        println!("cql: running already");
        return show(cluster);
    }
    if running > 0 {
        bail!(
            "{running} nodes run that are not what was asked for; `cargo xtask cql stop{options}` ends them"
        );
    }
    setup::ensure()?;
    fs::create_dir_all(&cluster.folder).with_context(|| format!("could not create {:?}", cluster.folder))?;
    let jars = maven::jars(&top()?)?;
    let java = setup::java().context("Java 17 was not found")?;
    let result = start_nodes(cluster, &java, &jars, wanted);
    if result.is_err() {
        // What was started is of no use, and would be in the way of the next try.
        stop(cluster)?;
    }
    result
}

/// Starts the nodes one after the other: each joins those before it.
fn start_nodes(cluster: &Cluster, java: &Path, jars: &Path, wanted: Wanted) -> Result<()> {
    let Wanted { nodes, secured } = wanted;
    let addresses = cluster.addresses(nodes)?;
    let seed = *addresses.first().context("a cluster has at least one node")?;
    let keys = secured.then(|| keys::make(java, &cluster.folder.join("keys"), &addresses)).transpose()?;
    let mut state = State { processes: Vec::new(), secured };
    for (index, address) in (0..).zip(addresses) {
        if ready::is_taken(address) {
            bail!("something else listens on {address}:{PORT}; {VARIABLE}={address}:{PORT} would use it");
        }
        let folder = cluster.folder.join(format!("node{}", index + 1));
        let node = Node { address, index, nodes, seed, folder: folder.clone(), keys: keys.clone() };
        node.prepare(jars)?;
        let pid = cassandra::launch(java, &folder)?;
        state.processes.push(Process { pid, address, folder });
        cluster.write(&state)?;
        ready::wait_for(&state, index.into())?;
    }
    let uri = uri(&state.processes);
    fs::write(cluster.uri_file(), format!("{uri}\n")).context("could not write the addresses")?;
    println!("cql: {VARIABLE}={uri}");
    if let Some(ca) = keys.map(|keys| keys.with_file_name("ca.pem")) {
        println!("cql: user cassandra, password cassandra, TLS with the CA in {}", ca.display());
    }
    Ok(())
}

/// Returns the process of a node by its number, from 1.
fn node(cluster: &Cluster, number: u8) -> Result<(State, usize)> {
    let state = cluster.read()?;
    let index = usize::from(number).wrapping_sub(1);
    if index >= state.processes.len() {
        let nodes = state.processes.len();
        bail!(
            "cluster {} has {nodes} nodes, and none of number {number}; see `cargo xtask cql status`",
            cluster.name
        );
    }
    Ok((state, index))
}

fn kill(cluster: &Cluster, number: u8) -> Result<()> {
    let (state, index) = node(cluster, number)?;
    let process = &state.processes[index];
    if state.processes.len() == 1 {
        bail!("cluster {} has one node, whose storage would not outlive it; stop it instead", cluster.name);
    }
    if !process.runs()? {
        bail!("node {number} of cluster {} does not run", cluster.name);
    }
    end(std::slice::from_ref(process))?;
    println!("cql: killed node {number} of cluster {}; its storage stays", cluster.name);
    Ok(())
}

fn revive(cluster: &Cluster, number: u8) -> Result<()> {
    let (mut state, index) = node(cluster, number)?;
    if state.processes[index].runs()? {
        println!("cql: node {number} of cluster {} runs", cluster.name);
        return Ok(());
    }
    let java = setup::java().context("Java 17 was not found")?;
    state.processes[index].pid = cassandra::launch(&java, &state.processes[index].folder)?;
    cluster.write(&state)?;
    ready::wait_for(&state, index)
}

/// Kills the processes, and waits until they are gone.
fn end(processes: &[Process]) -> Result<()> {
    processes.iter().try_for_each(Process::kill)?;
    let deadline = Instant::now() + STOP_PATIENCE;
    for process in processes {
        while process.runs()? {
            if Instant::now() >= deadline {
                bail!("process {} on {} does not end", process.pid, process.address);
            }
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}

fn stop(cluster: &Cluster) -> Result<()> {
    let processes = cluster.running()?;
    // Their storage is thrown away, so there is nothing to close.
    end(&processes)?;
    cluster.clear()?;
    println!("cql: stopped {} nodes of cluster {}", processes.len(), cluster.name);
    Ok(())
}

fn stop_all(top: &Path) -> Result<()> {
    let clusters = Cluster::all(top)?;
    if clusters.is_empty() {
        println!("cql: nothing runs");
    }
    clusters.iter().try_for_each(stop)
}

fn status(top: &Path) -> Result<()> {
    if let Ok(uri) = std::env::var(VARIABLE) {
        println!("cql: {VARIABLE}={uri}");
    }
    let clusters = Cluster::all(top)?;
    if clusters.is_empty() {
        println!("cql: not running; `cargo xtask cql start` starts a server");
    }
    clusters.iter().try_for_each(show)
}

fn show(cluster: &Cluster) -> Result<()> {
    let state = cluster.read()?;
    for (number, process) in (1..).zip(&state.processes) {
        let Process { pid, address, folder } = process;
        let answer = match process.runs()? {
            true => ready::describe(cql_port(*address), state.secured),
            false => format!("does not run; `cargo xtask cql revive {number}{}`", cluster.options()),
        };
        let (name, log) = (&cluster.name, cassandra::log(folder));
        println!("cql: {name} {number}: {address}:{PORT} pid {pid} {answer}; log {}", log.display());
    }
    if !state.processes.is_empty() {
        println!("cql: {} is {VARIABLE}={}", cluster.name, uri(&state.processes));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_process_that_is_not_a_node_of_ours_is_never_ended() {
        let folder = tempfile::tempdir().unwrap();
        let cluster = Cluster { name: "some".to_owned(), folder: folder.path().into() };
        // This very process: alive, and with an id that a node may have had before.
        let own =
            Process { pid: std::process::id(), address: Ipv4Addr::LOCALHOST, folder: folder.path().into() };
        cluster.write(&State { processes: vec![own], secured: false }).unwrap();
        assert_eq!(cluster.running().unwrap(), []);
        assert!(kill(&cluster, 1).is_err());
        stop(&cluster).unwrap();
        assert_eq!(cluster.read().unwrap(), State::default());
    }

    #[test]
    fn a_node_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let cluster = Cluster { name: "some".to_owned(), folder: folder.path().into() };
        for number in [0, 1] {
            let error = revive(&cluster, number).unwrap_err().to_string();
            assert!(error.starts_with("cluster some has 0 nodes, and none of number"), "{error}");
        }
    }
}
