//! How a namespace is divided for reading.

use std::num::NonZeroUsize;

/// A contiguous piece of a snapshot, in its order: what one worker reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    /// Identifies the range to the engine that planned it, and to no other.
    pub token: Vec<u8>,
}

/// Phases and ranges in which a snapshot is read.
///
/// All ranges, one after the other, are the whole namespace in the order of the dump. Each entry lies in one range. The
/// pump begins no range of a phase before it has read all ranges of the phases before it. Within a phase, ranges are
/// read in any order, and several at a time. A namespace without entries has one phase with one range, or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPlan {
    /// Ranges of each phase, in the order of the dump. [`Order::Token`](crate::Order::Token) allows two phases, other
    /// orders one.
    pub phases: Vec<Vec<Range>>,
    /// Distinguishes this namespace from all others, if several processes can read it together. Then each process
    /// that plans with the same `ranges_max` gets the same ranges. `None` if only one process can read it.
    pub identity: Option<String>,
    /// Whether each range begins a page of the dump, and holds whole partitions. It must if there are several phases or
    /// an identity. If it is false, the pump reads on into the next range until the cut rule begins a page there.
    pub starts_pages: bool,
    /// Requests that the engine makes at a time for one range: where they are several, fewer ranges keep it busy.
    pub requests_per_range: NonZeroUsize,
}

impl ReadPlan {
    /// Plans one phase, for one process, whose ranges begin no page by themselves.
    ///
    /// ```
    /// use backup_format::{Range, ReadPlan};
    ///
    /// let plan = ReadPlan::of_one_phase(vec![Range { token: vec![] }]);
    /// assert_eq!((plan.phases.len(), plan.starts_pages, plan.identity), (1, false, None));
    /// ```
    #[must_use]
    pub fn of_one_phase(ranges: Vec<Range>) -> Self {
        let phases = vec![ranges];
        Self { phases, identity: None, starts_pages: false, requests_per_range: NonZeroUsize::MIN }
    }

    /// Returns the number of ranges of all phases.
    #[must_use]
    pub fn ranges(&self) -> usize {
        self.phases.iter().map(Vec::len).sum()
    }
}
