//! `fuzz`: each fuzz target for some seconds, on nightly Rust.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cargo, no_more_options, process};

const MANIFEST: &str = "crates/backup-format/fuzz/Cargo.toml";

/// Runs the task.
pub(crate) fn run(options: &[String]) -> Result<()> {
    let seconds = match options {
        [] => 60,
        [flag, seconds, rest @ ..] if flag == "--seconds" => {
            no_more_options("fuzz", rest)?;
            seconds.parse::<u32>().with_context(|| format!("`{seconds}` is no number of seconds"))?
        }
        other => return no_more_options("fuzz", other),
    };
    let manifest = cargo::root().join(MANIFEST);
    let packages = cargo::members(&manifest)?;
    let targets: Vec<&str> = packages.iter().flat_map(cargo::programs).collect();
    if targets.is_empty() {
        bail!("{MANIFEST} has no fuzz target");
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
    let folder = cargo::root().join(MANIFEST).ancestors().nth(2).map(ToOwned::to_owned);
    command.current_dir(folder.expect("the manifest's path has two folders above it"));
    command
}
