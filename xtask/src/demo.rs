//! `demo`: kvbackup on the database of a real validator, command by command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{cargo, no_more_options, process, setup};

/// A database that linera-core 0.15.23 wrote, and what is known of it.
const FIXTURE: &str = "tests/fixtures/linera-0.15.23";
const NAMESPACE: &str = "validator_0";

/// Runs the task.
pub(crate) fn run(options: &[String]) -> Result<()> {
    no_more_options("demo", options)?;
    setup::ensure()?;
    println!("Building kvbackup. The first time this compiles RocksDB, which takes some minutes.");
    let build = ["build", "--package", "backup-cli", "--no-default-features", "--features", "rocksdb"];
    process::run(&mut cargo::cargo(&build))?;
    let demo = Demo::prepare()?;
    let digests = demo.play()?;
    println!("\none digest everywhere: {}", one_digest(&digests)?);
    Ok(())
}

/// A digest, and the command that printed it.
struct Seen {
    command: String,
    digest: String,
}

struct Demo {
    program: PathBuf,
    scratch: PathBuf,
    validator_key: String,
}

impl Demo {
    /// Copies the fixture, since the demo must not change it, into an empty scratch folder.
    fn prepare() -> Result<Self> {
        let target = cargo::target_folder()?;
        let fixture = cargo::root().join(FIXTURE);
        let scratch = target.join("demo");
        if scratch.exists() {
            fs::remove_dir_all(&scratch).with_context(|| format!("could not empty {scratch:?}"))?;
        }
        copy_folder(&fixture.join("namespace"), &scratch.join("validator"))?;
        let validator_key = public_key(&fixture.join("info.json"))?;
        Ok(Self { program: target.join("debug/kvbackup"), scratch, validator_key })
    }

    fn play(&self) -> Result<Vec<Seen>> {
        let repository = self.place("repo");
        let validator = format!("rocksdb:{}/{NAMESPACE}", self.place("validator"));
        let restored = format!("rocksdb:{}/{NAMESPACE}", self.place("restored"));

        say("What a validator wrote:");
        process::run(&mut self.kvbackup(&["inspect", &validator]))?;
        say("Dump it:");
        let key = self.validator_key.as_str();
        let mut seen = vec![self.digest(&["backup", &validator, &repository, "--origin", key, "--json"])?];
        say("What the dump holds, told by its manifest:");
        process::run(&mut self.kvbackup(&["inspect", &repository]))?;
        let rest: [(&str, &[&str]); 6] = [
            ("Read the whole dump again:", &["verify", &repository, "--level", "2"]),
            ("Restore it into a second RocksDB:", &["restore", &repository, &restored]),
            ("Restore it into memory:", &["restore", &repository, "memory:"]),
            ("Compare dump and restored database:", &["verify", &repository, "--against", &restored]),
            ("The digest of the restored database:", &["digest", &restored]),
            ("The digest of the validator's database:", &["digest", &validator]),
        ];
        for (title, arguments) in rest {
            say(title);
            seen.push(self.digest(&[arguments, &["--json"]].concat())?);
        }
        Ok(seen)
    }

    /// Names a place in the scratch folder, relative to the top folder where possible.
    fn place(&self, name: &str) -> String {
        let path = self.scratch.join(name);
        path.strip_prefix(cargo::root()).unwrap_or(&path).display().to_string()
    }

    fn kvbackup(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(cargo::root());
        command
    }

    /// Runs kvbackup, shows the JSON object that it prints, and takes the digest from it.
    fn digest(&self, arguments: &[&str]) -> Result<Seen> {
        let printed = process::output(&mut self.kvbackup(arguments))?;
        print!("{printed}");
        let command = format!("kvbackup {}", arguments.join(" "));
        let digest = digest_in(&printed).with_context(|| format!("in the output of `{command}`"))?;
        Ok(Seen { command, digest })
    }
}

fn say(title: &str) {
    println!("\n# {title}");
}

fn digest_in(printed: &str) -> Result<String> {
    let object: Value = serde_json::from_str(printed).context("expected one JSON object")?;
    let digest = object.get("digest").and_then(Value::as_str);
    Ok(digest.context("expected a text field `digest`")?.to_owned())
}

/// Returns the digest that all commands printed, or an error that tells them apart.
fn one_digest(seen: &[Seen]) -> Result<&str> {
    let first = seen.first().context("no command printed a digest")?;
    if seen.iter().any(|other| other.digest != first.digest) {
        let lines = seen.iter().map(|one| format!("\n  {}  {}", one.digest, one.command));
        bail!("the digests differ, though the content should be the same:{}", lines.collect::<String>());
    }
    Ok(&first.digest)
}

/// Reads the public key of the validator that wrote the fixture.
fn public_key(info: &Path) -> Result<String> {
    let text = fs::read_to_string(info).with_context(|| format!("could not read {info:?}"))?;
    let info: Value = serde_json::from_str(&text).with_context(|| format!("could not parse {info:?}"))?;
    let key = info.get("public_key").and_then(Value::as_str);
    Ok(key.context("the fixture's info.json has no text field `public_key`")?.to_owned())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("could not create {to:?}"))?;
    for entry in fs::read_dir(from).with_context(|| format!("could not list {from:?}"))? {
        let source = entry.with_context(|| format!("could not list {from:?}"))?.path();
        let target = to.join(source.file_name().context("an entry without a name")?);
        if source.is_dir() {
            copy_folder(&source, &target)?;
        } else {
            fs::copy(&source, &target).with_context(|| format!("could not copy {source:?}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(digests: &[&str]) -> Vec<Seen> {
        let one = |digest: &&str| Seen { command: "kvbackup".into(), digest: (*digest).into() };
        digests.iter().map(one).collect()
    }

    #[test]
    fn equal_digests_are_one() {
        assert_eq!(one_digest(&seen(&["ab", "ab", "ab"])).unwrap(), "ab");
    }

    #[test]
    fn one_differing_digest_or_none_at_all_fails_the_demo() {
        let error = one_digest(&seen(&["ab", "ab", "ac"])).unwrap_err().to_string();
        assert!(error.contains("differ") && error.contains("ac  kvbackup"), "{error}");
        assert!(one_digest(&[]).is_err());
    }

    #[test]
    fn output_without_a_digest_is_refused() {
        assert_eq!(digest_in("{\"digest\": \"ab\", \"entries\": 3}\n").unwrap(), "ab");
        for bad in ["", "{}", "{\"digest\": 7}", "{\"digest\": \"a\"}{\"digest\": \"b\"}"] {
            assert!(digest_in(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_fixture_is_copied_whole_and_names_its_validator() {
        let scratch = tempfile::tempdir().unwrap();
        let fixture = cargo::root().join(FIXTURE);
        copy_folder(&fixture.join("namespace"), scratch.path()).unwrap();
        let copied = scratch.path().join(NAMESPACE).read_dir().unwrap().count();
        let original = fixture.join("namespace").join(NAMESPACE).read_dir().unwrap().count();
        assert_eq!(copied, original);
        let key = public_key(&fixture.join("info.json")).unwrap();
        assert!(key.len() == 66 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
    }
}
