//! `bench`: kvbackup beside RocksDB's own ways, in one run.

use anyhow::Result;

use crate::{cargo, process, setup};

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
