//! Which of many cases a test runs.

use std::ops::Range;

use crate::seed::seed;

/// Set by `cargo xtask test-all --exhaustive`.
const VARIABLE: &str = "KVBACKUP_EXHAUSTIVE";

/// Returns true in an exhaustive run, which tries all cases: the environment variable `KVBACKUP_EXHAUSTIVE` is set.
#[must_use]
pub fn is_exhaustive() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|value| !value.is_empty())
}

/// Returns the cases of a range that a test tries: all in an exhaustive run, otherwise one of each `stride` neighbours.
///
/// Where it begins depends on the [`seed`], so that many runs try all. A stride of 0 is taken for 1.
pub fn sample(cases: Range<u64>, stride: u64) -> impl Iterator<Item = u64> {
    sample_from(cases, if is_exhaustive() { 1 } else { stride.max(1) }, seed())
}

fn sample_from(cases: Range<u64>, stride: u64, seed: u64) -> impl Iterator<Item = u64> {
    // A range shorter than the stride must not be left out.
    let stride = stride.min(cases.end.saturating_sub(cases.start)).max(1);
    cases.filter(move |number| number % stride == seed % stride)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_tried_with_some_seed_and_a_short_range_always() {
        let mut tried: Vec<u64> = (0..5).flat_map(|seed| sample_from(3..20, 5, seed)).collect();
        tried.sort_unstable();
        assert_eq!(tried, Vec::from_iter(3..20));
        assert_eq!(sample_from(3..20, 1, 7).count(), 17);
        for seed in 0..9 {
            assert_eq!(sample_from(0..2, 6, seed).count(), 1);
            assert_eq!(sample_from(0..0, 6, seed).count(), 0);
        }
    }
}
