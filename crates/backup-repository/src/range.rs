//! The digest of ranges that may begin and end inside a partition.
//!
//! Parts of one partition cannot be hashed apart. So the range in which a partition begins hashes it whole, and
//! reads beyond its own end where it must. The range into which the partition reaches hashes what it sees of it apart
//! from the rest. That is dropped when ranges are joined.

use backup_format::{DigestBuilder, DigestState, Group, LeafHasher, show};

/// Collects one range.
#[derive(Debug, Default)]
pub(crate) struct RangeBuilder {
    first: Option<First>,
    rest: DigestBuilder,
    last_root: Option<Vec<u8>>,
}

#[derive(Debug)]
struct First {
    root_key: Vec<u8>,
    leaf: LeafHasher,
}

/// A range that is complete.
#[derive(Clone, Debug)]
pub(crate) struct RangeDigest {
    /// Its first partition, which may have begun before it; `None` for a range without entries.
    first: Option<(Vec<u8>, DigestState)>,
    /// All its other partitions.
    rest: DigestState,
    /// Root key of its last entry.
    last_root: Vec<u8>,
}

impl RangeBuilder {
    /// Appends the next group.
    pub(crate) fn push(&mut self, group: &Group<'_>) {
        if self.last_root.as_deref() != Some(group.root_key) {
            self.last_root = Some(group.root_key.to_vec());
        }
        match &mut self.first {
            Some(first) if first.root_key == group.root_key => first.leaf.update(group.body, group.entries),
            Some(_) => self.rest.push(group),
            None => {
                let mut leaf = LeafHasher::new(group.root_key);
                leaf.update(group.body, group.entries);
                self.first = Some(First { root_key: group.root_key.to_vec(), leaf });
            }
        }
    }

    /// Adds whole partitions that lie between the groups pushed before and after, and were hashed elsewhere.
    pub(crate) fn add(&mut self, whole: &DigestState) {
        self.rest.add(whole);
    }

    /// Returns the root key of the last entry.
    pub(crate) fn last_root(&self) -> Option<&[u8]> {
        self.last_root.as_deref()
    }

    /// Appends a group from beyond the end of the range, if it continues the last partition; returns true if it did.
    pub(crate) fn read_on(&mut self, group: &Group<'_>) -> bool {
        let goes_on = self.last_root() == Some(group.root_key);
        if goes_on {
            self.push(group);
        }
        goes_on
    }

    /// Completes the range.
    pub(crate) fn finish(self) -> RangeDigest {
        let first = self.first.map(|first| {
            let mut state = DigestState::default();
            state.add_partition(&first.leaf);
            (first.root_key, state)
        });
        RangeDigest { first, rest: self.rest.finish(), last_root: self.last_root.unwrap_or_default() }
    }
}

impl RangeDigest {
    /// Makes the digest of a range of whole partitions, which was computed elsewhere.
    pub(crate) fn whole(state: DigestState) -> Self {
        Self { first: None, rest: state, last_root: Vec::new() }
    }
}

/// Adds up ranges that follow each other, in which a partition may lie in two. Returns also for each whether its first
/// partition began before it.
pub(crate) fn join(ranges: &[RangeDigest]) -> (DigestState, Vec<bool>) {
    let mut sum = DigestState::default();
    let mut last_root: Option<&[u8]> = None;
    let mut goes_on = Vec::with_capacity(ranges.len());
    for range in ranges {
        let Some((root_key, first)) = &range.first else {
            sum.add(&range.rest);
            goes_on.push(false);
            continue;
        };
        let continues = last_root == Some(root_key);
        if !continues {
            sum.add(first);
        }
        goes_on.push(continues);
        sum.add(&range.rest);
        last_root = Some(&range.last_root);
    }
    (sum, goes_on)
}

/// Adds up ranges of whole partitions; or names the partition that lies in two neighbours.
pub(crate) fn join_whole(ranges: &[RangeDigest]) -> Result<(DigestState, Vec<bool>), String> {
    let (state, goes_on) = join(ranges);
    match ranges.iter().zip(&goes_on).find(|(_, goes_on)| **goes_on) {
        None => Ok((state, goes_on)),
        Some((range, _)) => {
            let root_key = range.first.as_ref().map_or(&[][..], |(root_key, _)| root_key);
            Err(format!("the partition of root_key={} is in two ranges", show(root_key)))
        }
    }
}
