//! Results as Markdown.

use std::fmt::Write;

use crate::round::{Results, Row};
use crate::step::Cost;

/// Returns the middle of some numbers; 0 of none.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() {
        0 => 0.0,
        length if length % 2 == 1 => numbers[middle],
        _ => f64::midpoint(numbers[middle - 1], numbers[middle]),
    }
}

/// Returns the median over the rounds.
pub(crate) fn seconds(row: &Row) -> f64 {
    median(row.costs.iter().map(|cost| cost.seconds).collect())
}

/// Returns the row that the others of its task are compared with: BackupEngine as linera calls it; for a second backup, the first.
pub(crate) fn reference<'a>(results: &'a Results, row: &Row) -> Option<&'a Row> {
    let way = match row.step.task {
        crate::step::Task::Second(_) => "kvbackup",
        crate::step::Task::Verify => return None,
        _ => "BackupEngine, one file at a time",
    };
    let task = match row.step.task {
        crate::step::Task::Second(_) => crate::step::Task::Backup,
        task => task,
    };
    results.rows.iter().find(|other| other.step.task == task && other.step.way == way)
}

/// Returns the median of the ratios within rounds.
pub(crate) fn ratio(row: &Row, to: &Row) -> f64 {
    let pairs = row.costs.iter().zip(&to.costs);
    median(pairs.map(|(one, other)| one.seconds / other.seconds).collect())
}

/// Writes a table of one data set.
pub(crate) fn markdown(results: &Results) -> String {
    let mut text = String::new();
    let written = results.written;
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "## {}\n\n{} partitions, {} entries, {:.1} MB of keys and values; medians of {} rounds.\n",
        results.data.name(),
        written.partitions,
        written.entries,
        written.plain_bytes as f64 / 1e6,
        results.rows.first().map_or(0, |row| row.costs.len()),
    );
    text.push_str("| task | way | s | min to max | times the reference | MB/s | s of all cores | peak MB | written MB |\n");
    text.push_str("|---|---|---|---|---|---|---|---|---|\n");
    for row in &results.rows {
        let _ = writeln!(text, "{}", line(results, row));
    }
    text
}

fn line(results: &Results, row: &Row) -> String {
    let all = |number: fn(&Cost) -> f64| row.costs.iter().map(number).collect::<Vec<_>>();
    let walls = all(|cost| cost.seconds);
    let least = walls.iter().copied().fold(f64::INFINITY, f64::min);
    let most = walls.iter().copied().fold(0.0, f64::max);
    let times = match reference(results, row) {
        Some(other) if other.step == row.step => "1 (reference)".to_owned(),
        Some(other) => format!("{:.2}", ratio(row, other)),
        None => "-".to_owned(),
    };
    let peak = all(|cost| cost.peak_kib as f64).into_iter().fold(0.0, f64::max);
    format!(
        "| {} | {} | {:.2} | {least:.2} to {most:.2} | {times} | {:.0} | {:.2} | {:.0} | {:.0} |",
        row.step.task.name(),
        row.step.way,
        seconds(row),
        results.written.plain_bytes as f64 / 1e6 / seconds(row),
        median(all(|cost| cost.cpu_seconds)),
        peak * 1_024.0 / 1e6,
        row.bytes as f64 / 1e6,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvbackup_bench_content::{Mix, Written};

    use crate::round::DataSet;
    use crate::step::{STEPS, Task};

    #[test]
    fn a_median_is_the_middle_one_or_between_the_two() {
        assert_eq!(median(vec![]), 0.0);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn ratios_are_those_within_rounds() {
        let row = |way: &str, task: Task, seconds: [f64; 3]| Row {
            step: STEPS.into_iter().find(|step| step.task == task && step.way == way).unwrap(),
            costs: seconds.map(|seconds| Cost { seconds, ..Cost::default() }).to_vec(),
            bytes: 1_000_000,
        };
        // The machine was ten times as slow in the second round.
        let rows = vec![
            row("kvbackup", Task::Backup, [2.0, 30.0, 2.0]),
            row("BackupEngine, one file at a time", Task::Backup, [1.0, 10.0, 1.0]),
            row("kvbackup", Task::Second(0), [1.0, 15.0, 1.0]),
        ];
        let data = DataSet { mix: Mix::Validator, megabytes: 4 };
        let written = Written { partitions: 1, entries: 2, plain_bytes: 4_000_000 };
        let text = markdown(&Results { data, written, rows });
        let expected = [
            "| backup | kvbackup | 2.00 | 2.00 to 30.00 | 2.00 | 2 | 0.00 | 0 | 1 |",
            "| backup | BackupEngine, one file at a time | 1.00 | 1.00 to 10.00 | 1 (reference) | 4 | 0.00 | 0 | 1 |",
            "| second backup, nothing changed | kvbackup | 1.00 | 1.00 to 15.00 | 0.50 | 4 | 0.00 | 0 | 1 |",
        ];
        assert!(text.ends_with(&format!("{}\n", expected.join("\n"))), "{text}");
    }
}
