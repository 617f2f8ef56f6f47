#![doc = include_str!("../README.md")]

mod bench;
mod boot;
mod cargo;
mod cql;
mod demo;
mod fuzz;
mod instructions;
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

  setup     Finds what the workspace needs to build (a C++ compiler, libclang, protoc, ccache,
            Java, Maven), and installs what is missing with apt-get, dnf or brew. The tasks below
            call it.
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
  bench     Compares kvbackup with RocksDB's own ways of backing up, in one run, and writes
            docs/BENCHMARKS.md and docs/benchmarks.svg. Takes a quarter of an hour.
              MIX:MEGABYTES..   what to measure with: mix validator, small or chains
              --rounds N        how often; 5 by default
  bench-cql Compares kvbackup with dsbulk and, where cqlsh is there, COPY, on a CQL server that it starts,
            and writes docs/BENCHMARKS-CQL.md. Takes half an hour.
              MEGABYTES..       how much data; 200 and 2000 by default
              --rounds N        how often; 3 by default
  bench-instructions
            Counts the instructions of the hot paths with Callgrind, and compares them with those of another
            revision. Installs Valgrind and gungraun-runner where they are missing.
              --baseline REV    count in this revision too, and fail when a count grew
              --threshold PERCENT
                                growth that is allowed; 1 by default
              --out FILE        write the report there as well, as Markdown
  cql start | stop | status | kill NODE | revive NODE
            Runs CQL servers for tests: Apache Cassandra from its Maven artifacts, on 127.0.0.1 and
            the addresses that follow. Where SCYLLA_URI names a server, that one is used instead.
            `test`, `boot-tests` and `test-all` start what they need and stop it by themselves. `kill` ends a
            node, 1 to N, without a warning; `revive` starts it again on what it had stored.
              --nodes N         start so many nodes, 1 to 5 (default 1); each takes 1 GB of memory
              --name NAME       another cluster beside the one without a name, on addresses that are
                                free: 127.0.1.1 and up. `stop` without a name stops all
              --secured         start: clients need a password (user cassandra, password cassandra)
                                and TLS; target/cql/named/NAME/keys/ca.pem vouches for the nodes
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
        "bench" => bench::run(options),
        "bench-cql" => bench::run_cql(options),
        "bench-instructions" => instructions::run(options),
        "cql" => cql::run(options),
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
