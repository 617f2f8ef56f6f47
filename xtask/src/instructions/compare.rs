//! What changed between two runs, and what a benchmark costs before its first item and for each.

use super::measure::Measurement;

/// How a count stands to that of the baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    /// There is no baseline.
    Unknown,
    /// The baseline has no such benchmark.
    New,
    /// The count of the baseline.
    Since(u64),
}

/// A measurement beside that of the baseline.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) now: Measurement,
    pub(super) change: Change,
    pub(super) is_grown: bool,
}

/// All measurements, in the order of the benchmarks.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) rows: Vec<Row>,
    /// What only the baseline has.
    pub(super) gone: Vec<Measurement>,
    pub(super) threshold_percent: f64,
}

impl Comparison {
    /// Compares with the baseline; `None` where there is nothing to compare with.
    pub(super) fn new(before: Option<&[Measurement]>, now: Vec<Measurement>, threshold_percent: f64) -> Self {
        let known = before.unwrap_or_default();
        let gone = known.iter().filter(|old| !now.iter().any(|new| new.is_same(old))).cloned().collect();
        let row = |now: Measurement| {
            let old = known.iter().find(|old| old.is_same(&now)).map(|old| old.counts.instructions);
            let change = match (before, old) {
                (None, _) => Change::Unknown,
                (Some(_), None) => Change::New,
                (Some(_), Some(old)) => Change::Since(old),
            };
            let is_grown = old.is_some_and(|old| percent(old, now.counts.instructions) > threshold_percent);
            Row { now, change, is_grown }
        };
        Self { rows: now.into_iter().map(row).collect(), gone, threshold_percent }
    }

    /// Returns the rows whose instructions grew by more than the threshold.
    pub(super) fn grown(&self) -> Vec<&Row> {
        self.rows.iter().filter(|row| row.is_grown).collect()
    }

    /// Returns the cost of each benchmark that was measured at two sizes or more.
    pub(super) fn costs(&self) -> Vec<Cost<'_>> {
        let mut costs: Vec<Cost<'_>> = Vec::new();
        for row in &self.rows {
            if costs.iter().any(|cost| cost.benchmark == row.now.benchmark) {
                continue;
            }
            let of_benchmark =
                self.rows.iter().map(|row| &row.now).filter(|m| m.benchmark == row.now.benchmark);
            let smallest = of_benchmark.clone().min_by_key(|measured| measured.size);
            let largest = of_benchmark.max_by_key(|measured| measured.size);
            costs.extend(smallest.zip(largest).and_then(|(small, large)| Cost::between(small, large)));
        }
        costs
    }
}

/// Returns by how many percent a count grew; less than 0 when it shrank.
pub(super) fn percent(old: u64, new: u64) -> f64 {
    match old {
        0 if new == 0 => 0.0,
        _ => (new as f64 - old as f64) / old as f64 * 100.0,
    }
}

/// The straight line through the counts of two sizes.
#[derive(Debug, PartialEq)]
pub(super) struct Cost<'a> {
    pub(super) benchmark: &'a str,
    pub(super) unit: &'a str,
    /// Instructions for each.
    pub(super) each: f64,
    /// Instructions before the first; less than 0 where larger inputs cost more for each.
    pub(super) constant: f64,
}

impl<'a> Cost<'a> {
    fn between(small: &'a Measurement, large: &'a Measurement) -> Option<Self> {
        if small.size == large.size || small.unit != large.unit {
            return None;
        }
        let (first, last) = (small.counts.instructions as f64, large.counts.instructions as f64);
        let each = (last - first) / (large.size - small.size) as f64;
        let constant = first - each * small.size as f64;
        Some(Self { benchmark: &small.benchmark, unit: &small.unit, each, constant })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::measure::Counts;
    use super::*;

    pub(in super::super) fn measured(benchmark: &str, size: u64, instructions: u64) -> Measurement {
        let counts = Counts { instructions, l1_hits: 1_000, llc_hits: 20, ram_hits: 3, cycles: 1_205 };
        Measurement { benchmark: benchmark.into(), unit: "entries".into(), size, counts }
    }

    fn grown(old: u64, new: u64, threshold: f64) -> bool {
        let before = [measured("path", 8, old)];
        !Comparison::new(Some(&before), vec![measured("path", 8, new)], threshold).grown().is_empty()
    }

    #[test]
    fn growth_above_the_threshold_is_seen_and_growth_up_to_it_is_not() {
        assert!(!grown(10_000, 10_000, 1.0) && !grown(10_000, 10_100, 1.0) && grown(10_000, 10_101, 1.0));
        assert!(!grown(10_000, 5_000, 1.0));
        assert!(grown(10_000, 10_001, 0.0) && !grown(10_000, 10_000, 0.0));
        assert!(grown(0, 1, 1.0) && !grown(0, 0, 0.0));
    }

    #[test]
    fn each_size_is_compared_with_its_own_baseline() {
        let before = [measured("a", 8, 100), measured("a", 64, 1_000), measured("b", 8, 10)];
        let now = vec![measured("b", 8, 10), measured("a", 64, 1_000), measured("a", 8, 105)];
        let comparison = Comparison::new(Some(&before), now, 1.0);
        let grown: Vec<_> = comparison.grown().iter().map(|row| row.now.name()).collect();
        assert_eq!(grown, ["a of 8 entries"]);
    }

    #[test]
    fn a_benchmark_on_one_side_only_is_new_or_gone_and_has_not_grown() {
        let before = [measured("old", 8, 1), measured("resized", 8, 1)];
        let comparison =
            Comparison::new(Some(&before), vec![measured("new", 8, 9), measured("resized", 16, 9)], 1.0);
        assert!(comparison.rows.iter().all(|row| row.change == Change::New));
        let gone: Vec<_> = comparison.gone.iter().map(Measurement::name).collect();
        assert_eq!(gone, ["old of 8 entries", "resized of 8 entries"]);
        assert!(comparison.grown().is_empty());
    }

    #[test]
    fn without_a_baseline_nothing_is_new_or_grown() {
        let comparison = Comparison::new(None, vec![measured("a", 8, 9)], 0.0);
        assert_eq!(comparison.rows[0].change, Change::Unknown);
        assert!(comparison.grown().is_empty() && comparison.gone.is_empty());
    }

    #[test]
    fn two_sizes_tell_the_constant_cost_and_the_cost_of_each() {
        let now = vec![measured("a", 100, 700), measured("lone", 8, 1), measured("a", 10, 250)];
        let comparison = Comparison::new(None, now, 1.0);
        let expected = Cost { benchmark: "a", unit: "entries", each: 5.0, constant: 200.0 };
        assert_eq!(comparison.costs(), [expected]);
    }
}
