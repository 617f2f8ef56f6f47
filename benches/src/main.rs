#![doc = include_str!("../README.md")]

mod content;
mod days;
mod engine;
mod ours;
mod plot;
mod round;
mod scale;
mod step;
mod table;
mod upstream;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use kvbackup_bench_content::Mix;
use round::DataSet;

const USAGE: &str = "\
Compares kvbackup with RocksDB's own ways of backing up, in one run.

Usage:
  kvbackup-benches compare [MIX:MEGABYTES].. [--rounds N] [--scratch DIR] [--out DIR]
  kvbackup-benches scale [MEGABYTES].. [--rounds N] [--scratch DIR] [--out DIR]
  kvbackup-benches days [MEGABYTES DAYS PERCENT] [--scratch DIR]
  kvbackup-benches generate DIR/NAMESPACE MEGABYTES [MIX]
  kvbackup-benches change DIR/NAMESPACE ONE_IN [MIX]

MIX is validator, small or chains. By default: validator:200 validator:1800 small:200, 5 rounds, the system's directory for
temporary files, and BENCHMARKS.md and benchmarks.svg in the current directory. `scale` measures kvbackup alone, by size (200, 600,
1800 and 5000 MB by default) and number of cores, and writes SCALING.md and scaling.svg. `days` makes a dump
a day of a namespace in memory whose keys are hashes, and prints the bytes stored for each that changed: 300 MB, 30 days and 1 % by
default. `generate` writes a database to measure other things with, `change` gives one in ONE_IN of its partitions other values.";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["compare", options @ ..] => compare(&Options::of(options)?),
        ["scale", options @ ..] => scale(&Options::of(options)?),
        ["days"] => measure_days("300", "30", "1", None),
        ["days", megabytes, days, percent] => measure_days(megabytes, days, percent, None),
        ["days", megabytes, days, percent, "--scratch", scratch] => {
            measure_days(megabytes, days, percent, Some(Path::new(scratch)))
        }
        ["generate", path, megabytes] => generate(path, megabytes, Mix::Validator),
        ["generate", path, megabytes, mix] => generate(path, megabytes, Mix::of(mix)?),
        ["change", path, one_in] => change(path, one_in, Mix::Validator),
        ["change", path, one_in, mix] => change(path, one_in, Mix::of(mix)?),
        // A part of `compare`.
        ["step", code, from, to] => {
            let cost = step::run(code, Path::new(from), Path::new(to))?;
            println!("{}", serde_json::to_string(&cost)?);
            Ok(())
        }
        ["--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => bail!("{USAGE}"),
    }
}

fn measure_days(megabytes: &str, days: &str, percent: &str, scratch: Option<&Path>) -> Result<()> {
    let percent = percent.parse().with_context(|| format!("{percent:?}: expected a number of percent"))?;
    let days = days.parse().with_context(|| format!("{days:?}: expected a number of days"))?;
    let month = days::Month { megabytes: parse(megabytes)?, days, percent };
    let directory = match scratch {
        Some(scratch) => tempfile::tempdir_in(scratch)?,
        None => tempfile::tempdir()?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(days::run(&month, &directory.path().join("repository")))
}

fn generate(path: &str, megabytes: &str, mix: Mix) -> Result<()> {
    let written = content::generate(Path::new(path), parse(megabytes)?, mix)?;
    println!("{path}: {written:?}");
    Ok(())
}

fn change(path: &str, one_in: &str, mix: Mix) -> Result<()> {
    let one_in = one_in.parse().with_context(|| format!("{one_in:?}: expected a number of partitions"))?;
    let changed = content::change(Path::new(path), mix, one_in)?;
    println!("{path}: {changed} partitions have other values");
    Ok(())
}

fn parse(megabytes: &str) -> Result<u64> {
    megabytes.parse().with_context(|| format!("{megabytes:?}: expected a number of megabytes"))
}

struct Options {
    data: Vec<DataSet>,
    rounds: usize,
    scratch: PathBuf,
    out: PathBuf,
}

impl Options {
    fn of(mut rest: &[&str]) -> Result<Self> {
        let (scratch, out) = (std::env::temp_dir(), PathBuf::from("."));
        let mut options = Self { data: Vec::new(), rounds: 5, scratch, out };
        while let [first, after @ ..] = rest {
            rest = after;
            if !first.starts_with("--") {
                options.data.push(data_set(first)?);
                continue;
            }
            let [value, after @ ..] = rest else { bail!("{first}: a value is missing\n\n{USAGE}") };
            rest = after;
            match *first {
                "--rounds" => options.rounds = value.parse().context("--rounds: expected a number")?,
                "--scratch" => options.scratch = value.into(),
                "--out" => options.out = value.into(),
                _ => bail!("{first}: no such option\n\n{USAGE}"),
            }
        }
        Ok(options)
    }
}

fn data_set(text: &str) -> Result<DataSet> {
    let (mix, megabytes) = text.split_once(':').unwrap_or((Mix::Validator.name(), text));
    Ok(DataSet { mix: Mix::of(mix)?, megabytes: parse(megabytes)? })
}

fn compare(options: &Options) -> Result<()> {
    let scratch = tempfile::tempdir_in(&options.scratch).context("making a directory for scratch files")?;
    let usual = [(Mix::Validator, 200), (Mix::Validator, 1_800), (Mix::Small, 200)];
    let usual = usual.map(|(mix, megabytes)| DataSet { mix, megabytes });
    let mut all = Vec::new();
    for data in if options.data.is_empty() { &usual[..] } else { &options.data } {
        all.push(round::measure(*data, options.rounds, scratch.path())?);
    }
    let mut text = String::from("# Benchmarks\n\n");
    let cores = step::all_cores();
    write!(
        text,
        "Written by `cargo xtask bench` on a machine with {cores} cores; files were in the page cache. Each step ran in a process \
         of its own, the steps of a round after each other. The reference is BackupEngine with one file at a time, as linera \
         calls it; for second backups, the first one. Times of other machines will differ, ratios less so.\n\n\
         ![Seconds of each step](benchmarks.svg)\n\n"
    )?;
    let tables: Vec<String> = all.iter().map(table::markdown).collect();
    text.push_str(&tables.join("\n"));
    fs::write(options.out.join("BENCHMARKS.md"), &text).context("writing BENCHMARKS.md")?;
    fs::write(options.out.join("benchmarks.svg"), plot::svg(&all)).context("writing benchmarks.svg")?;
    println!("{text}");
    Ok(())
}

fn scale(options: &Options) -> Result<()> {
    let scratch = tempfile::tempdir_in(&options.scratch).context("making a directory for scratch files")?;
    anyhow::ensure!(options.data.iter().all(|data| data.mix == Mix::Validator), "scale takes sizes alone");
    let sizes: Vec<u64> = options.data.iter().map(|data| data.megabytes).collect();
    let sizes = if sizes.is_empty() { vec![200, 600, 1_800, 5_000] } else { sizes };
    let points = scale::measure(&sizes, options.rounds, scratch.path())?;
    let text = format!(
        "# Scaling\n\nWritten by `cargo xtask bench scale`: medians of {} rounds, files in the page cache where they fit.\n\n\
         ![Seconds by size](scaling.svg)\n\n{}",
        options.rounds,
        scale::markdown(&points)
    );
    fs::write(options.out.join("SCALING.md"), &text).context("writing SCALING.md")?;
    fs::write(options.out.join("scaling.svg"), plot::lines(&points)).context("writing scaling.svg")?;
    println!("{text}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_in_any_order_and_wrong_ones_refused() {
        let options = Options::of(&["small:3", "--rounds", "2", "chains:4", "--out", "there"]).unwrap();
        let names: Vec<String> = options.data.iter().map(DataSet::name).collect();
        assert_eq!(names, ["small 3 MB", "chains 4 MB"]);
        assert_eq!((options.rounds, options.out), (2, PathBuf::from("there")));
        assert_eq!(Options::of(&["7"]).unwrap().data[0].name(), "validator 7 MB");
        for wrong in [&["small"][..], &["large:1"], &["small:x"], &["--rounds"], &["--speed", "1"]] {
            assert!(Options::of(wrong).is_err(), "{wrong:?}");
        }
    }
}
