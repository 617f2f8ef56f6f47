//! Running the benchmarks, and reading what they report.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{cargo, process};

/// The layout of gungraun's summaries that is read here.
const SCHEMA: &str = "7";

/// What Callgrind counted in one benchmark at one size.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measurement {
    /// Name of the hot path.
    pub(super) benchmark: String,
    /// What the size counts, in the plural.
    pub(super) unit: String,
    pub(super) size: u64,
    pub(super) counts: Counts,
}

impl Measurement {
    /// Tells whether both are of the same benchmark at the same size.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.benchmark, &self.unit, self.size) == (&other.benchmark, &other.unit, other.size)
    }

    /// Names benchmark and size.
    pub(super) fn name(&self) -> String {
        format!("{} of {} {}", self.benchmark, self.size, self.unit)
    }
}

/// Instructions, and where Callgrind's simulated caches found what they touched.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) instructions: u64,
    pub(super) l1_hits: u64,
    pub(super) llc_hits: u64,
    pub(super) ram_hits: u64,
    pub(super) cycles: u64,
}

/// Builds the benchmarks of a checkout and runs them.
pub(super) fn run(tree: &Path, build: &Path, runner: &Path) -> Result<Vec<Measurement>> {
    let mut command = cargo::cargo(&["bench", "--locked", "--package", "kvbackup-instructions"]);
    command.args(["--bench", "hot_paths", "--", "--output-format=json"]).current_dir(tree);
    command.env("CARGO_TARGET_DIR", build).env("GUNGRAUN_RUNNER", runner);
    parse(&process::output(&mut command)?)
}

/// Reads one summary from each line, in the order of the benchmarks.
fn parse(lines: &str) -> Result<Vec<Measurement>> {
    let found: Vec<_> =
        lines.lines().filter(|line| !line.trim().is_empty()).map(parse_line).collect::<Result<_>>()?;
    if found.is_empty() {
        bail!("the benchmarks reported nothing");
    }
    Ok(found)
}

fn parse_line(line: &str) -> Result<Measurement> {
    let summary: Value = serde_json::from_str(line)
        .with_context(|| format!("expected a summary of gungraun in JSON, found `{}`", shortened(line)))?;
    let text = |name: &str| {
        summary[name]
            .as_str()
            .with_context(|| format!("a summary of gungraun has no `{name}`: {}", shortened(line)))
    };
    let version = text("version")?;
    if version != SCHEMA {
        bail!(
            "gungraun's summaries have version {version}, and xtask reads version {SCHEMA}: see measure.rs"
        );
    }
    let benchmark = text("function_name")?;
    let (unit, size) = split_id(text("id")?).with_context(|| format!("the id of a bench of {benchmark}"))?;
    let metrics = &summary["profiles"][0]["data"]["total"]["metrics"];
    let count = |name: &str| {
        let count = metrics[name]["values"]["new"].as_u64();
        count.with_context(|| format!("{benchmark} was run without Callgrind's count `{name}`"))
    };
    Ok(Measurement {
        benchmark: benchmark.to_owned(),
        unit: unit.to_owned(),
        size,
        counts: Counts {
            instructions: count("Ir")?,
            l1_hits: count("L1hits")?,
            llc_hits: count("LLhits")?,
            ram_hits: count("RamHits")?,
            cycles: count("EstimatedCycles")?,
        },
    })
}

/// Splits `entries_512`.
fn split_id(id: &str) -> Result<(&str, u64)> {
    let split = id.rsplit_once('_').and_then(|(unit, size)| Some((unit, size.parse().ok()?)));
    split.with_context(|| format!("expected a unit and a number as in `entries_512`, found `{id}`"))
}

fn shortened(line: &str) -> String {
    line.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A summary without what is not read.
    fn line(version: &str, id: &str) -> String {
        let metrics = r#"{"Ir":{"values":{"new":73703,"old":9}},"L1hits":{"values":{"new":101631}},"LLhits":{"values":{"new":2529}},
            "RamHits":{"values":{"new":1034}},"EstimatedCycles":{"values":{"new":150466}}}"#;
        format!(
            r#"{{"version":"{version}","function_name":"segment_encode","id":"{id}","profiles":[{{"data":{{"parts":[],"total":
            {{"metrics":{metrics},"regressions":[]}}}}}}]}}"#
        )
        .replace('\n', "")
    }

    #[test]
    fn counts_are_read_from_the_total_of_each_summary() {
        let text = format!("{}\n{}\n", line("7", "entries_512"), line("7", "entries_4096"));
        let found = parse(&text).unwrap();
        assert_eq!(found.iter().map(|one| one.size).collect::<Vec<_>>(), [512, 4_096]);
        let first = &found[0];
        assert_eq!((first.benchmark.as_str(), first.unit.as_str()), ("segment_encode", "entries"));
        let expected = Counts {
            instructions: 73_703,
            l1_hits: 101_631,
            llc_hits: 2_529,
            ram_hits: 1_034,
            cycles: 150_466,
        };
        assert_eq!(first.counts, expected);
    }

    #[test]
    fn a_summary_that_is_not_understood_is_an_error_and_no_zero() {
        for text in [
            String::new(),
            "no JSON".into(),
            line("8", "entries_512"),
            line("7", "small"),
            line("7", "entries_512").replace("RamHits", "Other"),
            line("7", "entries_512").replace("73703", "null"),
        ] {
            assert!(parse(&text).is_err(), "{text}");
        }
    }
}
