//! Which nodes are asked for a range of tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use scylla::cluster::{ClusterState, Node, NodeRef};
use scylla::errors::RequestAttemptError;
use scylla::policies::load_balancing::{FallbackPlan, LoadBalancingPolicy, RoutingInfo};
use scylla::routing::{Shard, Token};

use crate::address::CqlAddress;
use crate::range::TokenRange;

/// Prefers nodes that hold the rows. The driver itself routes by partition key only, and a range of
/// tokens has none.
///
/// All pages of a range come from the same node until it fails: it may have kept its place.
#[derive(Debug)]
pub(crate) struct Route {
    replicas: Vec<(Arc<Node>, Option<Shard>)>,
    /// The replica that is asked first; counted on with each failure.
    first: AtomicUsize,
}

impl Route {
    /// Makes the route to a range. Ranges with different `number`s begin with different replicas.
    pub(crate) fn to(cluster: &ClusterState, address: &CqlAddress, range: TokenRange, number: usize) -> Self {
        let found = cluster.get_token_endpoints(address.keyspace(), address.table(), Token::new(range.to));
        let replicas = found.into_iter().map(|(node, shard)| {
            let shard = node.sharder().map(|sharder| shard % u32::from(sharder.nr_shards.get()));
            (node, shard)
        });
        Self { replicas: replicas.collect(), first: AtomicUsize::new(number) }
    }

    /// Returns the replicas in the order in which they are asked; those without a connection come
    /// last.
    fn replicas(&self) -> Vec<(NodeRef<'_>, Option<Shard>)> {
        let first = self.first.load(Ordering::Relaxed) % self.replicas.len().max(1);
        let (before, after) = self.replicas.split_at_checked(first).unwrap_or_default();
        let turned = after.iter().chain(before);
        let (mut connected, apart): (Vec<_>, Vec<_>) =
            turned.map(|(node, shard)| (node, *shard)).partition(|(node, _)| node.is_connected());
        connected.extend(apart);
        connected
    }
}

impl LoadBalancingPolicy for Route {
    fn pick<'a>(
        &'a self,
        _: &'a RoutingInfo<'_>,
        _: &'a ClusterState,
    ) -> Option<(NodeRef<'a>, Option<Shard>)> {
        self.replicas().into_iter().next()
    }

    /// Returns the other replicas, and then all nodes that can pass the request on.
    fn fallback<'a>(&'a self, _: &'a RoutingInfo<'_>, cluster: &'a ClusterState) -> FallbackPlan<'a> {
        let replicas = self.replicas();
        let is_replica =
            |node: &Node| self.replicas.iter().any(|(replica, _)| replica.host_id == node.host_id);
        let others: Vec<_> = cluster
            .get_nodes_info()
            .iter()
            .filter(|node| !is_replica(node))
            .map(|node| (node, None))
            .collect();
        let picked = usize::from(!replicas.is_empty());
        Box::new(replicas.into_iter().skip(picked).chain(others))
    }

    fn on_request_failure(&self, _: &RoutingInfo<'_>, _: Duration, _: NodeRef<'_>, _: &RequestAttemptError) {
        self.first.fetch_add(1, Ordering::Relaxed);
    }

    fn name(&self) -> String {
        "replicas of a range of tokens".to_owned()
    }
}
