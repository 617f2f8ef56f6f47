//! `test`: the quick tests.

use std::fmt;
use std::process::Command;

use anyhow::{Result, bail};

use crate::{cargo, cql, process, setup};

/// Runs the task.
pub(crate) fn run(options: &[String]) -> Result<()> {
    setup::ensure()?;
    let mut command = cargo::cargo(&["test"]);
    if !options.iter().take_while(|option| *option != "--").any(|o| o == "-p" || o == "--package") {
        command.arg("--workspace");
    }
    let command = command.args(options);
    if !concerns_cql(options) {
        return process::run(command);
    }
    cql::with_server(|| process::run(command))
}

/// Tells whether tests that need a CQL server may be among those that the options choose.
fn concerns_cql(options: &[String]) -> bool {
    let chosen: Vec<_> =
        options.windows(2).filter(|pair| pair[0] == "-p" || pair[0] == "--package").collect();
    chosen.is_empty() || chosen.iter().any(|pair| ["backup-scylla", "backup-cli"].contains(&pair[1].as_str()))
}

/// What the test runners counted.
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
    /// Adds a runner's closing line, `test result: ok. 3 passed; 0 failed; 1 ignored; ...`.
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

/// Runs a test command, adds up what its runners counted, and refuses a run without any test.
pub(crate) fn counted(command: &mut Command) -> Result<Counts> {
    let mut counts = Counts::default();
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
    fn a_server_is_there_when_its_tests_may_run() {
        let concerns = |line: &str| concerns_cql(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert!(concerns("") && concerns("-- cut") && concerns("-p backup-format -p backup-scylla"));
        assert!(!concerns("-p backup-format -- cut"));
    }

    #[test]
    fn a_run_without_tests_is_refused() {
        assert!(counted(Command::new("echo").arg("test result: ok. 0 passed; 0 failed")).is_err());
        let good = counted(Command::new("echo").arg("test result: ok. 2 passed; 0 failed"));
        assert_eq!(good.unwrap().passed, 2);
    }
}
