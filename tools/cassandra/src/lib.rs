#![doc = include_str!("../README.md")]

mod cluster;
pub mod java;
mod jvm;
mod keys;
mod maven;
mod node;
mod options;
mod ready;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

pub use cluster::{Cluster, Process};
use options::Order;
pub use options::Wanted;

/// Names servers that run already: `HOST[:PORT][,HOST[:PORT]..]`. They are used in place of the cluster without a name.
pub const VARIABLE: &str = "SCYLLA_URI";

/// Port of CQL, on the address of each node.
pub const PORT: u16 = 9042;

/// All clusters of a target folder.
#[derive(Clone, Debug)]
pub struct Clusters {
    top: PathBuf,
}

impl Clusters {
    /// Returns the clusters whose files are below `cql` in this target folder.
    pub fn below(target: &Path) -> Self {
        Self { top: target.join("cql") }
    }

    /// Returns the cluster without a name, which has the addresses 127.0.0.1 and up.
    pub fn unnamed(&self) -> Cluster {
        Cluster::unnamed(&self.top)
    }

    /// Returns the cluster of this name. It need not run.
    pub fn named(&self, name: &str) -> Result<Cluster> {
        Cluster::named(name, &self.top)
    }

    /// Returns the folder with the jars of dsbulk, and resolves them first if necessary.
    pub fn dsbulk(&self) -> Result<PathBuf> {
        maven::dsbulk_jars(&self.top)
    }

    /// Runs one command line: `start`, `stop`, `status`, `kill N` or `revive N`, with options.
    pub fn run(&self, options: &[String]) -> Result<()> {
        let (order, name) = options::parse(options)?;
        let cluster = name.map_or_else(|| Ok(self.unnamed()), |name| self.named(name))?;
        match order {
            Order::Start(wanted) => self.start(&cluster, wanted),
            Order::Stop if name.is_some() => cluster.stop(),
            Order::Stop => self.stop_all(),
            Order::Status => self.status(),
            Order::Kill(node) => cluster.kill(node),
            Order::Revive(node) => cluster.revive(node),
        }
    }

    /// Starts a cluster, unless it runs already. For the cluster without a name, `SCYLLA_URI` may name servers to use instead.
    pub fn start(&self, cluster: &Cluster, wanted: Wanted) -> Result<()> {
        if let (true, Ok(uri)) = (cluster.is_unnamed(), std::env::var(VARIABLE)) {
            let address = ready::wait_for_any(&uri)?;
            println!("cql: {VARIABLE}={uri}: {address} answers");
            return Ok(());
        }
        let (running, name) = (cluster.running()?.len(), cluster.name());
        if running > 0 && (running, cluster.is_secured()?) == (wanted.nodes.into(), wanted.secured) {
            println!("cql: {name} runs already");
            return cluster.show();
        }
        if running > 0 {
            bail!("{running} nodes of cluster {name} run, which is not what was asked for; stop it first");
        }
        let java = java::find().context("Java 17 was not found; `cargo xtask setup` installs it")?;
        let jars = maven::jars(&self.top)?;
        let started = cluster.start(&java, &jars, wanted);
        if started.is_err() {
            // Nodes that did start would be in the way of the next try.
            cluster.stop()?;
        }
        started
    }

    fn stop_all(&self) -> Result<()> {
        let clusters = Cluster::all(&self.top)?;
        if clusters.is_empty() {
            println!("cql: no cluster runs");
        }
        clusters.iter().try_for_each(Cluster::stop)
    }

    fn status(&self) -> Result<()> {
        if let Ok(uri) = std::env::var(VARIABLE) {
            println!("cql: {VARIABLE}={uri}");
        }
        let clusters = Cluster::all(&self.top)?;
        if clusters.is_empty() {
            println!("cql: no cluster runs; `start` starts one");
        }
        clusters.iter().try_for_each(Cluster::show)
    }
}
