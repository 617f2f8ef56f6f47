//! Which dumps a bar of a chart stands for.

use crate::numbers::{counted, minute, short};
use crate::subject::Dump;

/// Most bars of a chart: more of them are narrower than a pixel on a small screen.
pub(crate) const BARS_MAX: usize = 240;

/// Divides dumps into groups of neighbours, one for each bar. Up to [`BARS_MAX`] dumps are one to a bar.
pub(crate) fn groups(dumps: &[Dump]) -> Vec<&[Dump]> {
    dumps.chunks(per_bar(dumps)).collect()
}

/// Returns how many dumps a bar stands for, at most.
pub(crate) fn per_bar(dumps: &[Dump]) -> usize {
    dumps.len().div_ceil(BARS_MAX).max(1)
}

/// Names the dumps of a group.
pub(crate) fn label(group: &[Dump]) -> String {
    let Some(last) = group.last() else { return String::new() };
    let time = minute(&last.finished);
    match group.len() {
        1 => format!("dump {}, {time}", short(&last.id)),
        number => format!("{} to {time}", counted(number as u64, ("dump", "dumps"))),
    }
}

/// Returns what stands at both ends of the axis: when the first and the last dump were finished. One dump has one end.
pub(crate) fn ends(dumps: &[Dump]) -> Vec<String> {
    let (first, last) = (dumps.first(), dumps.last().filter(|_| dumps.len() > 1));
    first.into_iter().chain(last).map(|dump| minute(&dump.finished)).collect()
}
