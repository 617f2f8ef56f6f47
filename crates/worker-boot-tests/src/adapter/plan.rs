//! In which order partitions are read, and how they are divided.

use std::ops::Range;

use backup_format::token;

/// Partitions for which one slice is made.
const SLICE_PARTITIONS: usize = 256;
/// Most slices of a phase are two to the power of this.
const SLICE_BITS_MAX: u32 = 12;

/// The slices of a namespace: those of the exclusive partitions, and then those of all others. Within each of these
/// phases a slice is a range of tokens. Slices follow from the number of partitions alone, so pages can begin with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    bits: u32,
}

impl Plan {
    pub(crate) fn new(partitions: usize) -> Self {
        Self { bits: (partitions / SLICE_PARTITIONS).max(1).ilog2().min(SLICE_BITS_MAX) }
    }

    /// Returns the numbers of all slices.
    pub(crate) fn whole(self) -> Range<u32> {
        0..2 << self.bits
    }

    /// Returns what a range of slices has of each phase, without what is empty.
    pub(crate) fn phases(self, slices: &Range<u32>) -> impl Iterator<Item = Range<u32>> + use<> {
        let middle = 1 << self.bits;
        let (first, second) = (slices.start..slices.end.min(middle), slices.start.max(middle)..slices.end);
        [first, second].into_iter().filter(|phase| !phase.is_empty())
    }

    /// Returns the number of the slice in which a partition is.
    pub(crate) fn slice(self, is_exclusive: bool, root_key: &[u8]) -> u32 {
        let position = (stored_token(root_key) as u64) ^ (1 << 63);
        // Shifting by 64 bits in one go is not defined.
        let within = (position >> 32 >> (32 - self.bits)) as u32;
        within + if is_exclusive { 0 } else { 1 << self.bits }
    }

    /// Divides the slices into at most `count` ranges with about the same number of partitions. `weights` are the numbers
    /// of partitions of the slices.
    pub(crate) fn divide(self, weights: &[u64], count: usize) -> Vec<Range<u32>> {
        let total: u64 = weights.iter().sum();
        let mut ranges = Vec::new();
        let (mut start, mut before, mut reached) = (0, 0, 0);
        for (slice, weight) in self.whole().zip(weights) {
            let share = u128::from(before) * count as u128 / u128::from(total.max(1));
            if share > reached && *weight > 0 {
                ranges.push(start..slice);
                (start, reached) = (slice, share);
            }
            before += weight;
        }
        ranges.push(start..self.whole().end);
        ranges
    }
}

/// Sorts root keys of one phase as a dump of order `Token` has them.
pub(crate) fn sort(root_keys: &mut [Vec<u8>]) {
    root_keys.sort_by_cached_key(|root_key| (stored_token(root_key), root_key.clone()));
}

/// The token of the partition key under which linera stores a root key in CQL.
fn stored_token(root_key: &[u8]) -> i64 {
    token(&[&[0], root_key].concat())
}

#[cfg(test)]
mod tests {
    use super::Plan;

    #[test]
    fn slices_grow_with_the_number_of_partitions() {
        for (partitions, slices) in [(0, 2), (1, 2), (511, 2), (512, 4), (4_000, 16), (usize::MAX, 8_192)] {
            assert_eq!(Plan::new(partitions).whole(), 0..slices, "{partitions} partitions");
        }
    }

    #[test]
    fn a_slice_is_a_range_of_tokens_of_one_phase() {
        let plan = Plan::new(1_024);
        let mut root_keys: Vec<Vec<u8>> = (0..500u16).map(|number| number.to_be_bytes().to_vec()).collect();
        super::sort(&mut root_keys);
        for (is_exclusive, expected) in [(true, 0..4), (false, 4..8)] {
            let slices: Vec<u32> =
                root_keys.iter().map(|root_key| plan.slice(is_exclusive, root_key)).collect();
            assert!(slices.is_sorted());
            assert_eq!((slices[0], slices[499]), (expected.start, expected.end - 1));
            assert!(slices.iter().all(|slice| plan.phases(&expected).any(|phase| phase.contains(slice))));
        }
        assert_eq!(plan.phases(&(3..5)).collect::<Vec<_>>(), [3..4, 4..5]);
    }

    #[test]
    fn shares_follow_each_other_and_are_all_of_it() {
        let plan = Plan::new(1_024);
        for weights in [[0; 8], [0, 0, 0, 0, 900, 0, 0, 100], [7, 0, 0, 1, 9, 9, 9, 9]] {
            for count in 1..12 {
                let ranges = plan.divide(&weights, count);
                assert!(ranges.len() <= count);
                assert_eq!((ranges[0].start, ranges[ranges.len() - 1].end), (0, 8));
                assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
                let has_some = |range: &std::ops::Range<u32>| {
                    weights[range.start as usize..range.end as usize].iter().any(|weight| *weight > 0)
                };
                assert!(ranges.len() == 1 || ranges.iter().all(has_some));
            }
        }
        assert_eq!(plan.divide(&[7, 0, 0, 1, 9, 9, 9, 9], 2), [0..6, 6..8]);
    }
}
