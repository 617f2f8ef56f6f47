//! `bench` and `bench-cql`: kvbackup beside others' ways, in one run.

use anyhow::Result;

use crate::{cargo, cql, process, setup};

/// Runs the task: `scale` as the first option measures kvbackup alone, by size and cores. Without an option that says otherwise,
/// results go to docs/.
pub(crate) fn run(options: &[String]) -> Result<()> {
    setup::ensure()?;
    println!("Building with optimisation. The first time this compiles RocksDB, which takes some minutes.");
    let mut command = cargo::cargo(&["run", "--quiet", "--release", "--package", "kvbackup-benches", "--"]);
    let (subcommand, options) = match options {
        [first, rest @ ..] if first == "scale" => ("scale", rest),
        _ => ("compare", options),
    };
    command.args([subcommand, "--out", "docs"]).args(options);
    process::run(&mut command)
}

/// Runs the task `bench-cql`: kvbackup beside dsbulk and COPY, on a CQL server that is started for it. COPY is left out where
/// there is no `cqlsh`.
pub(crate) fn run_cql(options: &[String]) -> Result<()> {
    setup::ensure()?;
    let mut command = cargo::cargo(&["run", "--quiet", "--release", "--package", "kvbackup-bench-cql", "--"]);
    command.args(["compare", "--out", "docs"]);
    if let Some(program) = setup::cqlsh() {
        command.arg("--cqlsh").arg(program);
    }
    cql::with_measured(|server| {
        command.args(["--server", &server.host, "--pid", &server.pid.to_string()]);
        process::run(command.arg("--dsbulk").arg(&server.dsbulk).args(options))
    })
}
