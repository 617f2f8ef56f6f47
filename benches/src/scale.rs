//! What our own steps cost, by the size of the database and the number of cores.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;

use crate::round::{DataSet, Place};
use crate::step::{self, Cost, STEPS, Step, Task};
use crate::table::median;
use kvbackup_bench_content::Mix;

/// What a step took with one size and number of cores.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) step: Step,
    pub(crate) megabytes: u64,
    pub(crate) cores: usize,
    pub(crate) costs: Vec<Cost>,
}

impl Point {
    /// Returns the median over the rounds.
    pub(crate) fn seconds(&self) -> f64 {
        median(self.costs.iter().map(|cost| cost.seconds).collect())
    }

    fn peak_kib(&self) -> u64 {
        self.costs.iter().map(|cost| cost.peak_kib).max().unwrap_or_default()
    }
}

/// Returns the steps that are measured: our own, as the program does them by default.
fn steps() -> impl Iterator<Item = Step> {
    let tasks = [Task::Backup, Task::Second(0), Task::Verify, Task::Restore];
    tasks.into_iter().filter_map(|task| STEPS.into_iter().find(|step| step.task == task))
}

/// Measures all steps with databases of so many megabytes, on one core, two, four .. and all there are.
pub(crate) fn measure(sizes: &[u64], rounds: usize, folder: &Path) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    for &megabytes in sizes {
        let place = Place::prepare(DataSet { mix: Mix::Validator, megabytes }, folder)?.0;
        let first = points.len();
        for step in steps() {
            let at = |cores| Point { step, megabytes, cores, costs: Vec::new() };
            points.extend(cores(step::all_cores()).into_iter().map(at));
        }
        for round in 1..=rounds {
            for point in &mut points[first..] {
                let (cost, _) = place.run(point.step, Some(point.cores))?;
                let (task, cores) = (point.step.task.name(), point.cores);
                eprintln!("{megabytes} MB, round {round}: {task} on {cores}: {:.2} s", cost.seconds);
                point.costs.push(cost);
            }
        }
        place.remove()?;
    }
    Ok(points)
}

/// Returns 1, 2, 4 .. and `all`.
fn cores(all: usize) -> Vec<usize> {
    let mut cores: Vec<usize> =
        std::iter::successors(Some(1), |cores| Some(cores * 2)).take_while(|cores| *cores < all).collect();
    cores.push(all);
    cores
}

/// Writes a table of all points.
pub(crate) fn markdown(points: &[Point]) -> String {
    let mut text = String::from(
        "| task | MB | cores | s | MB/s | s of all cores | peak MB |\n|---|---|---|---|---|---|---|\n",
    );
    for point in points {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.2} | {:.0} | {:.2} | {:.0} |",
            point.step.task.name(),
            point.megabytes,
            point.cores,
            point.seconds(),
            point.megabytes as f64 / point.seconds(),
            median(point.costs.iter().map(|cost| cost.cpu_seconds).collect()),
            point.peak_kib() as f64 * 1_024.0 / 1e6,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_doubled_up_to_all_there_are() {
        assert_eq!(cores(1), [1]);
        assert_eq!(cores(2), [1, 2]);
        assert_eq!(cores(6), [1, 2, 4, 6]);
    }

    #[test]
    fn the_steps_are_our_own_and_each_can_follow_the_one_before() {
        let codes: Vec<_> = steps().map(|step| (step.is_ours(), step.code)).collect();
        assert_eq!(codes, [(true, "backup"), (true, "backup"), (true, "verify"), (true, "restore")]);
    }

    #[test]
    fn a_line_has_the_median_time_and_the_highest_peak() {
        let cost = |seconds, peak_kib| Cost { seconds, cpu_seconds: 3.0, peak_kib };
        let costs = vec![cost(1.0, 1_000_000), cost(2.0, 2_000_000), cost(4.0, 10)];
        let point = Point { step: STEPS[0], megabytes: 100, cores: 2, costs };
        assert!(markdown(&[point]).ends_with("| backup | 100 | 2 | 2.00 | 50 | 3.00 | 2048 |\n"));
    }
}
