//! `fuzz`: each fuzz target for some seconds, on nightly Rust.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cargo, no_more_options, process, take_option};

/// The crate that is fuzzed.
const CRATE: &str = "crates/backup-format";

/// Runs the task.
pub(crate) fn run(options: &[String]) -> Result<()> {
    let mut options = options.to_vec();
    let seconds = take_option(&mut options, "--seconds")?.unwrap_or_else(|| "60".to_owned());
    let seconds = seconds.parse::<u32>().with_context(|| format!("`{seconds}` is no number of seconds"))?;
    no_more_options("fuzz", &options)?;
    let manifest = cargo::root().join(CRATE).join("fuzz/Cargo.toml");
    let packages = cargo::members(&manifest)?;
    let targets: Vec<&str> = packages.iter().flat_map(cargo::programs).collect();
    if targets.is_empty() {
        bail!("{manifest:?} has no fuzz target");
    }
    for target in targets {
        let corpus = manifest.with_file_name("corpus").join(target);
        std::fs::create_dir_all(&corpus).with_context(|| format!("could not create {corpus:?}"))?;
        process::run(&mut fuzz(target, seconds)).with_context(|| {
            format!("fuzzing `{target}`; if cargo-fuzz is missing: cargo install cargo-fuzz --locked")
        })?;
    }
    Ok(())
}

fn fuzz(target: &str, seconds: u32) -> Command {
    let mut command = Command::new("cargo");
    // The cargo that runs us is stable; rustup picks another one by the first argument.
    for variable in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(variable);
    }
    let time = format!("-max_total_time={seconds}");
    let dictionary = if target == "manifest" { "manifest" } else { "binary" };
    let dictionary = format!("-dict=dictionaries/{dictionary}.dict");
    let (corpus, seeds) = (format!("corpus/{target}"), format!("../tests/regressions/{target}"));
    command.args(["+nightly", "fuzz", "run", target, &corpus, &seeds, "--", &time, &dictionary]);
    // One allocation above this is a finding: parsers take little more than their input.
    command.arg("-malloc_limit_mb=64");
    command.current_dir(cargo::root().join(CRATE));
    command
}
