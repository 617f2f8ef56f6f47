//! `demo`: kvbackup on the database of a real validator, step by step.

use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::setup::{self, For};
use crate::{cargo, no_more_options, process, rocksdb};

/// A database that linera-core 0.15.23 wrote.
const FIXTURE: &str = "tests/fixtures/linera-0.15.23";
const NAMESPACE: &str = "validator_0";

/// How cargo builds the program.
const BUILD: [&str; 6] =
    ["build", "--package", "backup-cli", "--no-default-features", "--features", "rocksdb"];

const WILL_DO: &str = "\
The demo builds kvbackup, and then uses it on a copy of a database that a Linera validator wrote:
it makes a dump, verifies and restores it, and compares the digests of all copies.
The steps take some seconds. The first build compiles RocksDB: 5 to 15 minutes.
";

/// Runs the task.
pub(crate) fn run(options: &[String]) -> Result<()> {
    no_more_options("demo", options)?;
    print!("{WILL_DO}");
    setup::ensure(&[For::Build])?;
    process::run(&mut cargo::cargo(&BUILD))?;
    show(&cargo::target_folder()?)
}

/// Runs the task with the RocksDB that the tests compiled, beside the examples that use it, too.
pub(crate) fn run_after_tests() -> Result<()> {
    let target = cargo::target_folder()?.join("downstream");
    let mut build = cargo::cargo(&BUILD);
    build.env("CARGO_TARGET_DIR", &target);
    process::run(rocksdb::link_compiled(&mut build, &cargo::root().join("Cargo.lock"))?)?;
    show(&target)
}

/// Shows what the program in a target folder does.
fn show(target: &Path) -> Result<()> {
    let (program, folder) = prepare(target)?;
    let color = std::io::stdout().is_terminal();
    println!("\n{}", header());
    let mut rows = Vec::new();
    for (step, arguments) in steps(&folder)? {
        let mut command = Command::new(&program);
        let printed = process::output(command.args(&arguments).arg("--json").current_dir(cargo::root()))?;
        let row = Row::parse(step, &printed).with_context(|| format!("in `{}`", process::show(&command)))?;
        println!("{}", row.line());
        rows.push(row);
    }
    let digest = one_digest(&rows)?;
    let (green, plain) = if color { ("\x1b[32m", "\x1b[0m") } else { ("", "") };
    println!("\n{green}The digest is the same everywhere:{plain} {digest}");
    println!("The files are in {folder}. Try: {} inspect {folder}/repo", program.display());
    Ok(())
}

/// Returns the program in a target folder, and an empty folder that holds a copy of the fixture: the demo must not change it.
fn prepare(target: &Path) -> Result<(PathBuf, String)> {
    let folder = target.join("demo");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("could not empty {folder:?}"))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("could not create {folder:?}"))?;
    let fixture = cargo::root().join(FIXTURE).join("namespace");
    process::output(Command::new("cp").arg("-R").arg(fixture).arg(folder.join("validator")))?;
    let shown = folder.strip_prefix(cargo::root()).unwrap_or(&folder).display().to_string();
    Ok((target.join("debug/kvbackup"), shown))
}

/// Returns the steps with their command lines for kvbackup.
fn steps(folder: &str) -> Result<Vec<(&'static str, Vec<String>)>> {
    let (repository, key) = (format!("{folder}/repo"), public_key()?);
    let validator = format!("rocksdb:{folder}/validator/{NAMESPACE}");
    let restored = format!("rocksdb:{folder}/restored/{NAMESPACE}");
    let steps: [(_, &[&str]); 7] = [
        ("dump it", &["backup", &validator, &repository, "--origin", &key]),
        ("read the whole dump again", &["verify", &repository, "--level", "2"]),
        ("restore it into RocksDB", &["restore", &repository, &restored]),
        ("restore it into memory", &["restore", &repository, "memory:"]),
        ("compare dump and restored copy", &["verify", &repository, "--against", &restored]),
        ("digest of the restored copy", &["digest", &restored]),
        ("digest of the original", &["digest", &validator]),
    ];
    Ok(steps.map(|(step, arguments)| (step, arguments.iter().map(ToString::to_string).collect())).into())
}

/// The public key of the validator that wrote the fixture.
fn public_key() -> Result<String> {
    let path = cargo::root().join(FIXTURE).join("info.json");
    let text = fs::read(&path).with_context(|| format!("could not read {path:?}"))?;
    let info: Value = serde_json::from_slice(&text).with_context(|| format!("could not parse {path:?}"))?;
    Ok(info["public_key"].as_str().with_context(|| format!("{path:?} has no `public_key`"))?.to_owned())
}

/// A line of the table.
struct Row {
    step: &'static str,
    seconds: f64,
    bytes: Option<u64>,
    digest: String,
}

fn header() -> String {
    format!("{:<32}{:>8}{:>10}  digest", "step", "seconds", "bytes")
}

impl Row {
    /// Takes the fields from the JSON object that kvbackup prints.
    fn parse(step: &'static str, printed: &str) -> Result<Self> {
        let report: Value = serde_json::from_str(printed).context("expected one JSON object")?;
        let digest = report["digest"].as_str().context("expected a text field `digest`")?.to_owned();
        let seconds = report["seconds"].as_f64().context("expected a number field `seconds`")?;
        Ok(Self { step, seconds, bytes: report["plain_bytes"].as_u64(), digest })
    }

    fn line(&self) -> String {
        let bytes = self.bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
        let digest = self.digest.get(..16).unwrap_or(&self.digest);
        format!("{:<32}{:>8.2}{bytes:>10}  {digest}", self.step, self.seconds)
    }
}

/// Returns the digest of all steps, or an error that lists them.
fn one_digest(rows: &[Row]) -> Result<&str> {
    let first = &rows.first().context("no step printed a digest")?.digest;
    if rows.iter().any(|row| row.digest != *first) {
        let lines: String = rows.iter().map(|row| format!("\n  {}  {}", row.digest, row.step)).collect();
        bail!("the digests differ, although the content should be the same:{lines}");
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(digests: &[&str]) -> Vec<Row> {
        let report = |digest| format!("{{\"digest\": \"{digest}\", \"seconds\": 0.5, \"plain_bytes\": 7}}");
        digests.iter().map(|digest| Row::parse("digest of it", &report(*digest)).unwrap()).collect()
    }

    #[test]
    fn one_differing_digest_or_none_at_all_fails_the_demo() {
        assert_eq!(one_digest(&rows(&["ab", "ab", "ab"])).unwrap(), "ab");
        let error = one_digest(&rows(&["ab", "ab", "ac"])).unwrap_err().to_string();
        assert!(error.contains("differ") && error.contains("ac  digest of it"), "{error}");
        assert!(one_digest(&[]).is_err());
    }

    #[test]
    fn output_without_a_digest_is_refused() {
        for bad in ["", "{}", "{\"digest\": 7, \"seconds\": 1}", "{\"digest\": \"a\"}"] {
            assert!(Row::parse("", bad).is_err(), "{bad}");
        }
    }
}
