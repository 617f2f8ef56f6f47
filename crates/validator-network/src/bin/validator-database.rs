//! Writes a validator's database of a chosen size with linera's real worker, for benchmarks and tests.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use linera_views::store::KeyValueDatabase;
use validator_network::generate::{Plan, generate};
use validator_network::rocksdb;
use validator_network::runtime;

/// Write a validator's database, in RocksDB, with linera's real worker
///
/// All blocks are executed, certified and applied: the database passes every check that a validator's passes. Its network has
/// one validator, whose secret key is the number 1.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  validator-database /tmp/db/validator_0
  validator-database /tmp/db/validator_0 --size 1GiB --blob-bytes 1MiB --chains 1000")]
struct Args {
    /// The directory of the namespace, DIR/NAMESPACE; it must not be there yet
    namespace: PathBuf,
    /// Chains beside the one that administers the network
    #[arg(long, default_value_t = Plan::default().chains, value_parser = clap::value_parser!(u32).range(1..))]
    chains: u32,
    /// Rounds in which every chain receives and sends: a block each
    #[arg(long, default_value_t = Plan::default().rounds)]
    rounds: u32,
    /// Changes of the committee, which publish events
    #[arg(long, default_value_t = Plan::default().epochs)]
    epochs: u32,
    /// Data blobs, in a block each
    #[arg(long, default_value_t = Plan::default().blobs)]
    blobs: u64,
    /// Bytes of each blob, like 64KiB or 20MiB
    #[arg(long, value_name = "SIZE", default_value = "64KiB", value_parser = parse_size)]
    blob_bytes: u64,
    /// Publish as many blobs as take so many bytes together, like 1GiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size, conflicts_with = "blobs")]
    size: Option<u64>,
    /// What the contents of the blobs depend on
    #[arg(long, default_value_t = Plan::default().seed)]
    seed: u64,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    ensure!(!args.namespace.exists(), "{} is there already; choose another path", args.namespace.display());
    let base = args.namespace.parent().context("the namespace needs a directory")?.to_owned();
    let name =
        args.namespace.file_name().and_then(|name| name.to_str()).context("the namespace needs a name")?;
    let plan = Plan {
        chains: args.chains,
        rounds: args.rounds,
        epochs: args.epochs,
        blobs: args.blobs,
        blob_bytes: usize::try_from(args.blob_bytes).context("a blob of that size does not fit in memory")?,
        seed: args.seed,
    };
    let plan = args.size.map_or(plan, |bytes| plan.with_bytes(bytes));
    let started = Instant::now();
    let terminal = std::io::stderr().is_terminal();
    let show = move |blocks: u64| {
        if blocks.is_multiple_of(if terminal { 10 } else { 1_000 }) {
            eprint!(
                "{}{blocks} of {} blocks{}",
                if terminal { "\r" } else { "" },
                plan.blocks(),
                if terminal { "" } else { "\n" }
            );
        }
    };
    runtime::block_on(|| async {
        let config = rocksdb::config(base);
        let database = linera_views::rocks_db::RocksDbDatabase::maybe_create_and_connect(&config, name).await;
        generate(database.context("creating the database")?, plan, show).await
    })?;
    eprintln!("\r{} blocks in {:.1} s", plan.blocks(), started.elapsed().as_secs_f64());
    Ok(())
}

/// Reads a number of bytes, with an optional unit.
fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        unit => return Err(format!("unknown unit {unit:?}; expected B, KiB, MiB or GiB")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("{digits:?} is no whole number"))?;
    number.checked_mul(unit).ok_or_else(|| "that is too much".to_owned())
}
