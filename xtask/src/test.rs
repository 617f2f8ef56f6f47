//! `test`: the quick tests. Runs test commands for other tasks too, and counts the tests.

use std::fmt;
use std::process::Command;

use anyhow::{Result, bail};

use crate::setup::{self, For};
use crate::{cargo, cql, process, promtool, stores};

/// Makes tests run what takes long, too.
const EXHAUSTIVE: &str = "KVBACKUP_EXHAUSTIVE";

/// Crates whose tests need a CQL server, or object stores.
const WITH_SERVERS: [&str; 2] = ["backup-scylla", "backup-cli"];

/// Runs the task.
pub(crate) fn run(options: &[String]) -> Result<()> {
    setup::ensure(&[For::Build, For::Signatures, For::Units])?;
    let mut command = cargo::cargo(&["test"]);
    if packages(options).is_empty() {
        command.arg("--workspace");
    }
    let command = command.args(options);
    if !needs_servers(options) {
        return process::run(command);
    }
    stores::install()?;
    promtool::install()?;
    cql::with_server(|| process::run(command))
}

/// Returns the packages that the options choose; none for all of them.
fn packages(options: &[String]) -> Vec<&str> {
    let ours = options.split(|option| option == "--").next().unwrap_or_default();
    let pairs = ours.windows(2).filter(|pair| pair[0] == "-p" || pair[0] == "--package");
    pairs.map(|pair| pair[1].as_str()).collect()
}

/// Returns true if the options choose tests that need servers.
fn needs_servers(options: &[String]) -> bool {
    let packages = packages(options);
    packages.is_empty() || packages.iter().any(|package| WITH_SERVERS.contains(package))
}

/// The numbers that test runners print.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} passed, {} failed, {} ignored", self.passed, self.failed, self.ignored)
    }
}

impl Counts {
    /// Adds the closing line of a runner, such as `test result: ok. 3 passed; 0 failed; 1 ignored; ...`.
    fn add(&mut self, line: &str) {
        let Some(result) = line.trim().strip_prefix("test result: ") else { return };
        let words: Vec<&str> = result.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let Ok(count) = pair[0].parse::<u64>() else { continue };
            match pair[1] {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => (),
            }
        }
    }
}

/// Runs a test command and returns what its runners counted. A run without any test is an error.
pub(crate) fn counted(command: &mut Command, exhaustive: bool) -> Result<Counts> {
    let mut counts = Counts::default();
    if exhaustive {
        command.env(EXHAUSTIVE, "1");
    }
    process::run_watched(command, |line| counts.add(line))?;
    if counts.passed == 0 {
        bail!("`{}` ran no test", process::show(command));
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_added_up_and_other_lines_left_alone() {
        let mut counts = Counts::default();
        counts.add("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out");
        counts.add("test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        counts.add("7 passed");
        assert_eq!(counts, Counts { passed: 16, failed: 2, ignored: 1 });
    }

    #[test]
    fn a_server_runs_when_its_tests_may() {
        let needs = |line: &str| needs_servers(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert!(needs("") && needs("-- cut") && needs("-p backup-format -p backup-scylla"));
        assert!(!needs("-p backup-format -- cut"));
    }

    #[test]
    fn a_run_without_tests_is_refused_and_an_exhaustive_one_is_told_to_the_tests() {
        assert!(counted(Command::new("echo").arg("test result: ok. 0 passed; 0 failed"), false).is_err());
        let run = |exhaustive| {
            let script = "echo test result: ok. 2${KVBACKUP_EXHAUSTIVE} passed";
            counted(Command::new("sh").env_remove(EXHAUSTIVE).args(["-c", script]), exhaustive)
                .unwrap()
                .passed
        };
        assert_eq!((run(false), run(true)), (2, 21));
    }
}
