#![doc = include_str!("../README.md")]

mod bench;
mod boot;
mod cargo;
mod cql;
mod demo;
mod fuzz;
mod instructions;
mod process;
mod promtool;
mod release;
mod rocksdb;
mod setup;
mod stores;
mod test;
mod test_all;
mod tidy;

use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
The chores of this workspace. xtask/README.md says more.

Usage: cargo xtask TASK [OPTIONS]

  setup         Finds what the tasks need (a C++ compiler, clang, ccache, protoc, Java, Maven), and
                installs what is missing with apt-get, dnf or brew. Each task does so for itself.
                  --check           only report; fails if something is missing
  demo          Builds kvbackup and shows it on the database of a real validator. The first build
                compiles RocksDB: 5 to 15 minutes.
  test          The quick tests: `cargo test --workspace`.
                  ARGS...           go to `cargo test`, for example `-p backup-format -- cut`
  boot-tests    Boots linera's real worker on restored databases. The first build takes 15 minutes.
                  ARGS...           go to `cargo test`
  bootproof     Builds and runs the program that proves that a dump boots.
                  ARGS...           go to the program, for example `-- --help`
  test-all      All that CI proves, step by step, with a table of the steps at the end.
                  --list            name the steps
                  --only STEP       run this step alone (may be given several times)
                  --skip STEP       leave this step out (may be given several times)
                  --exhaustive      leave out nothing that takes long
  bench         Compares kvbackup with RocksDB's own ways of backing up, and writes docs/BENCHMARKS.md
                and docs/benchmarks.svg. Takes a quarter of an hour.
                  scale             measure kvbackup alone, by size and cores: docs/SCALING.md
                  MIX:MEGABYTES..   what to measure with: mix validator, small or chains
                  --rounds N        how often; 5 by default
  bench-cql     Compares kvbackup with dsbulk and, if cqlsh is there, COPY, on a CQL server that it
                starts, and writes docs/BENCHMARKS-CQL.md. Takes half an hour.
                  MEGABYTES..       how much data; 200 and 2000 by default
                  --rounds N        how often; 3 by default
  bench-instructions
                Counts the instructions of the hot paths with Callgrind.
                  --baseline REV    compare with this revision, and fail if a count grew
                  --threshold N     growth that is allowed, in percent; 1 by default
  cql start | stop | status | kill NODE | revive NODE
                Runs Apache Cassandra for tests. If SCYLLA_URI names a server, that one is used. Other
                tasks start and stop what they need. tools/cassandra/README.md explains the options:
                --name NAME, and for start --nodes N and --secured.
  stores install | start | stop
                Runs versitygw (S3) and Azurite (Azure) for tests, and prints the variables that
                kvbackup needs to use them. tools/object-stores/README.md says more.
  deb           Builds the Debian package with manual pages and completions: target/deb.
  image         Builds the root file system of the container image: target/image/root.
                  --check           run the program in it, in a namespace of its own
  book          Builds the site of the documents, and checks its links: target/book/site.
  tidy          Checks imports, links, that docs/FORMAT.md was read when the schema changed, and the style.
                  --bless           say that docs/FORMAT.md is true
  fuzz          Runs each fuzz target. Needs nightly Rust and cargo-fuzz.
                  --seconds N       for so long per target; 60 by default
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Err(error) = run(&arguments) else { return ExitCode::SUCCESS };
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

fn run(arguments: &[String]) -> Result<()> {
    let Some((task, options)) = arguments.split_first().filter(|_| !wants_help(arguments)) else {
        print!("{HELP}");
        return Ok(());
    };
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
        "stores" => stores::run(options),
        "deb" | "image" | "book" => release::run(task, options),
        "tidy" => tidy::run(options),
        "fuzz" => fuzz::run(options),
        other => bail!("there is no task `{other}`; `cargo xtask --help` lists them"),
    }
}

/// What stands behind `--` is for another program.
fn wants_help(arguments: &[String]) -> bool {
    arguments[0] == "help"
        || arguments.iter().take_while(|word| *word != "--").any(|word| word == "--help" || word == "-h")
}

/// Takes an option with its value out of the options of a task.
fn take_option(options: &mut Vec<String>, name: &str) -> Result<Option<String>> {
    let Some(at) = options.iter().position(|option| option == name) else { return Ok(None) };
    options.remove(at);
    if at == options.len() {
        bail!("`{name}` needs a value");
    }
    Ok(Some(options.remove(at)))
}

/// Refuses options that the task does not know.
fn no_more_options(task: &str, options: &[String]) -> Result<()> {
    match options.first() {
        None => Ok(()),
        Some(option) => bail!("`{task}` has no option `{option}`; see `cargo xtask --help`"),
    }
}
