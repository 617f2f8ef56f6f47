//! `bench-instructions`: what the hot paths cost in instructions, and whether that grew since another revision.

mod compare;
mod measure;
mod report;
mod tools;
mod tree;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{cargo, setup};
use compare::Comparison;
use measure::Measurement;
use report::Machine;
use tree::Tree;

/// The package of the benchmarks, below the top folder.
const PACKAGE: &str = "benches/instructions";

#[derive(Debug, PartialEq)]
struct Options {
    baseline: Option<String>,
    threshold_percent: f64,
    out: Option<PathBuf>,
}

/// Runs the task.
pub(crate) fn run(options: &[String]) -> Result<()> {
    let options = parse(options)?;
    setup::ensure_valgrind()?;
    let target = cargo::target_folder()?;
    let tree = Tree::new(&cargo::root(), &target.join("instructions"))?;
    // Asked before minutes go by.
    let baseline = options.baseline.as_deref().map(|revision| tree.commit(revision)).transpose()?;
    let before = match &baseline {
        Some(commit) => measure_baseline(&tree, commit, &target)?,
        None => None,
    };
    tree.switch_to_working_copy()?;
    if !has_benchmarks(&tree) {
        bail!("the working copy has no {PACKAGE}: there is nothing to count");
    }
    let now = count(&tree, &target).context("counting the instructions of the working copy")?;
    let comparison = Comparison::new(before.as_deref(), now, options.threshold_percent);
    let text = report::markdown(&comparison, baseline.as_deref(), &Machine::this()?);
    print!("\n{text}");
    if let Some(out) = &options.out {
        std::fs::write(out, &text).with_context(|| format!("could not write {}", out.display()))?;
    }
    match comparison.grown().as_slice() {
        [] => Ok(()),
        grown => bail!("{}", report::growth(grown, options.threshold_percent)),
    }
}

/// Counts at the baseline; `None` when it is older than the benchmarks.
fn measure_baseline(tree: &Tree, commit: &str, target: &Path) -> Result<Option<Vec<Measurement>>> {
    tree.switch_to(commit)?;
    if !has_benchmarks(tree) {
        println!("{commit} has no {PACKAGE}: there is nothing to compare with, and all benchmarks are new");
        return Ok(None);
    }
    let counted = count(tree, target).with_context(|| format!("counting the instructions of {commit}"))?;
    Ok(Some(counted))
}

fn has_benchmarks(tree: &Tree) -> bool {
    tree.folder().join(PACKAGE).join("Cargo.toml").is_file()
}

fn count(tree: &Tree, target: &Path) -> Result<Vec<Measurement>> {
    let runner = tools::runner(&tree.folder(), target)?;
    measure::run(&tree.folder(), &tree.build_folder(), &runner)
}

fn parse(options: &[String]) -> Result<Options> {
    let mut parsed = Options { baseline: None, threshold_percent: 1.0, out: None };
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("`{option}` needs a value"));
        match option.as_str() {
            "--baseline" => parsed.baseline = Some(value()?.clone()),
            "--threshold" => parsed.threshold_percent = percent(value()?)?,
            "--out" => parsed.out = Some(value()?.into()),
            other => bail!("`bench-instructions` has no option `{other}`; see `cargo xtask --help`"),
        }
    }
    Ok(parsed)
}

fn percent(text: &str) -> Result<f64> {
    match text.parse::<f64>() {
        Ok(percent) if percent.is_finite() && percent >= 0.0 => Ok(percent),
        _ => bail!(
            "`{text}` is no threshold; give the growth that is allowed in percent, for example 1 or 0.5"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Options> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn one_percent_is_allowed_unless_another_threshold_is_given() {
        let plain = Options { baseline: None, threshold_percent: 1.0, out: None };
        assert_eq!(parsed("").unwrap(), plain);
        let all = parsed("--baseline main~2 --threshold 0.5 --out a.md").unwrap();
        let expected =
            Options { baseline: Some("main~2".into()), threshold_percent: 0.5, out: Some("a.md".into()) };
        assert_eq!(all, expected);
    }

    #[test]
    fn a_threshold_that_would_let_all_pass_is_refused() {
        for line in
            ["--threshold nan", "--threshold inf", "--threshold -1", "--threshold", "--threshold 1%", "main"]
        {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
