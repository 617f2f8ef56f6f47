//! How often rows are kept, and what a reading proves because of it.

use std::collections::HashMap;

use crate::options::ConsistencyLevel;

/// The replication of a keyspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replication {
    /// Replicas of each row in all datacenters; `None` when the schema is not understood.
    factor: Option<u32>,
    datacenters: usize,
}

impl Replication {
    /// Reads what the schema says.
    pub(crate) fn of(options: &HashMap<String, String>) -> Self {
        let factors = options.iter().filter(|(name, _)| *name != "class");
        let factors: Option<Vec<u32>> = factors.map(|(_, factor)| factor.parse().ok()).collect();
        let used: Vec<u32> = factors.iter().flatten().copied().filter(|factor| *factor > 0).collect();
        let factor = (factors.is_some() && !used.is_empty()).then(|| used.iter().sum());
        Self { factor, datacenters: used.len() }
    }

    /// Returns true if proven partitions hold all that was acknowledged before, and nothing torn.
    ///
    /// With several replicas a batch may have reached only some of them. A page from a majority
    /// holds such a batch whole or not at all. Over several pages this is certain only if all
    /// replicas answer.
    pub(crate) fn vouches(self, level: ConsistencyLevel, over_several_pages: bool) -> bool {
        match (self.factor, level) {
            (Some(1), _) | (Some(_), ConsistencyLevel::All) => true,
            (Some(_), ConsistencyLevel::Quorum) => !over_several_pages,
            (Some(_), ConsistencyLevel::LocalQuorum) => !over_several_pages && self.datacenters == 1,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConsistencyLevel::{All, LocalOne, LocalQuorum, One, Quorum};

    fn replication(options: &[(&str, &str)]) -> Replication {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Replication::of(
            &options.chain([("class".to_owned(), "x.NetworkTopologyStrategy".to_owned())]).collect(),
        )
    }

    #[test]
    fn one_replica_vouches_at_any_level() {
        for one in [
            replication(&[("datacenter1", "1")]),
            replication(&[("replication_factor", "1")]),
            replication(&[("a", "1"), ("b", "0")]),
        ] {
            assert!(ConsistencyLevel::ALL.iter().all(|level| one.vouches(*level, true)), "{one:?}");
        }
    }

    #[test]
    fn of_several_replicas_a_majority_vouches_for_a_page_and_only_all_for_more() {
        let three = replication(&[("datacenter1", "3")]);
        let vouches =
            |several| [One, LocalOne, Quorum, LocalQuorum, All].map(|level| three.vouches(level, several));
        assert_eq!(vouches(false), [false, false, true, true, true]);
        assert_eq!(vouches(true), [false, false, false, false, true]);
        let apart = replication(&[("a", "1"), ("b", "1")]);
        assert!(!apart.vouches(LocalQuorum, false) && apart.vouches(Quorum, false));
    }

    #[test]
    fn nothing_is_vouched_for_that_is_not_understood() {
        for unknown in [replication(&[("a", "3/1")]), replication(&[]), replication(&[("a", "0")])] {
            assert!(!unknown.vouches(All, false), "{unknown:?}");
        }
    }
}
