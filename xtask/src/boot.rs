//! `boot-tests` and `bootproof`: linera's real worker on restored namespaces, in a workspace of its own.

use std::process::Command;

use anyhow::Result;

use crate::setup::{self, For};
use crate::test::{self, Counts};
use crate::{cargo, cql, process, rocksdb};

/// Runs the task `boot-tests`: every test of the workspace, or what the options choose.
pub(crate) fn run_tests(options: &[String]) -> Result<()> {
    setup::ensure(&[For::Build, For::Boot])?;
    let mut command = command("test")?;
    cql::with_server(|| process::run(command.args(options)))
}

/// Runs the tests for `test-all`, and counts them.
pub(crate) fn counted(exhaustive: bool) -> Result<Counts> {
    let mut command = command("test")?;
    command.arg("--no-fail-fast").args(if exhaustive { &["--", "--include-ignored"][..] } else { &[] });
    cql::with_server(|| test::counted(&mut command, exhaustive))
}

/// Builds `bootproof` and runs it with these options.
pub(crate) fn prove(options: &[String]) -> Result<()> {
    setup::ensure(&[For::Build, For::Boot])?;
    println!("Building bootproof. The first time this compiles linera, which takes a quarter of an hour.");
    process::run(command("run")?.args(["--quiet", "--bin", "bootproof", "--"]).args(options))
}

/// Runs clippy with all engines and with the memory engine alone. Each combination checks linera's crates again.
pub(crate) fn clippy() -> Result<usize> {
    let combinations: [&[&str]; 2] = [&[], &["--no-default-features", "--features", "memory"]];
    for features in combinations {
        let mut command = command("clippy")?;
        command.arg("--all-targets").args(features).args(["--", "-D", "warnings"]);
        process::run(cargo::without_linking(&mut command)?)?;
    }
    Ok(combinations.len())
}

/// Returns a cargo command for the workspace, which shares the target folder of the main one.
fn command(verb: &str) -> Result<Command> {
    let mut command = cargo::cargo(&[verb, "--manifest-path", cargo::BOOT_MANIFEST]);
    command.env("CARGO_TARGET_DIR", cargo::target_folder()?);
    rocksdb::link_compiled(
        &mut command,
        &cargo::root().join(cargo::BOOT_MANIFEST).with_file_name("Cargo.lock"),
    )?;
    Ok(command)
}
