//! How a pump reads what an engine planned.

use std::collections::HashSet;
use std::ops::Range as Indices;
use std::sync::Arc;

use backup_format::{Order, Range, ReadPlan};

/// Neighbouring ranges of a phase, for one worker.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub phase: u8,
    /// All ranges of the phase.
    pub ranges: Arc<[Range]>,
    /// Those that this worker reads.
    pub own: Indices<usize>,
    /// Whether each range begins a page and holds whole partitions.
    pub starts_pages: bool,
}

/// Checks a plan by the rules of [`ReadPlan`]; returns the rule that it breaks.
pub(crate) fn check(plan: &ReadPlan, order: Order, ranges_max: usize) -> Result<(), String> {
    let phases = plan.phases.len();
    let most = if order == Order::Token { 2 } else { 1 };
    if phases == 0 || phases > most {
        return Err(format!("its plan has {phases} phases; its order allows 1 to {most}"));
    }
    if plan.ranges() == 0 {
        return Err("its plan has no ranges".to_owned());
    }
    if let Some(long) = plan.phases.iter().find(|phase| phase.len() > ranges_max) {
        return Err(format!("its plan has {} ranges in a phase, more than {ranges_max}", long.len()));
    }
    // The cut rule cannot see by an entry alone that a part of the ring begins with it.
    let divides_ring = order == Order::Token && plan.ranges() > 1;
    if !plan.starts_pages && (divides_ring || plan.identity.is_some()) {
        return Err("its ranges must begin pages, and do not".to_owned());
    }
    let mut seen = HashSet::new();
    match plan.phases.iter().flatten().find(|range| !seen.insert(*range)) {
        None => Ok(()),
        Some(_) => Err("its plan has the same range twice".to_owned()),
    }
}

/// Divides the ranges at `wanted`, in increasing order, into at most `count` runs of neighbours.
///
/// Where ranges do not begin pages, each is a run of its own.
pub(crate) fn runs(
    (phase, ranges): (u8, &Arc<[Range]>),
    wanted: &[usize],
    starts_pages: bool,
    count: usize,
) -> Vec<Run> {
    let longest = if starts_pages { wanted.len().div_ceil(count.max(1)).max(1) } else { 1 };
    let neighbours = wanted.chunk_by(|one, next| one + 1 == *next);
    let pieces = neighbours.flat_map(|run| run.chunks(longest));
    let run = |piece: &[usize]| {
        let (first, last) = piece.first().zip(piece.last())?;
        Some(Run { phase, ranges: ranges.clone(), own: *first..last + 1, starts_pages })
    };
    pieces.filter_map(run).collect()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    fn plan(phases: &[&[u8]], starts_pages: bool) -> ReadPlan {
        let range = |token: &u8| Range { token: vec![*token] };
        let phases = phases.iter().map(|phase| phase.iter().map(range).collect()).collect();
        ReadPlan { phases, identity: None, starts_pages, requests_per_range: NonZeroUsize::MIN }
    }

    #[test]
    fn plans_that_break_a_rule_are_refused() {
        for (good, order) in [
            (plan(&[&[1, 2, 3]], false), Order::Plain),
            (plan(&[&[1, 2, 3], &[4]], true), Order::Token),
            (plan(&[&[], &[4]], true), Order::Token),
            (plan(&[&[1]], false), Order::Token),
        ] {
            assert_eq!(check(&good, order, 3), Ok(()), "{good:?}");
        }
        let identified = ReadPlan { identity: Some("a".to_owned()), ..plan(&[&[1]], false) };
        for (bad, order, problem) in [
            (plan(&[], true), Order::Token, "0 phases"),
            (plan(&[&[1], &[2], &[3]], true), Order::Token, "3 phases"),
            (plan(&[&[1], &[2]], true), Order::Plain, "2 phases"),
            (plan(&[&[], &[]], true), Order::Token, "no ranges"),
            (plan(&[&[1, 2, 3, 4]], true), Order::Plain, "4 ranges"),
            (plan(&[&[1], &[2]], false), Order::Token, "must begin pages"),
            (plan(&[&[1, 2]], false), Order::Token, "must begin pages"),
            (identified, Order::Plain, "must begin pages"),
            (plan(&[&[1], &[1]], true), Order::Token, "same range twice"),
        ] {
            let found = check(&bad, order, 3).unwrap_err();
            assert!(found.contains(problem), "{bad:?}: {found}");
        }
    }

    #[test]
    fn runs_are_neighbours_and_together_all_that_is_wanted() {
        let ranges: Arc<[Range]> = (0..10).map(|token| Range { token: vec![token] }).collect();
        let own = |wanted: &[usize], starts_pages, count| -> Vec<_> {
            runs((0, &ranges), wanted, starts_pages, count).into_iter().map(|run| run.own).collect()
        };
        let all: Vec<usize> = (0..10).collect();
        assert_eq!(own(&all, true, 3), [0..4, 4..8, 8..10]);
        assert_eq!(own(&all, true, 1), vec![0_usize..10]);
        assert_eq!(own(&[1, 2, 3, 7, 9], true, 2), [1..4, 7..8, 9..10]);
        assert_eq!(own(&[0, 1, 2], false, 1), [0..1, 1..2, 2..3]);
        assert!(own(&[], true, 2).is_empty());
    }
}
