//! Telling whether nodes answer.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::cluster::{PORT, State, cql_port};
use super::wire::{Connection, Handshake};
use super::{PAUSE, VARIABLE, cassandra};

const STEP_PATIENCE: Duration = Duration::from_secs(5);
/// A node that has nothing else to do answers after some 10 seconds.
const START_PATIENCE: Duration = Duration::from_secs(240);
/// What a node prints when the first user can log in. It answers before that.
const FIRST_USER: &str = "Created default superuser role";

/// Tells whether somebody listens where a node would.
pub(super) fn is_taken(address: Ipv4Addr) -> bool {
    TcpStream::connect_timeout(&cql_port(address), STEP_PATIENCE).is_ok()
}

/// Waits until the node of this index answers a query and knows all other nodes, and says so.
pub(super) fn wait_for(state: &State, index: usize) -> Result<()> {
    let (process, peers) = (&state.processes[index], state.processes.len() - 1);
    let log = cassandra::log(&process.folder);
    let begun = Instant::now();
    let answer = loop {
        let answer = if state.secured { ask_log(&log) } else { ask(cql_port(process.address)) };
        let is_late = begun.elapsed() >= START_PATIENCE;
        match answer {
            Ok(answer) if state.secured || answer.peers == peers => break answer,
            _ if !process.runs()? => {
                bail!("Apache Cassandra ended; it says why in {}\n{}", log.display(), tail(&log))
            }
            Ok(answer) if is_late => {
                bail!("{} knows {} other nodes, not {peers}", process.address, answer.peers)
            }
            Err(error) if is_late => {
                return Err(error.context(format!("no answer; see {}", log.display())));
            }
            _ => thread::sleep(PAUSE),
        }
    };
    let (version, address, seconds) = (answer.version, process.address, begun.elapsed().as_secs_f32());
    println!("cql: Apache Cassandra {version} answers on {address}:{PORT} after {seconds:.1} s");
    Ok(())
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(20)).map(|line| format!("  {line}\n")).collect()
}

struct Answer {
    version: String,
    peers: usize,
}

fn ask(address: SocketAddr) -> Result<Answer> {
    let mut connection = match Connection::open(address, STEP_PATIENCE)? {
        Handshake::Ready(connection) => connection,
        Handshake::Guarded => return Ok(Answer { version: "(wants a password)".to_owned(), peers: 0 }),
    };
    let local = connection.texts("SELECT release_version FROM system.local")?;
    let version = local.into_iter().flatten().next().context("the server does not know its version")?;
    let peers = connection.texts("SELECT release_version FROM system.peers")?.len();
    Ok(Answer { version, peers })
}

/// A node that wants TLS is not asked: it prints when it is ready.
fn ask_log(log: &Path) -> Result<Answer> {
    let text = fs::read_to_string(log).with_context(|| format!("could not read {log:?}"))?;
    if !["Startup complete", FIRST_USER].iter().all(|line| text.contains(line)) {
        bail!("it did not print yet that it started and has a user");
    }
    Ok(Answer { version: "(wants a password and TLS)".to_owned(), peers: 0 })
}

/// Returns what a node says of itself.
pub(super) fn describe(address: SocketAddr, secured: bool) -> String {
    if secured {
        return "wants a password and TLS".to_owned();
    }
    match ask(address) {
        Ok(answer) => format!("Apache Cassandra {}, {} peers", answer.version, answer.peers),
        Err(error) => format!("no answer: {error:#}"),
    }
}

/// Waits until one of the servers answers.
pub(super) fn wait_for_any(uri: &str) -> Result<String> {
    let addresses = parse_uri(uri)?;
    let deadline = Instant::now() + START_PATIENCE;
    loop {
        let mut last = None;
        for address in &addresses {
            match ask(*address) {
                Ok(answer) => return Ok(format!("{address} has version {}", answer.version)),
                Err(error) => last = Some(error.context(format!("{VARIABLE}={uri}: no answer"))),
            }
        }
        match last {
            Some(error) if Instant::now() >= deadline => return Err(error),
            _ => thread::sleep(PAUSE),
        }
    }
}

fn parse_uri(uri: &str) -> Result<Vec<SocketAddr>> {
    let mut addresses = Vec::new();
    for host in uri.trim().split(',') {
        let with_port = if host.contains(':') { host.to_owned() } else { format!("{host}:{PORT}") };
        let found = with_port.to_socket_addrs();
        addresses.extend(found.with_context(|| format!("{VARIABLE}={uri}: `{host}` is no address"))?);
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_may_leave_out_the_usual_port() {
        let addresses = parse_uri("127.0.0.1,127.0.0.2:9142").unwrap();
        assert_eq!(addresses, ["127.0.0.1:9042".parse().unwrap(), "127.0.0.2:9142".parse().unwrap()]);
        assert!(parse_uri("127.0.0.1:x").is_err());
    }

    #[test]
    fn a_node_that_wants_tls_is_ready_when_it_has_a_user() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("output.log");
        assert!(ask_log(&log).is_err());
        fs::write(&log, "INFO Startup complete\n").unwrap();
        assert!(ask_log(&log).is_err());
        fs::write(&log, "INFO Startup complete\nINFO Created default superuser role 'cassandra'\n").unwrap();
        assert_eq!(ask_log(&log).unwrap().peers, 0);
    }
}
