//! Results as Markdown.

use std::fmt::Write;

use crate::round::{Results, Row, Step};
use crate::tools::Way;

/// Returns the middle of some numbers; 0 of none.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() {
        0 => 0.0,
        length if length % 2 == 1 => numbers[middle],
        _ => f64::midpoint(numbers[middle - 1], numbers[middle]),
    }
}

/// Returns how often as long another way took as a row, as the median of the ratios within rounds.
fn times_as_fast(row: &Row, other: &Row) -> f64 {
    let pairs = row.steps.iter().zip(&other.steps);
    median(pairs.map(|(one, other)| other.client.seconds / one.client.seconds).collect())
}

/// Writes what comes before the tables.
pub(crate) fn head(version: &str, rounds: usize) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "# Benchmarks on a CQL server\n\nWritten by `cargo xtask bench-cql` on a machine with {cores} cores, which the tools share with one node of Apache \
         Cassandra {version}. Each step is a process of its own, timed as a whole. The steps of a round came after each other, in {rounds} rounds, \
         every second one in the opposite order. COPY ran once, where there is cqlsh. A restore reads all back and compares digests; the other tools do not look at what they wrote. Seconds of the \
         server are those of all cores: while the step ran, and after it until the server was quiet.\n\n"
    )
}

/// Writes the table of one data set.
pub(crate) fn markdown(results: &Results) -> String {
    let written = results.written;
    let mut text = format!(
        "## {} MB\n\n{} partitions, {} entries, {:.1} MB of keys and values.\n\n\
         | way | s | min to max | as fast as dsbulk | MB/s | entries/s | client, s of all cores | server, s | server afterwards, s | peak MB of the client |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
        results.megabytes,
        written.partitions,
        written.entries,
        written.plain_bytes as f64 / 1e6,
    );
    for row in &results.rows {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", line(results, row));
    }
    text.push('\n');
    text
}

fn line(results: &Results, row: &Row) -> String {
    let all = |number: fn(&Step) -> f64| row.steps.iter().map(number).collect::<Vec<_>>();
    let walls = all(|step| step.client.seconds);
    let least = walls.iter().copied().fold(f64::INFINITY, f64::min);
    let most = walls.iter().copied().fold(0.0, f64::max);
    let seconds = median(walls);
    let dsbulk = results.rows.iter().find(|other| other.task == row.task && other.way == Way::Dsbulk);
    let times = match dsbulk {
        Some(other) if row.way != Way::Dsbulk => format!("{:.2}x", times_as_fast(row, other)),
        _ => "1 (reference)".to_owned(),
    };
    let peak = all(|step| step.client.peak_kib as f64).into_iter().fold(0.0, f64::max);
    format!(
        "| {} | {seconds:.2} | {least:.2} to {most:.2} | {times} | {:.0} | {:.0} | {:.1} | {:.1} | {:.1} | {:.0} |",
        row.way.name(row.task),
        results.written.plain_bytes as f64 / 1e6 / seconds,
        results.written.entries as f64 / seconds,
        median(all(|step| step.client.cpu_seconds)),
        median(all(|step| step.server_seconds)),
        median(all(|step| step.owed_seconds)),
        peak * 1_024.0 / 1e6,
    )
}

#[cfg(test)]
mod tests {
    use kvbackup_bench_content::Written;

    use super::*;
    use crate::process::Cost;
    use crate::tools::Task;

    #[test]
    fn ratios_are_those_within_rounds() {
        let row = |way, seconds: [f64; 3]| {
            let client = |seconds| Cost { seconds, cpu_seconds: 1.0, peak_kib: 50_000 };
            let step = |seconds| Step { client: client(seconds), server_seconds: 2.0, owed_seconds: 0.5 };
            Row { task: Task::Read, way, steps: seconds.map(step).to_vec() }
        };
        // The machine was ten times as slow in the second round.
        let rows = vec![row(Way::Kvbackup, [1.0, 10.0, 1.0]), row(Way::Dsbulk, [2.0, 30.0, 2.0])];
        let written = Written { partitions: 1, entries: 20, plain_bytes: 4_000_000 };
        let text = markdown(&Results { megabytes: 4, written, rows });
        let expected = [
            "| kvbackup backup | 1.00 | 1.00 to 10.00 | 2.00x | 4 | 20 | 1.0 | 2.0 | 0.5 | 51 |",
            "| dsbulk unload | 2.00 | 2.00 to 30.00 | 1 (reference) | 2 | 10 | 1.0 | 2.0 | 0.5 | 51 |",
        ];
        assert!(text.ends_with(&format!("{}\n\n", expected.join("\n"))), "{text}");
        assert_eq!(median(vec![]), 0.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
