//! A cluster under a name: where its files are, what is known of its processes.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::process;

/// Port of CQL, on each node's own address.
pub(super) const PORT: u16 = 9042;
/// Port on which nodes talk to each other.
const NODES_PORT: u16 = 7000;
/// The cluster that has no name. Its addresses are 127.0.0.1 and those that follow.
pub(super) const UNNAMED: &str = "default";
const NAME_BYTES_MAX: usize = 20;

/// A cluster, whether or not it runs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) folder: PathBuf,
}

/// A process that was started.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) address: Ipv4Addr,
    pub(super) folder: PathBuf,
}

/// What `state.json` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    pub(super) processes: Vec<Process>,
    /// Whether clients need a password and TLS.
    pub(super) secured: bool,
}

impl Cluster {
    /// `top` is the folder of all clusters.
    pub(super) fn named(name: &str, top: &Path) -> Result<Self> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(fits) {
            bail!("`--name {name}`: expected up to {NAME_BYTES_MAX} of a-z, 0-9 and -");
        }
        let folder = if name == UNNAMED { top.to_owned() } else { top.join("named").join(name) };
        Ok(Self { name: name.to_owned(), folder })
    }

    /// Finds all clusters of which something is known.
    pub(super) fn all(top: &Path) -> Result<Vec<Self>> {
        let mut found = vec![Self::named(UNNAMED, top)?];
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

    pub(super) fn is_unnamed(&self) -> bool {
        self.name == UNNAMED
    }

    fn state_file(&self) -> PathBuf {
        self.folder.join("state.json")
    }

    pub(super) fn uri_file(&self) -> PathBuf {
        self.folder.join("uri")
    }

    /// Returns what options choose this cluster: for messages.
    pub(super) fn options(&self) -> String {
        if self.is_unnamed() { String::new() } else { format!(" --name {}", self.name) }
    }

    pub(super) fn write(&self, state: &State) -> Result<()> {
        let process = |process: &Process| {
            let Process { pid, address, folder } = process;
            json!({ "pid": pid, "address": address.to_string(), "folder": folder })
        };
        let nodes: Vec<Value> = state.processes.iter().map(process).collect();
        let path = self.state_file();
        fs::write(&path, format!("{:#}\n", json!({ "nodes": nodes, "secured": state.secured })))
            .with_context(|| format!("could not write {path:?}"))
    }

    /// Reads what was started; nothing when there is no file.
    pub(super) fn read(&self) -> Result<State> {
        let path = self.state_file();
        if !path.is_file() {
            return Ok(State::default());
        }
        let text = fs::read_to_string(&path).with_context(|| format!("could not read {path:?}"))?;
        let state: Value = serde_json::from_str(&text).with_context(|| format!("could not read {path:?}"))?;
        let nodes = state["nodes"].as_array().with_context(|| format!("{path:?} has no nodes"))?;
        let process = |node: &Value| {
            let pid = u32::try_from(node["pid"].as_u64()?).ok()?;
            let address = node["address"].as_str()?.parse().ok()?;
            Some(Process { pid, address, folder: node["folder"].as_str()?.into() })
        };
        let processes = nodes.iter().map(process).collect::<Option<_>>();
        let processes = processes.with_context(|| format!("{path:?} is not understood"))?;
        Ok(State { processes, secured: state["secured"].as_bool().unwrap_or(false) })
    }

    /// Returns the processes that were started and still run.
    pub(super) fn running(&self) -> Result<Vec<Process>> {
        let mut running = Vec::new();
        for process in self.read()?.processes {
            if process.runs()? {
                running.push(process);
            }
        }
        Ok(running)
    }

    /// Forgets what was started, and removes the storage. The logs are what one may still want to read.
    pub(super) fn clear(&self) -> Result<()> {
        for process in self.read()?.processes {
            let storage = ["data", "commitlog", "hints", "saved_caches", "tmp"];
            for path in storage.map(|name| process.folder.join(name)).iter().filter(|path| path.is_dir()) {
                fs::remove_dir_all(path).with_context(|| format!("could not remove {path:?}"))?;
            }
        }
        for path in [self.state_file(), self.uri_file()].iter().filter(|path| path.is_file()) {
            fs::remove_file(path).with_context(|| format!("could not remove {path:?}"))?;
        }
        Ok(())
    }

    /// Chooses addresses for so many nodes: those of the cluster without a name are always the same, others get the
    /// first 127.0.N.1 and up that nobody uses.
    pub(super) fn addresses(&self, nodes: u8) -> Result<Vec<Ipv4Addr>> {
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
    /// Tells whether the process still is the node in its folder: ids are used again.
    pub(super) fn runs(&self) -> Result<bool> {
        let mut command = Command::new("ps");
        command.args(["-ww", "-o", "stat=,command=", "-p", &self.pid.to_string()]);
        let output = command.output().context("could not start `ps`")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_alive = !text.trim_start().starts_with('Z');
        // With the slash: one folder's name may begin with another's.
        let folder = format!("{}/", self.folder.display());
        Ok(is_alive && text.contains(&folder) && text.contains("CassandraDaemon"))
    }

    /// Ends the process at once, as a loss of power would.
    pub(super) fn kill(&self) -> Result<()> {
        process::quiet_output(Command::new("kill").args(["-KILL", &self.pid.to_string()]))?;
        Ok(())
    }
}

pub(super) fn cql_port(address: Ipv4Addr) -> SocketAddr {
    SocketAddrV4::new(address, PORT).into()
}

pub(super) fn uri(processes: &[Process]) -> String {
    processes.iter().map(|process| format!("{}:{PORT}", process.address)).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let cluster = Cluster { name: "some".to_owned(), folder: folder.path().into() };
        assert_eq!(cluster.read().unwrap(), State::default());
        let process = |pid, last| Process {
            pid,
            address: Ipv4Addr::new(127, 0, 0, last),
            folder: folder.path().join(format!("node{last}")),
        };
        let state = State { processes: vec![process(7, 1), process(8, 2)], secured: true };
        cluster.write(&state).unwrap();
        assert_eq!(cluster.read().unwrap(), state);
        assert_eq!(uri(&state.processes), "127.0.0.1:9042,127.0.0.2:9042");
        cluster.clear().unwrap();
        assert_eq!(cluster.read().unwrap(), State::default());
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
        assert_eq!(
            found.iter().map(|cluster| &*cluster.name).collect::<Vec<_>>(),
            [UNNAMED, "secured", "trio"]
        );
        assert_eq!(found[0].folder, top.path());
        for name in ["", "..", "a/b", "A", "a-name-that-is-far-too-long"] {
            assert!(Cluster::named(name, top.path()).is_err(), "{name}");
        }
    }

    #[test]
    fn addresses_that_somebody_uses_are_left_to_him() {
        let cluster = Cluster { name: "some".to_owned(), folder: "/n".into() };
        let first = cluster.addresses(2).unwrap();
        assert!(first.iter().all(|address| address.octets()[2] != 0));
        let _taken = TcpListener::bind((first[1], PORT)).unwrap();
        assert_ne!(cluster.addresses(2).unwrap(), first);
        let unnamed = Cluster { name: UNNAMED.to_owned(), folder: "/n".into() };
        assert_eq!(unnamed.addresses(2).unwrap(), [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)]);
    }
}
