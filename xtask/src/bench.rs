//! `bench` and `bench-cql`: kvbackup beside other tools, in one run.

use anyhow::Result;

use crate::setup::{self, For};
use crate::{cargo, cql, process};

/// Runs the task `bench`. With `scale` as the first option it measures kvbackup alone, by size and cores.
pub(crate) fn run(options: &[String]) -> Result<()> {
    setup::ensure(&[For::Build])?;
    println!("Building with optimisation. The first time this compiles RocksDB, which takes some minutes.");
    let mut command = cargo::cargo(&["run", "--quiet", "--release", "--package", "kvbackup-benches", "--"]);
    let (subcommand, options) = match options {
        [first, rest @ ..] if first == "scale" => ("scale", rest),
        _ => ("compare", options),
    };
    process::run(command.args([subcommand, "--out", "docs"]).args(options))
}

/// Runs the task `bench-cql`, with a server that is started for it. COPY is left out where there is no `cqlsh`.
pub(crate) fn run_cql(options: &[String]) -> Result<()> {
    setup::ensure(&[For::Build])?;
    let mut command = cargo::cargo(&["run", "--quiet", "--release", "--package", "kvbackup-bench-cql", "--"]);
    command.args(["compare", "--out", "docs"]);
    if let Some(program) = setup::program("cqlsh") {
        command.arg("--cqlsh").arg(program);
    }
    cql::with_measured(|[host, pid, dsbulk]| {
        command.args(["--server", &host, "--pid", &pid, "--dsbulk", &dsbulk]);
        process::run(command.args(options))
    })
}
