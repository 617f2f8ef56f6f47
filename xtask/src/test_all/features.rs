//! Clippy on each crate with none, each and all of its features.

use anyhow::Result;

use crate::cargo::{self, Package};
use crate::{boot, process};

/// Tests that run only when asked for. To cargo they are none of "all targets".
const APART: [&str; 7] = ["clippy", "--package", "backup-scylla", "--test", "cluster", "--test", "faults"];

/// Runs the step: the workspace once as it is built by default, then each combination.
pub(super) fn clippy() -> Result<String> {
    let deny = ["--", "-D", "warnings"];
    let whole = ["clippy", "--workspace", "--all-targets"];
    process::run(cargo::without_linking(&mut cargo::cargo(&[&whole[..], &deny].concat()))?)?;
    process::run(cargo::without_linking(&mut cargo::cargo(&[&APART[..], &deny].concat()))?)?;
    let mut runs = 2;
    for package in cargo::members(&cargo::root().join("Cargo.toml"))? {
        for combination in combinations(&package) {
            let mut command = cargo::cargo(&["clippy", "--all-targets", "--package", &package.name]);
            process::run(cargo::without_linking(command.args(combination).args(deny))?)?;
            runs += 1;
        }
    }
    runs += boot::clippy()?;
    Ok(format!("{runs} combinations"))
}

/// Returns the options for none, each and all of the features; nothing for a crate without any.
fn combinations(package: &Package) -> Vec<Vec<String>> {
    let none = "--no-default-features".to_owned();
    if package.features.is_empty() {
        return Vec::new();
    }
    let mut combinations = vec![vec![none.clone()]];
    if package.features.len() > 1 {
        for feature in &package.features {
            combinations.push(vec![none.clone(), "--features".into(), feature.clone()]);
        }
    }
    combinations.push(vec!["--all-features".into()]);
    combinations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(features: &[&str]) -> Vec<String> {
        let package = Package {
            name: "some".into(),
            version: "0.1.0".into(),
            manifest: "some/Cargo.toml".into(),
            dependencies: Vec::new(),
            features: features.iter().map(ToString::to_string).collect(),
            programs: Vec::new(),
            published: true,
        };
        combinations(&package).into_iter().map(|options| options.join(" ")).collect()
    }

    #[test]
    fn none_each_and_all_features_are_combined() {
        assert_eq!(with(&[]), [""; 0]);
        assert_eq!(with(&["a"]), ["--no-default-features", "--all-features"]);
        let two = with(&["a", "b"]);
        let each = ["--no-default-features --features a", "--no-default-features --features b"];
        assert_eq!(two, ["--no-default-features", each[0], each[1], "--all-features"]);
    }
}
