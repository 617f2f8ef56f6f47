//! A proxy between the crate and its servers, which breaks what passes.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use backup_scylla::{CqlNamespace, CqlOptions};
use scylla_proxy::{
    Condition, Node, Proxy, Reaction, RequestOpcode, RequestReaction, RequestRule, ResponseFrame,
    ResponseOpcode, ResponseReaction, ResponseRule, RunningProxy, ShardAwareness, example_db_errors,
    get_exclusive_local_address,
};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::support::{KEYSPACE, hosts};

/// What happens to a request.
#[derive(Clone, Copy)]
pub enum Fault {
    /// Instead of reaching the server.
    Before(fn() -> RequestReaction),
    /// When the server has done what it asks for, to its answer.
    After(fn() -> ResponseReaction),
}

/// A fault with its name.
pub type Named = (&'static str, Fault);

/// All that servers and networks are known to do, and to undo.
pub const PASSING: [Named; 12] = [
    ("the connection is lost before", Fault::Before(RequestReaction::drop_connection)),
    ("the answer is lost", Fault::After(ResponseReaction::drop_frame)),
    ("overloaded", Fault::Before(|| RequestReaction::forge().overloaded())),
    ("the connection is lost after", Fault::After(ResponseReaction::drop_connection)),
    ("read timeout", Fault::Before(|| RequestReaction::forge().read_timeout())),
    ("write timeout after the write", Fault::After(write_timeout)),
    ("unavailable", Fault::Before(|| RequestReaction::forge().unavailable())),
    ("server error", Fault::Before(|| RequestReaction::forge().server_error())),
    ("the request is lost", Fault::Before(RequestReaction::drop_frame)),
    ("bootstrapping", Fault::Before(|| RequestReaction::forge().is_bootstrapping())),
    ("write timeout", Fault::Before(|| RequestReaction::forge().write_timeout())),
    ("slow", Fault::After(|| ResponseReaction::delay(Duration::from_millis(150)))),
];

/// Puts a write timeout in the place of a good answer.
fn write_timeout() -> ResponseReaction {
    ResponseReaction::transform_frame(Arc::new(|answer: ResponseFrame| {
        ResponseFrame::forged_error(answer.params, example_db_errors::write_timeout(), None).unwrap()
    }))
}

/// Proxies in front of all servers.
pub struct Between {
    running: RunningProxy,
    hosts: String,
    addresses: BTreeMap<IpAddr, SocketAddr>,
}

impl Between {
    pub async fn start() -> Self {
        let (mut nodes, mut proxies, mut addresses) = (Vec::new(), Vec::new(), BTreeMap::new());
        for host in hosts().split(',') {
            let real: SocketAddr = host.parse().expect("hosts are given as ADDRESS:PORT");
            let proxy = SocketAddr::new(get_exclusive_local_address(), real.port());
            let node = Node::builder().real_address(real).proxy_address(proxy);
            nodes.push(node.shard_awareness(ShardAwareness::Unaware).build());
            proxies.push(proxy.to_string());
            addresses.insert(real.ip(), proxy);
        }
        let running = Proxy::new(nodes).run().await.unwrap();
        Self { running, hosts: proxies.join(","), addresses }
    }

    /// Names a table on the other side.
    pub fn namespace(&self, table: &str, options: CqlOptions) -> CqlNamespace {
        let options = options.with_addresses(self.addresses.clone());
        let address = format!("scylla://{}/{KEYSPACE}/{table}", self.hosts).parse().unwrap();
        CqlNamespace::at(address, options)
    }

    /// Lets some requests of each node fail: after `good` ones, and then each time after as many
    /// good ones as the next number says. The last fault is repeated without an end if it is to
    /// last.
    pub fn break_requests(&mut self, faults: &[(usize, Fault)], lasting: bool) {
        let (mut requests, mut responses) = (Vec::new(), Vec::new());
        for (index, (good, fault)) in faults.iter().enumerate() {
            let times = if lasting && index + 1 == faults.len() { usize::MAX } else { 1 };
            match fault {
                Fault::Before(reaction) => {
                    requests.push(RequestRule(of_requests(*good), RequestReaction::noop()));
                    requests.push(RequestRule(of_requests(times), reaction()));
                }
                Fault::After(reaction) => {
                    responses.push(ResponseRule(of_responses(*good), ResponseReaction::noop()));
                    responses.push(ResponseRule(of_responses(times), reaction()));
                }
            }
        }
        for node in &mut self.running.running_nodes {
            node.change_request_rules(Some(requests.clone()));
            node.change_response_rules(Some(responses.clone()));
        }
    }

    /// Lets some preparations of statements get lost: the driver has no time limit for these.
    pub fn lose_preparations(&mut self, times: usize) {
        let condition = limited(Condition::RequestOpcode(RequestOpcode::Prepare), times);
        for node in &mut self.running.running_nodes {
            node.change_request_rules(Some(vec![RequestRule(
                condition.clone(),
                RequestReaction::drop_frame(),
            )]));
        }
    }

    /// Counts the requests of all nodes that could be broken.
    pub fn count_requests(&mut self) -> UnboundedReceiver<()> {
        let (counted, count) = mpsc::unbounded_channel();
        for node in &mut self.running.running_nodes {
            let counted = counted.clone();
            let counting = RequestReaction::transform_frame(Arc::new(move |request| {
                let _ = counted.send(());
                request
            }));
            node.change_request_rules(Some(vec![RequestRule(of_requests(usize::MAX), counting)]));
        }
        count
    }

    /// Ends it in the background: it waits for connections that nobody uses. It fails, or even
    /// panics, if a session was closed before.
    pub fn end(self) {
        drop(tokio::spawn(self.running.finish()));
    }
}

/// Matches so many requests. The driver's own connection for the state of the cluster is left
/// alone.
fn of_requests(times: usize) -> Condition {
    let opcodes =
        [RequestOpcode::Query, RequestOpcode::Prepare, RequestOpcode::Execute, RequestOpcode::Batch];
    let of_the_crate = Condition::any(opcodes.map(Condition::RequestOpcode));
    limited(of_the_crate, times)
}

fn of_responses(times: usize) -> Condition {
    limited(Condition::ResponseOpcode(ResponseOpcode::Result), times)
}

fn limited(what: Condition, times: usize) -> Condition {
    let what = what.and(Condition::not(Condition::ConnectionRegisteredAnyEvent));
    what.and(Condition::TrueForLimitedTimes(times))
}
