//! A cluster: its files, its addresses and its processes.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::node::{self, Node};
use crate::options::Wanted;
use crate::{PORT, VARIABLE, java, keys, ready};

/// Port on which nodes talk to each other.
const NODES_PORT: u16 = 7000;
/// The name of the cluster that has none.
const UNNAMED: &str = "default";
const NAME_BYTES_MAX: usize = 20;
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// A cluster, which may or may not run.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    name: String,
    folder: PathBuf,
}

/// The process of a node.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// The address on which it listens.
    pub address: Ipv4Addr,
    /// The folder of its files.
    pub folder: PathBuf,
}

/// The content of `state.json`.
#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
struct State {
    nodes: Vec<Process>,
    secured: bool,
}

impl Cluster {
    /// Returns the cluster without a name below the folder of all clusters.
    pub(crate) fn unnamed(top: &Path) -> Self {
        Self { name: UNNAMED.to_owned(), folder: top.to_owned() }
    }

    /// Returns the cluster of this name below the folder of all clusters.
    pub(crate) fn named(name: &str, top: &Path) -> Result<Self> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(fits) {
            bail!("`--name {name}`: expected up to {NAME_BYTES_MAX} of a-z, 0-9 and -");
        }
        if name == UNNAMED {
            return Ok(Self::unnamed(top));
        }
        Ok(Self { name: name.to_owned(), folder: top.join("named").join(name) })
    }

    /// Returns all clusters that were started and not stopped, sorted by name.
    pub(crate) fn all(top: &Path) -> Result<Vec<Self>> {
        let mut found = vec![Self::unnamed(top)];
        let named = top.join("named");
        if named.is_dir() {
            for entry in named.read_dir().with_context(|| format!("could not list {named:?}"))? {
                let name = entry.with_context(|| format!("could not list {named:?}"))?.file_name();
                found.extend(Self::named(&name.to_string_lossy(), top));
            }
        }
        found.retain(|cluster| cluster.state_file().is_file());
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// Returns the name, `default` for the cluster without one.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_unnamed(&self) -> bool {
        self.name == UNNAMED
    }

    /// Returns true if clients need a password and TLS.
    pub(crate) fn is_secured(&self) -> Result<bool> {
        Ok(self.read()?.secured)
    }

    /// Returns the nodes that run.
    pub fn running(&self) -> Result<Vec<Process>> {
        let mut running = Vec::new();
        for process in self.read()?.nodes {
            if process.runs()? {
                running.push(process);
            }
        }
        Ok(running)
    }

    /// Starts the nodes on empty storage: the first one alone, because it is the seed of the others, which start together.
    pub(crate) fn start(&self, java: &Path, jars: &Path, wanted: Wanted) -> Result<()> {
        let addresses = self.addresses(wanted.nodes)?;
        if let Some(taken) = addresses.iter().find(|address| ready::listens(**address)) {
            bail!("something else listens on {taken}:{PORT}; {VARIABLE}={taken}:{PORT} would use it");
        }
        fs::create_dir_all(&self.folder).with_context(|| format!("could not create {:?}", self.folder))?;
        let keys =
            wanted.secured.then(|| keys::make(java, &self.folder.join("keys"), &addresses)).transpose()?;
        let (mut state, mut begun) = (State { nodes: Vec::new(), secured: wanted.secured }, Instant::now());
        for (index, address) in (0..).zip(&addresses) {
            let folder = self.folder.join(format!("node{}", index + 1));
            let (seed, keys) = (addresses[0], keys.clone());
            let node =
                Node { address: *address, index, nodes: wanted.nodes, seed, folder: folder.clone(), keys };
            node.prepare(jars)?;
            let pid = node::launch(java, &folder)?;
            state.nodes.push(Process { pid, address: *address, folder });
            self.write(&state)?;
            if index == 0 {
                ready::wait_for(&state.nodes[0], &[], wanted.secured, begun)?;
                begun = Instant::now();
            }
        }
        for index in 1..state.nodes.len() {
            let peers: Vec<&Process> = state.nodes[..index].iter().collect();
            ready::wait_for(&state.nodes[index], &peers, false, begun)?;
        }
        let uri = uri(&state.nodes);
        fs::write(self.uri_file(), format!("{uri}\n")).context("could not write the addresses")?;
        println!("cql: {VARIABLE}={uri}");
        if let Some(ca) = keys.map(|keys| keys.with_file_name("ca.pem")) {
            println!("cql: user cassandra, password cassandra, TLS with the CA in {}", ca.display());
        }
        Ok(())
    }

    /// Kills all nodes and removes their storage. The logs stay.
    pub fn stop(&self) -> Result<()> {
        let (nodes, running) = (self.read()?.nodes, self.running()?);
        end(&running)?;
        let storage = ["data", "commitlog", "hints", "saved_caches", "tmp"];
        for path in nodes.iter().flat_map(|node| storage.map(|name| node.folder.join(name))) {
            if path.is_dir() {
                fs::remove_dir_all(&path).with_context(|| format!("could not remove {path:?}"))?;
            }
        }
        for path in [self.state_file(), self.uri_file()].iter().filter(|path| path.is_file()) {
            fs::remove_file(path).with_context(|| format!("could not remove {path:?}"))?;
        }
        println!("cql: stopped {} nodes of cluster {}", running.len(), self.name);
        Ok(())
    }

    /// Kills a node, by its number from 1, as a loss of power would. Its storage stays.
    pub fn kill(&self, number: u8) -> Result<()> {
        let state = self.read()?;
        let process = &state.nodes[self.index(&state, number)?];
        if state.nodes.len() == 1 {
            bail!("cluster {} has one node, whose storage is not durable; stop it instead", self.name);
        }
        if !process.runs()? {
            bail!("node {number} of cluster {} does not run", self.name);
        }
        end(std::slice::from_ref(process))?;
        println!("cql: killed node {number} of cluster {}; its storage stays", self.name);
        Ok(())
    }

    /// Starts a killed node again, by its number from 1, on the storage that it had.
    pub fn revive(&self, number: u8) -> Result<()> {
        let mut state = self.read()?;
        let index = self.index(&state, number)?;
        if state.nodes[index].runs()? {
            println!("cql: node {number} of cluster {} runs already", self.name);
            return Ok(());
        }
        let peers = self.running()?;
        let java = java::find().context("Java 17 was not found")?;
        state.nodes[index].pid = node::launch(&java, &state.nodes[index].folder)?;
        self.write(&state)?;
        ready::wait_for(&state.nodes[index], &peers.iter().collect::<Vec<_>>(), false, Instant::now())
    }

    /// Prints the state of each node.
    pub(crate) fn show(&self) -> Result<()> {
        let state = self.read()?;
        let guard = if state.secured { ", wants a password and TLS" } else { "" };
        for (number, process) in (1..).zip(&state.nodes) {
            let (Process { pid, address, folder }, name) = (process, &self.name);
            let condition = match (process.runs()?, ready::listens(*address)) {
                (false, _) => "does not run",
                (true, false) => "does not listen",
                (true, true) => "listens",
            };
            let log = node::log(folder);
            println!(
                "cql: {name} {number}: {address}:{PORT} pid {pid} {condition}{guard}; log {}",
                log.display()
            );
        }
        println!("cql: {} is {VARIABLE}={}", self.name, uri(&state.nodes));
        Ok(())
    }

    fn index(&self, state: &State, number: u8) -> Result<usize> {
        let (index, nodes) = (usize::from(number).wrapping_sub(1), state.nodes.len());
        if index >= nodes {
            bail!("cluster {} has {nodes} nodes, and none of number {number}", self.name);
        }
        Ok(index)
    }

    fn state_file(&self) -> PathBuf {
        self.folder.join("state.json")
    }

    fn uri_file(&self) -> PathBuf {
        self.folder.join("uri")
    }

    fn write(&self, state: &State) -> Result<()> {
        let path = self.state_file();
        fs::write(&path, format!("{}\n", serde_json::to_string_pretty(state)?))
            .with_context(|| format!("could not write {path:?}"))
    }

    /// Reads which nodes were started: none if there is no file.
    fn read(&self) -> Result<State> {
        let path = self.state_file();
        if !path.is_file() {
            return Ok(State::default());
        }
        let text = fs::read(&path).with_context(|| format!("could not read {path:?}"))?;
        serde_json::from_slice(&text).with_context(|| format!("{path:?} is not understood"))
    }

    /// Returns 127.0.0.1 and up for the cluster without a name, else the first 127.0.N.1 and up whose ports are free.
    fn addresses(&self, nodes: u8) -> Result<Vec<Ipv4Addr>> {
        let block = |number| (1..=nodes).map(move |last| Ipv4Addr::new(127, 0, number, last));
        if self.is_unnamed() {
            return Ok(block(0).collect());
        }
        let is_free =
            |address| [PORT, NODES_PORT].iter().all(|port| TcpListener::bind((address, *port)).is_ok());
        let free = (1..=u8::MAX).find(|number| block(*number).all(is_free));
        let free =
            free.context("no 127.0.N.1 and up can be bound; on macOS each needs `ifconfig lo0 alias`")?;
        Ok(block(free).collect())
    }
}

impl Process {
    /// Returns true if the process is the node of its folder, and not another one with a reused id.
    pub(crate) fn runs(&self) -> Result<bool> {
        let mut command = Command::new("ps");
        command.args(["-ww", "-o", "stat=,command=", "-p", &self.pid.to_string()]);
        let output = command.output().context("could not start `ps`")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_zombie = text.trim_start().starts_with('Z');
        // With the slash: the name of one folder may begin with that of another.
        let folder = format!("{}/", self.folder.display());
        Ok(!is_zombie && text.contains(&folder) && text.contains("CassandraDaemon"))
    }

    fn kill(&self) -> Result<()> {
        let status = Command::new("kill").args(["-KILL", &self.pid.to_string()]).status();
        match status.context("could not start `kill`")? {
            status if status.success() => Ok(()),
            status => bail!("process {} could not be killed: {status}", self.pid),
        }
    }
}

/// Kills the processes, and waits until they are gone and their ports are free.
///
/// A process may be a zombie while some of its threads still end: until the last one has, the port is taken.
fn end(processes: &[Process]) -> Result<()> {
    processes.iter().try_for_each(Process::kill)?;
    let deadline = Instant::now() + STOP_PATIENCE;
    for process in processes {
        while process.runs()? || ready::listens(process.address) {
            if Instant::now() >= deadline {
                bail!("process {} on {} does not end", process.pid, process.address);
            }
            thread::sleep(ready::PAUSE);
        }
    }
    Ok(())
}

fn uri(nodes: &[Process]) -> String {
    nodes.iter().map(|node| format!("{}:{PORT}", node.address)).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(folder: &Path) -> Cluster {
        Cluster { name: "some".to_owned(), folder: folder.to_owned() }
    }

    #[test]
    fn the_state_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let cluster = cluster(folder.path());
        assert_eq!(cluster.read().unwrap(), State::default());
        let process = |pid, last| Process {
            pid,
            address: Ipv4Addr::new(127, 0, 0, last),
            folder: folder.path().join(format!("node{last}")),
        };
        let state = State { nodes: vec![process(7, 1), process(8, 2)], secured: true };
        cluster.write(&state).unwrap();
        assert_eq!(cluster.read().unwrap(), state);
        assert_eq!(uri(&state.nodes), "127.0.0.1:9042,127.0.0.2:9042");
        fs::write(cluster.state_file(), "{}").unwrap();
        assert!(cluster.read().is_err());
    }

    #[test]
    fn clusters_have_folders_of_their_own_and_are_found_again() {
        let top = tempfile::tempdir().unwrap();
        assert_eq!(Cluster::all(top.path()).unwrap(), []);
        for name in [UNNAMED, "trio", "secured"] {
            let cluster = Cluster::named(name, top.path()).unwrap();
            fs::create_dir_all(&cluster.folder).unwrap();
            cluster.write(&State::default()).unwrap();
        }
        // The folder of one that was stopped.
        fs::create_dir_all(top.path().join("named/stopped")).unwrap();
        let found = Cluster::all(top.path()).unwrap();
        assert_eq!(found.iter().map(Cluster::name).collect::<Vec<_>>(), [UNNAMED, "secured", "trio"]);
        assert_eq!(found[0].folder, top.path());
        for name in ["", "..", "a/b", "A", "a-name-that-is-far-too-long"] {
            assert!(Cluster::named(name, top.path()).is_err(), "{name}");
        }
    }

    #[test]
    fn addresses_in_use_are_passed_over() {
        let cluster = cluster(Path::new("/n"));
        let first = cluster.addresses(2).unwrap();
        assert!(first.iter().all(|address| address.octets()[2] != 0));
        let _taken = TcpListener::bind((first[1], PORT)).unwrap();
        assert_ne!(cluster.addresses(2).unwrap(), first);
        let unnamed = Cluster::unnamed(Path::new("/n"));
        assert_eq!(unnamed.addresses(2).unwrap(), [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)]);
    }

    #[test]
    fn a_process_that_is_not_a_node_is_never_killed() {
        let folder = tempfile::tempdir().unwrap();
        let cluster = cluster(folder.path());
        // The process of this test: it runs, under an id that a node may have had before.
        let own =
            Process { pid: std::process::id(), address: Ipv4Addr::LOCALHOST, folder: folder.path().into() };
        cluster.write(&State { nodes: vec![own], secured: false }).unwrap();
        assert_eq!(cluster.running().unwrap(), []);
        assert!(cluster.kill(1).is_err());
        cluster.stop().unwrap();
        assert_eq!(cluster.read().unwrap(), State::default());
    }

    #[test]
    fn an_unknown_node_number_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for number in [0, 1] {
            let error = cluster(folder.path()).revive(number).unwrap_err().to_string();
            assert!(error.starts_with("cluster some has 0 nodes, and none of number"), "{error}");
        }
    }
}
