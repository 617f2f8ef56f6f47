//! Clippy on the workspace, and on crates with other features than the default ones.

use std::process::Command;

use anyhow::Result;

use crate::{boot, cargo, process};

/// Tests that run only when asked for. Cargo does not count them among "all targets". With another package choice it would pick other
/// features for what they depend on, and check all of that again.
const APART: [&str; 6] = ["clippy", "--workspace", "--test", "cluster", "--test", "faults"];

/// Runs the step: the workspace as it is built by default, then crates without their features. An exhaustive run adds each feature
/// alone, all of them, and the side of linera.
pub(super) fn clippy(exhaustive: bool) -> Result<String> {
    let whole = ["clippy", "--workspace", "--all-targets"];
    lint(&mut cargo::cargo(&whole))?;
    lint(&mut cargo::cargo(&APART))?;
    let mut runs = 2;
    for package in cargo::members(&cargo::root().join("Cargo.toml"))? {
        for combination in combinations(package.features.keys().map(String::as_str), exhaustive) {
            let targets = if exhaustive { &["--all-targets"][..] } else { &["--lib", "--bins"] };
            let mut command = cargo::cargo(&["clippy", "--package", &package.name]);
            lint(command.args(targets).args(combination))?;
            runs += 1;
        }
    }
    if exhaustive {
        runs += boot::clippy()?;
    }
    Ok(format!("{runs} combinations"))
}

fn lint(command: &mut Command) -> Result<()> {
    process::run(cargo::without_linking(command.args(["--", "-D", "warnings"]))?)
}

/// Returns the options for none of the features, and in an exhaustive run for each and all of them. A crate without features has no
/// combination.
fn combinations<'f>(features: impl Iterator<Item = &'f str>, exhaustive: bool) -> Vec<Vec<&'f str>> {
    let features: Vec<&str> = features.filter(|feature| *feature != "default").collect();
    if features.is_empty() {
        return Vec::new();
    }
    let mut combinations = vec![vec!["--no-default-features"]];
    if exhaustive {
        let alone = features.iter().filter(|_| features.len() > 1);
        combinations.extend(alone.map(|feature| vec!["--no-default-features", "--features", feature]));
        combinations.push(vec!["--all-features"]);
    }
    combinations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(features: &[&str], exhaustive: bool) -> Vec<String> {
        combinations(features.iter().copied(), exhaustive)
            .into_iter()
            .map(|options| options.join(" "))
            .collect()
    }

    #[test]
    fn none_each_and_all_features_are_combined_in_an_exhaustive_run_and_none_in_any() {
        assert_eq!(with(&["default"], true), [""; 0]);
        assert_eq!(with(&["a", "b"], false), ["--no-default-features"]);
        assert_eq!(with(&["a"], true), ["--no-default-features", "--all-features"]);
        let two = with(&["a", "b"], true);
        let each = ["--no-default-features --features a", "--no-default-features --features b"];
        assert_eq!(two, ["--no-default-features", each[0], each[1], "--all-features"]);
    }
}
