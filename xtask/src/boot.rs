//! `boot-tests` and `bootproof`: linera's real worker on restored namespaces, in a workspace of its own. Its tests need a CQL
//! server.

use std::process::Command;

use anyhow::Result;

use crate::test::{self, Counts};
use crate::{cargo, cql, process, setup};

const MANIFEST: &str = "crates/worker-boot-tests/Cargo.toml";

/// Runs the task `boot-tests`: every test of the workspace, or what the options choose.
pub(crate) fn run_tests(options: &[String]) -> Result<()> {
    setup::ensure()?;
    let mut command = command("test")?;
    cql::with_server(|| process::run(command.args(options)))
}

/// Runs the tests for `test-all`, and counts them.
pub(crate) fn counted() -> Result<Counts> {
    let mut command = command("test")?;
    cql::with_server(|| test::counted(command.arg("--no-fail-fast")))
}

/// Builds `bootproof` and runs it with these options.
pub(crate) fn prove(options: &[String]) -> Result<()> {
    setup::ensure()?;
    println!("Building bootproof. The first time this compiles linera, which takes a quarter of an hour.");
    process::run(command("run")?.args(["--quiet", "--bin", "bootproof", "--"]).args(options))
}

/// Runs clippy over the workspace with all engines, and with the one that needs nothing else. Further combinations would
/// check linera's crates anew for each.
pub(crate) fn clippy() -> Result<usize> {
    let combinations: [&[&str]; 2] = [&[], &["--no-default-features", "--features", "memory"]];
    for features in combinations {
        let mut command = command("clippy")?;
        command.arg("--all-targets").args(features).args(["--", "-D", "warnings"]);
        process::run(cargo::without_linking(&mut command)?)?;
    }
    Ok(combinations.len())
}

/// Starts a command line of cargo for the workspace, which shares the target folder of the main one.
fn command(verb: &str) -> Result<Command> {
    let mut command = cargo::cargo(&[verb, "--manifest-path", MANIFEST]);
    command.env("CARGO_TARGET_DIR", cargo::target_folder()?);
    Ok(command)
}
