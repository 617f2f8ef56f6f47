#![doc = include_str!("../README.md")]

mod content;
mod ours;
mod process;
mod round;
mod server;
mod table;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use tools::Tools;

const USAGE: &str = "\
Compares kvbackup with dsbulk and cqlsh's COPY on a CQL server that runs on this machine.

Usage:
  kvbackup-bench-cql compare --server HOST --pid PID --dsbulk DIR [--cqlsh PROGRAM]
                             [MEGABYTES].. [--rounds N] [--scratch DIR] [--out DIR]

--pid is the server's process, --dsbulk a directory with dsbulk's jars. By default: 200 and 2000 MB, 3 rounds, no cqlsh, the system's
directory for temporary files, and BENCHMARKS-CQL.md in the current directory. The keyspace kvbackup_bench is dropped before and after.";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Runtime::new().context("starting a runtime")?;
    match arguments.as_slice() {
        ["compare", options @ ..] => runtime.block_on(compare(&Options::of(options)?)),
        // Parts of `compare`, each in a process of its own.
        ["backup", address, path] => runtime.block_on(ours::back_up(address, Path::new(path))),
        ["restore", path, address] => runtime.block_on(ours::restore(Path::new(path), address)),
        ["--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => bail!("{USAGE}"),
    }
}

async fn compare(options: &Options) -> Result<()> {
    let scratch = tempfile::tempdir_in(&options.scratch).context("making a directory for scratch files")?;
    let server = server::Server::connect(&options.server, options.pid).await?;
    let mut text = table::head(&server.version, options.rounds);
    for (index, megabytes) in options.megabytes.iter().enumerate() {
        let folder = scratch.path().join(megabytes.to_string());
        fs::create_dir_all(&folder)?;
        let warm = index == 0;
        let results =
            round::measure(&server, &options.tools, *megabytes, options.rounds, warm, &folder).await?;
        text.push_str(&table::markdown(&results));
        fs::remove_dir_all(&folder)?;
    }
    server.drop_all().await?;
    fs::write(options.out.join("BENCHMARKS-CQL.md"), &text).context("writing BENCHMARKS-CQL.md")?;
    println!("{text}");
    Ok(())
}

#[derive(Debug)]
struct Options {
    megabytes: Vec<u64>,
    rounds: usize,
    server: String,
    pid: u32,
    tools: Tools,
    scratch: PathBuf,
    out: PathBuf,
}

impl Options {
    fn of(mut rest: &[&str]) -> Result<Self> {
        let (mut megabytes, mut rounds) = (Vec::new(), 3);
        let (mut server, mut pid, mut dsbulk, mut cqlsh) = (None, None, None, None);
        let (mut scratch, mut out) = (std::env::temp_dir(), PathBuf::from("."));
        while let [first, after @ ..] = rest {
            rest = after;
            if !first.starts_with("--") {
                let size =
                    first.parse().with_context(|| format!("{first:?}: expected a number of megabytes"));
                megabytes.push(size?);
                continue;
            }
            let [value, after @ ..] = rest else { bail!("{first}: a value is missing\n\n{USAGE}") };
            rest = after;
            match *first {
                "--rounds" => rounds = value.parse().context("--rounds: expected a number")?,
                "--server" => server = Some((*value).to_owned()),
                "--pid" => pid = Some(value.parse().context("--pid: expected the number of a process")?),
                "--dsbulk" => dsbulk = Some(PathBuf::from(value)),
                "--cqlsh" => cqlsh = Some(PathBuf::from(value)),
                "--scratch" => scratch = value.into(),
                "--out" => out = value.into(),
                _ => bail!("{first}: no such option\n\n{USAGE}"),
            }
        }
        if megabytes.is_empty() {
            megabytes = vec![200, 2_000];
        }
        let needed = "--server, --pid and --dsbulk are needed";
        let tools = Tools { dsbulk: dsbulk.context(needed)?, cqlsh };
        let (server, pid) = server.zip(pid).context(needed)?;
        Ok(Self { megabytes, rounds, server, pid, tools, scratch, out })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: [&str; 6] = ["--server", "here:1", "--pid", "7", "--dsbulk", "jars"];

    #[test]
    fn options_are_read_in_any_order_and_wrong_ones_refused() {
        let of = |more: &[&str]| Options::of(&[more, &NEEDED].concat());
        let options = of(&["50", "--rounds", "2", "60", "--out", "there"]).unwrap();
        assert_eq!((options.megabytes, options.rounds, options.pid), (vec![50, 60], 2, 7));
        assert_eq!((options.server.as_str(), options.out), ("here:1", PathBuf::from("there")));
        assert_eq!(of(&[]).unwrap().megabytes, [200, 2_000]);
        for wrong in [&["x"][..], &["--rounds", "x"], &["--speed", "1"], &["--pid", "x"]] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
        assert!(Options::of(&NEEDED[2..]).is_err() && Options::of(&["--rounds"]).is_err());
    }
}
