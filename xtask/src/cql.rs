//! `cql`: real CQL servers for tests. tools/cassandra does the work.

use anyhow::{Result, bail};
use kvbackup_cassandra::{Clusters, VARIABLE, Wanted};

use crate::{cargo, setup};

const SINGLE: Wanted = Wanted { nodes: 1, secured: false };

/// The clusters that the failure tests of backup-scylla break and repair.
const BREAKABLE: [(&str, Wanted); 2] =
    [("trio", Wanted { nodes: 3, secured: false }), ("secured", Wanted { nodes: 1, secured: true })];

/// Runs the task.
pub(crate) fn run(options: &[String]) -> Result<()> {
    if options.first().is_some_and(|verb| verb == "start") {
        setup::ensure(&[setup::For::Cql])?;
    }
    clusters()?.run(options)
}

/// Does some work with a server: one that runs, or one that is started for the work and stopped after it.
pub(crate) fn with_server<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    setup::ensure(&[setup::For::Cql])?;
    let clusters = clusters()?;
    let cluster = clusters.unnamed();
    let is_ours = std::env::var_os(VARIABLE).is_none() && cluster.running()?.is_empty();
    clusters.start(&cluster, SINGLE)?;
    let result = work();
    if is_ours {
        cluster.stop()?;
    }
    result
}

/// Does some work with a server of this machine. The work gets its address, its process and the folder of dsbulk's jars.
pub(crate) fn with_measured<T>(work: impl FnOnce([String; 3]) -> Result<T>) -> Result<T> {
    if let Ok(uri) = std::env::var(VARIABLE) {
        bail!("{VARIABLE}={uri}: only a server that is started here can be measured");
    }
    with_server(|| {
        let clusters = clusters()?;
        let running = clusters.unnamed().running()?;
        let [node] = running.as_slice() else { bail!("expected one node, found {}", running.len()) };
        let host = format!("{}:{}", node.address, kvbackup_cassandra::PORT);
        work([host, node.pid.to_string(), clusters.dsbulk()?.display().to_string()])
    })
}

/// Does some work with the clusters that the failure tests break. Those that do not run are started, and stopped after it.
pub(crate) fn with_breakable<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    setup::ensure(&[setup::For::Cql])?;
    let clusters = clusters()?;
    let (mut ours, mut started) = (Vec::new(), Ok(()));
    for (name, wanted) in BREAKABLE {
        let cluster = clusters.named(name)?;
        if started.is_ok() && cluster.running()?.len() != usize::from(wanted.nodes) {
            cluster.stop()?;
            started = clusters.start(&cluster, wanted);
            ours.push(cluster);
        }
    }
    let result = started.and_then(|()| work());
    ours.iter().try_for_each(kvbackup_cassandra::Cluster::stop)?;
    result
}

fn clusters() -> Result<Clusters> {
    Ok(Clusters::below(&cargo::target_folder()?))
}
