//! Finds out whether nodes are ready, from their logs and ports.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cluster::Process;
use crate::{PORT, VARIABLE, maven, node};

pub(crate) const PAUSE: Duration = Duration::from_millis(100);
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// A node on an idle machine is ready after some 10 seconds.
const START_PATIENCE: Duration = Duration::from_secs(240);

const STARTED: [&str; 2] = ["Starting listening for CQL clients on", "Startup complete"];
const FIRST_USER: &str = "Created default superuser role";

/// Returns true if something listens on the CQL port of this address.
pub(crate) fn listens(address: Ipv4Addr) -> bool {
    TcpStream::connect_timeout(&SocketAddrV4::new(address, PORT).into(), CONNECT_PATIENCE).is_ok()
}

/// Waits until a node is ready, and until it and its peers, which run, see each other.
///
/// With `needs_user` it also waits until the first user can log in. `begun` is when the node was started.
pub(crate) fn wait_for(
    process: &Process,
    peers: &[&Process],
    needs_user: bool,
    begun: Instant,
) -> Result<()> {
    let path = node::log(&process.folder);
    loop {
        let log = read(process)?;
        let missing = missing(process, &log, peers, needs_user)?;
        let Some(missing) = missing else { break };
        if !process.runs()? {
            bail!("Apache Cassandra ended; see {}\n{}", path.display(), tail(&log));
        }
        if begun.elapsed() >= START_PATIENCE {
            bail!("{} is not ready, {missing} is missing; see {}", process.address, path.display());
        }
        thread::sleep(PAUSE);
    }
    let (address, seconds) = (process.address, begun.elapsed().as_secs_f32());
    println!("cql: Apache Cassandra {} is ready on {address}:{PORT} after {seconds:.1} s", maven::VERSION);
    Ok(())
}

/// Returns what a node still lacks to be ready.
fn missing(process: &Process, log: &str, peers: &[&Process], needs_user: bool) -> Result<Option<String>> {
    let user = needs_user.then_some(FIRST_USER);
    if let Some(line) = STARTED.into_iter().chain(user).find(|line| !log.contains(line)) {
        return Ok(Some(format!("`{line}` in its log")));
    }
    for peer in peers {
        let sees_and_is_seen = sees(log, peer.address) && sees(&read(peer)?, process.address);
        if !sees_and_is_seen {
            return Ok(Some(format!("a connection with node {}", peer.address)));
        }
    }
    Ok((!listens(process.address)).then(|| format!("a listener on port {PORT}")))
}

/// Returns true if the last line of a node's log about this peer says that it is up.
fn sees(log: &str, peer: Ipv4Addr) -> bool {
    let start = format!("InetAddress /{peer}:");
    let last = log.lines().rfind(|line| line.contains(&start) && line.contains(" is now "));
    last.is_some_and(|line| line.ends_with(" is now UP"))
}

fn read(process: &Process) -> Result<String> {
    let path = node::log(&process.folder);
    let bytes = fs::read(&path).with_context(|| format!("could not read {path:?}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(20)).map(|line| format!("  {line}\n")).collect()
}

/// Waits until one of the servers that `SCYLLA_URI` names answers, and returns its address.
pub(crate) fn wait_for_any(uri: &str) -> Result<SocketAddr> {
    let addresses = parse_uri(uri)?;
    let deadline = Instant::now() + START_PATIENCE;
    while Instant::now() < deadline {
        if let Some(address) = addresses.iter().find(|address| speaks_cql(**address)) {
            return Ok(*address);
        }
        thread::sleep(PAUSE);
    }
    bail!("{VARIABLE}={uri}: no server answered for {} s", START_PATIENCE.as_secs())
}

/// Returns true if a server answers a request for its options. A proxy in front of it may accept a connection before that.
fn speaks_cql(address: SocketAddr) -> bool {
    const OPTIONS: [u8; 9] = [4, 0, 0, 0, 5, 0, 0, 0, 0];
    const SUPPORTED: (u8, u8) = (0x84, 6);
    let ask = || {
        let mut stream = TcpStream::connect_timeout(&address, CONNECT_PATIENCE)?;
        stream.set_read_timeout(Some(CONNECT_PATIENCE))?;
        stream.write_all(&OPTIONS)?;
        let mut header = [0; 9];
        stream.read_exact(&mut header)?;
        std::io::Result::Ok((header[0], header[4]))
    };
    ask().is_ok_and(|answer| answer == SUPPORTED)
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
    use std::net::TcpListener;
    use std::path::Path;

    use super::*;

    /// Lines of Apache Cassandra 5.0.8, without thread and time.
    const LISTENS: &str = "PipelineConfigurator.java:148 - Starting listening for CQL clients on /127.0.9.1:9042 (encrypted)...\n";
    const COMPLETE: &str = "CassandraDaemon.java:744 - Startup complete\n";
    const USER: &str = "CassandraRoleManager.java:454 - Created default superuser role 'cassandra'\n";
    const UP: &str = "Gossiper.java:1473 - InetAddress /127.0.9.2:7000 is now UP\n";
    const DOWN: &str = "Gossiper.java:1500 - InetAddress /127.0.9.2:7000 is now DOWN\n";

    fn process(folder: &Path, last: u8) -> Process {
        let folder = folder.join(format!("node{last}"));
        fs::create_dir_all(folder.join("log")).unwrap();
        Process { pid: 0, address: Ipv4Addr::new(127, 0, 9, last), folder }
    }

    #[test]
    fn a_node_is_ready_when_its_log_its_peers_and_its_port_say_so() {
        let folder = tempfile::tempdir().unwrap();
        let (own, peer) = (process(folder.path(), 1), process(folder.path(), 2));
        let peer_log = node::log(&peer.folder);
        fs::write(&peer_log, UP.replace(".9.2", ".9.1")).unwrap();
        let _port = TcpListener::bind((own.address, PORT)).unwrap();
        let missing = |log: &[&str], needs_user| missing(&own, &log.concat(), &[&peer], needs_user).unwrap();

        assert_eq!(missing(&[LISTENS, COMPLETE, UP], false), None);
        assert_eq!(missing(&[LISTENS, COMPLETE, UP, USER], true), None);
        assert_eq!(missing(&[LISTENS, COMPLETE, DOWN, UP], false), None);
        for lacking in
            [&[LISTENS, UP][..], &[COMPLETE, UP], &[LISTENS, COMPLETE], &[LISTENS, COMPLETE, UP, DOWN]]
        {
            assert!(missing(lacking, false).is_some(), "{lacking:?}");
        }
        assert!(missing(&[LISTENS, COMPLETE, UP], true).is_some());
        fs::write(&peer_log, "").unwrap();
        assert!(missing(&[LISTENS, COMPLETE, UP], false).is_some());
    }

    #[test]
    fn a_node_whose_port_is_closed_is_not_ready() {
        let folder = tempfile::tempdir().unwrap();
        let log = [LISTENS, COMPLETE].concat();
        assert!(missing(&process(folder.path(), 3), &log, &[], false).unwrap().is_some());
    }

    #[test]
    fn addresses_may_leave_out_the_usual_port() {
        let addresses = parse_uri("127.0.0.1,127.0.0.2:9142").unwrap();
        assert_eq!(addresses, ["127.0.0.1:9042".parse().unwrap(), "127.0.0.2:9142".parse().unwrap()]);
        assert!(parse_uri("127.0.0.1:x").is_err());
    }

    #[test]
    fn a_listener_that_answers_nothing_is_no_server() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serve = |answer: &'static [u8]| {
            let listener = listener.try_clone().unwrap();
            thread::spawn(move || listener.accept().unwrap().0.write_all(answer).unwrap());
            speaks_cql(address)
        };
        assert!(!serve(b""));
        assert!(!serve(b"SSH-2.0-x\n"));
        assert!(serve(&[0x84, 0, 0, 0, 6, 0, 0, 0, 0]));
    }
}
