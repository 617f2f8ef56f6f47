//! The report as Markdown: the same bytes for the same counts.

use std::fmt::Write;
use std::process::Command;

use anyhow::Result;

use super::compare::{Change, Comparison, Row, percent};
use super::measure::Measurement;
use crate::process;

/// What decides the counts beside the code.
#[derive(Debug)]
pub(super) struct Machine {
    rustc: String,
    valgrind: String,
    architecture: &'static str,
}

impl Machine {
    /// Asks the tools of this machine.
    pub(super) fn this() -> Result<Self> {
        let version = |program: &str| process::quiet_output(Command::new(program).arg("--version"));
        Ok(Self {
            rustc: version("rustc")?.trim().to_owned(),
            valgrind: version("valgrind")?.trim().to_owned(),
            architecture: std::env::consts::ARCH,
        })
    }
}

/// Writes the whole report.
pub(super) fn markdown(comparison: &Comparison, baseline: Option<&str>, machine: &Machine) -> String {
    let Machine { rustc, valgrind, architecture } = machine;
    let mut text = String::from("# Instructions of the hot paths\n\n");
    text += &summary(comparison, baseline);
    text += &format!(
        "\nCounted by Callgrind ({valgrind}, {architecture}) in a build of {rustc}. Counts of the same code are the \
         same on the same machine with the same tools;\nother compilers, C libraries and processors give others.\n"
    );
    text += "\n## Instructions\n\n";
    text += &instructions(comparison);
    text += "\n## Constant cost and cost for each\n\n";
    text +=
        "The line through the two sizes. A constant below 0 means that larger inputs cost more for each.\n\n";
    text += &costs(comparison);
    text += "\n## Caches\n\nSimulated: they depend on addresses as well, and decide nothing.\n\n";
    text += &caches(comparison);
    text
}

/// Says what grew, as an error for people who did not read the tables.
pub(super) fn growth(grown: &[&Row], threshold_percent: f64) -> String {
    let mut text = format!("{} grew by more than {threshold_percent} %:", plural(grown.len(), "count"));
    for row in grown {
        let now = row.now.counts.instructions;
        if let Change::Since(old) = row.change {
            let (name, change) = (row.now.name(), percent(old, now));
            text += &format!("\n  {name}: {} to {} instructions, {change:+.2} %", digits(old), digits(now));
        }
    }
    text + "\nMake them cheaper, or say in the change why they may cost more"
}

fn summary(comparison: &Comparison, baseline: Option<&str>) -> String {
    let (Some(commit), rows) = (baseline, &comparison.rows) else {
        return format!("{}, compared with nothing.\n", plural(comparison.rows.len(), "count"));
    };
    if rows.iter().all(|row| row.change == Change::Unknown) {
        return format!(
            "`{commit}` has no instruction benchmarks: there is nothing to compare with, all are new.\n"
        );
    }
    let new = rows.iter().filter(|row| row.change == Change::New).count();
    let same = rows.iter().filter(|row| row.change == Change::Since(row.now.counts.instructions)).count();
    let (grown, limit) = (comparison.grown().len(), comparison.threshold_percent);
    format!(
        "{} beside `{commit}`: **{grown} grew by more than {limit} %**, {same} the same, {new} new, {} gone.\n",
        plural(rows.len(), "count"),
        comparison.gone.len()
    )
}

fn instructions(comparison: &Comparison) -> String {
    let mut text =
        String::from("| benchmark | size | instructions | before | change |\n|---|--:|--:|--:|--:|\n");
    for row in &comparison.rows {
        let (before, change) = match row.change {
            Change::Unknown => (String::new(), String::new()),
            Change::New => (String::new(), "new".to_owned()),
            Change::Since(old) => (digits(old), shown_change(row, old)),
        };
        let now = digits(row.now.counts.instructions);
        line(&mut text, &[&row.now.benchmark, &size(&row.now), &now, &before, &change]);
    }
    for old in &comparison.gone {
        line(&mut text, &[&old.benchmark, &size(old), "", &digits(old.counts.instructions), "gone"]);
    }
    text
}

fn shown_change(row: &Row, old: u64) -> String {
    match row.now.counts.instructions {
        now if now == old => "0".to_owned(),
        now if row.is_grown => format!("**{:+.2} %**", percent(old, now)),
        now => format!("{:+.2} %", percent(old, now)),
    }
}

fn costs(comparison: &Comparison) -> String {
    let mut text = String::from("| benchmark | constant | for each | of |\n|---|--:|--:|---|\n");
    for cost in comparison.costs() {
        let constant = signed_digits(cost.constant.round() as i64);
        line(&mut text, &[cost.benchmark, &constant, &format!("{:.1}", cost.each), cost.unit]);
    }
    text
}

fn caches(comparison: &Comparison) -> String {
    let mut text = String::from(
        "| benchmark | size | L1 hits | LLC hits | RAM hits | estimated cycles |\n|---|--:|--:|--:|--:|--:|\n",
    );
    for Row { now, .. } in &comparison.rows {
        let counts = &now.counts;
        let [l1, llc, ram, cycles] =
            [counts.l1_hits, counts.llc_hits, counts.ram_hits, counts.cycles].map(digits);
        line(&mut text, &[&now.benchmark, &size(now), &l1, &llc, &ram, &cycles]);
    }
    text
}

fn line(text: &mut String, cells: &[&str]) {
    text.push('|');
    for cell in cells {
        write!(text, " {cell} |").expect("text takes all that is written");
    }
    text.push('\n');
}

fn size(measured: &Measurement) -> String {
    format!("{} {}", digits(measured.size), measured.unit)
}

fn plural(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Shows a number with a comma before each three digits.
fn digits(number: u64) -> String {
    let plain = number.to_string();
    let mut shown = String::new();
    for (place, digit) in plain.chars().enumerate() {
        if place > 0 && (plain.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

fn signed_digits(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    sign.to_owned() + &digits(number.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::super::compare::tests::measured;
    use super::*;

    fn report(before: Option<&[Measurement]>, baseline: Option<&str>, now: Vec<Measurement>) -> String {
        let machine =
            Machine { rustc: "rustc 1".into(), valgrind: "valgrind-3".into(), architecture: "some" };
        markdown(&Comparison::new(before, now, 1.0), baseline, &machine)
    }

    #[test]
    fn the_tables_tell_change_cost_and_caches() {
        let before = [measured("path", 8, 1_000), measured("path", 64, 9_000), measured("old", 8, 5)];
        let now = vec![measured("path", 8, 1_000), measured("path", 64, 12_200), measured("newer", 8, 5)];
        let text = report(Some(&before), Some("abc"), now);
        for expected in [
            "3 counts beside `abc`: **1 grew by more than 1 %**, 1 the same, 1 new, 1 gone.\n",
            "| path | 8 entries | 1,000 | 1,000 | 0 |\n",
            "| path | 64 entries | 12,200 | 9,000 | **+35.56 %** |\n",
            "| newer | 8 entries | 5 |  | new |\n",
            "| old | 8 entries |  | 5 | gone |\n",
            "| path | -600 | 200.0 | entries |\n",
            "| path | 64 entries | 1,000 | 20 | 3 | 1,205 |\n",
        ] {
            assert!(text.contains(expected), "{expected}{text}");
        }
    }

    #[test]
    fn a_report_without_counts_of_a_baseline_says_so() {
        let alone = report(None, None, vec![measured("path", 8, 1)]);
        assert!(alone.contains("1 count, compared with nothing.\n"), "{alone}");
        assert!(alone.contains("| path | 8 entries | 1 |  |  |\n"), "{alone}");
        let first = report(None, Some("abc"), vec![measured("path", 8, 1)]);
        assert!(first.contains("`abc` has no instruction benchmarks"), "{first}");
    }

    #[test]
    fn the_error_names_what_grew_and_by_how_much() {
        let before = [measured("path", 8, 1_000), measured("other", 8, 1_000)];
        let now = vec![measured("path", 8, 1_500), measured("other", 8, 1_000)];
        let text = growth(&Comparison::new(Some(&before), now, 1.0).grown(), 1.0);
        let expected =
            "1 count grew by more than 1 %:\n  path of 8 entries: 1,000 to 1,500 instructions, +50.00 %\n";
        assert!(text.starts_with(expected) && !text.contains("other"), "{text}");
    }

    #[test]
    fn numbers_are_shown_in_groups_of_three() {
        assert_eq!([0, 12, 999, 1_000, 1_234_567].map(digits), ["0", "12", "999", "1,000", "1,234,567"]);
        assert_eq!([-1_000, -12, 7].map(signed_digits), ["-1,000", "-12", "7"]);
    }
}
