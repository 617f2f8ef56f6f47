#![doc = include_str!("../README.md")]

mod boot;
mod cargo;
mod demo;
mod fuzz;
mod process;
mod setup;
mod test;
mod test_all;
mod tidy;

use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
The chores of this workspace.

Usage: cargo xtask TASK [OPTIONS]

  setup     Finds what the workspace needs to build (a C++ compiler, libclang, protoc, ccache), and
            installs what is missing with apt-get, dnf or brew. The tasks below call it.
              --check           only report; fails when something is missing
  demo      Builds kvbackup and shows it on the database of a real validator: inspect, backup,
            verify, restore into RocksDB and into memory, and one digest everywhere.
  test      The quick tests: `cargo test --workspace`.
              ARGS...           go to `cargo test`, for example `-p backup-format -- cut`
  boot-tests
            Boots linera's real worker on restored databases. The first time this compiles linera,
            which takes a quarter of an hour.
              ARGS...           go to `cargo test`
  bootproof Builds and runs the program that proves that a dump boots.
              ARGS...           go to the program; `cargo xtask bootproof -- --help` explains them
  test-all  All that CI proves, step by step, with a table of the steps at the end.
              --list            name the steps
              --only STEP       run this step alone (may be given several times)
              --skip STEP       leave this step out (may be given several times)
  tidy      Checks who imports whom, that docs/FORMAT.md was looked at when the schema changed,
            and the house style. xtask/README.md explains each rule.
              --bless           say that docs/FORMAT.md was read again and is true
  fuzz      Runs each fuzz target. Needs nightly Rust and cargo-fuzz.
              --seconds N       for so long per target (default 60)

The first time, `cargo xtask demo` compiles RocksDB: that takes some minutes.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let Some((task, options)) = arguments.split_first() else {
        print!("{HELP}");
        return Ok(());
    };
    if options.iter().take_while(|option| *option != "--").any(|o| o == "--help" || o == "-h") {
        print!("{HELP}");
        return Ok(());
    }
    match task.as_str() {
        "setup" => setup::run(options),
        "demo" => demo::run(options),
        "test" => test::run(options),
        "boot-tests" => boot::run_tests(options),
        "bootproof" => boot::prove(options.strip_prefix(&["--".to_owned()][..]).unwrap_or(options)),
        "test-all" => test_all::run(options),
        "tidy" => tidy::run(options),
        "fuzz" => fuzz::run(options),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("there is no task `{other}`; `cargo xtask --help` lists them"),
    }
}

/// Refuses options that the task does not know.
fn no_more_options(task: &str, options: &[String]) -> Result<()> {
    match options.first() {
        None => Ok(()),
        Some(option) => bail!("`{task}` has no option `{option}`; see `cargo xtask --help`"),
    }
}
