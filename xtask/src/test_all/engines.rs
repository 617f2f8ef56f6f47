//! The proof that a crate which picks one engine builds no other, and the examples that pick one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{cargo, process};

/// An engine, and the packages by which a dependency tree shows that it is built.
struct Engine {
    name: &'static str,
    marks: &'static [&'static str],
}

const ENGINES: [Engine; 3] = [
    Engine { name: "memory", marks: &["backup-memory"] },
    Engine { name: "rocksdb", marks: &["backup-rocksdb", "rocksdb", "librocksdb-sys"] },
    Engine { name: "scylla", marks: &["backup-scylla", "scylla", "scylla-cql"] },
];

/// The program always has the memory engine: it is small, and `verify` restores into it.
const PROGRAM: &str = "backup-cli";

/// Runs the step for the engine crates, the program's features and the downstream examples.
pub(super) fn prove() -> Result<String> {
    let members = cargo::members(&cargo::root().join("Cargo.toml"))?;
    let mut trees = 0;
    let mut check = |arguments: &[&str], picked: &[&str]| {
        trees += 1;
        let tree = tree(arguments)?;
        check_tree(&tree, picked).with_context(|| format!("in `cargo tree {}`", arguments.join(" ")))
    };
    for engine in &ENGINES {
        let package = format!("backup-{}", engine.name);
        if members.iter().any(|member| member.name == package) {
            check(&["--package", &package], &[engine.name])?;
        }
    }
    let program = members.iter().find(|member| member.name == PROGRAM);
    let program = program.with_context(|| format!("the workspace has no {PROGRAM}"))?;
    check(&["--package", PROGRAM, "--no-default-features"], &["memory"])?;
    for engine in ENGINES.iter().filter(|e| program.features.iter().any(|f| f == e.name)) {
        let picked = ["--package", PROGRAM, "--no-default-features", "--features", engine.name];
        check(&picked, &["memory", engine.name])?;
    }
    for example in examples()? {
        let manifest = example.manifest.to_string_lossy();
        check(&["--manifest-path", &manifest], &[&example.engine])?;
    }
    Ok(format!("{trees} trees"))
}

/// Runs the step: each example compiles and runs to its end.
pub(super) fn run_examples() -> Result<String> {
    let target = cargo::target_folder()?;
    let examples = examples()?;
    for example in &examples {
        let mut command = cargo::cargo(&["run", "--manifest-path"]);
        command.arg(&example.manifest).env("CARGO_TARGET_DIR", &target);
        process::run(&mut command)?;
    }
    Ok(format!("{} examples", examples.len()))
}

/// A crate as somebody else would write it, with a workspace of its own.
struct Example {
    engine: String,
    manifest: PathBuf,
}

/// Finds the examples. Their names tell the one engine that they pick, as in `memory-only`.
fn examples() -> Result<Vec<Example>> {
    let root = cargo::root();
    let mut examples = Vec::new();
    for manifest in cargo::downstream_manifests(&root)? {
        let name = manifest.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let engine = name.strip_suffix("-only").with_context(|| {
            format!("tests/downstream/{name}: expected a name like `memory-only`, for one engine")
        })?;
        examples.push(Example { engine: engine.to_owned(), manifest: manifest.clone() });
        share_versions(&root, &manifest)?;
    }
    if examples.is_empty() {
        bail!("there is no example crate in tests/downstream");
    }
    Ok(examples)
}

/// Gives the example the versions of the workspace, so that RocksDB need not be compiled again.
/// Cargo drops from the copy what the example does not use.
fn share_versions(root: &Path, manifest: &Path) -> Result<()> {
    let from = root.join("Cargo.lock");
    fs::copy(&from, manifest.with_file_name("Cargo.lock"))
        .with_context(|| format!("could not copy {from:?} beside {manifest:?}"))?;
    Ok(())
}

/// Asks cargo which packages are built, for any platform, without those that only tests use.
fn tree(arguments: &[&str]) -> Result<BTreeSet<String>> {
    let common = ["tree", "--edges", "normal,build", "--target", "all", "--prefix", "none"];
    let printed = process::output(&mut cargo::cargo(&[&common[..], arguments].concat()))?;
    Ok(printed.lines().filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect())
}

/// Checks that every picked engine is in the tree, and no other one.
fn check_tree(tree: &BTreeSet<String>, picked: &[&str]) -> Result<()> {
    for pick in picked {
        if !ENGINES.iter().any(|engine| engine.name == *pick) {
            bail!("there is no engine `{pick}`");
        }
    }
    for engine in &ENGINES {
        let found = engine.marks.iter().find(|mark| tree.contains(**mark));
        match found {
            Some(mark) if !picked.contains(&engine.name) => {
                bail!("picks {} but builds {mark} of {}", picked.join(" and "), engine.name)
            }
            None if picked.contains(&engine.name) => {
                bail!("picks {} but builds none of {}", engine.name, engine.marks.join(", "))
            }
            _ => (),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tree: &[&str], picked: &[&str]) -> Result<()> {
        check_tree(&tree.iter().map(ToString::to_string).collect(), picked)
    }

    #[test]
    fn a_tree_with_the_picked_engine_alone_is_good() {
        check(&["mine", "backup-memory", "backup-format"], &["memory"]).unwrap();
        check(&["backup-rocksdb", "rocksdb", "librocksdb-sys"], &["rocksdb"]).unwrap();
        check(&["backup-memory", "rocksdb"], &["memory", "rocksdb"]).unwrap();
    }

    #[test]
    fn a_tree_with_another_engine_is_refused_by_name() {
        let error = check(&["backup-memory", "librocksdb-sys"], &["memory"]).unwrap_err();
        assert!(error.to_string().contains("builds librocksdb-sys of rocksdb"), "{error}");
        assert!(check(&["backup-rocksdb", "scylla"], &["rocksdb"]).is_err());
    }

    #[test]
    fn a_tree_without_the_picked_engine_proves_nothing_and_is_refused() {
        assert!(check(&[], &["memory"]).is_err());
        assert!(check(&["backup-memory"], &["rocksdb", "memory"]).is_err());
        assert!(check(&["backup-memory"], &["postgres"]).is_err());
    }

    #[test]
    fn the_tree_of_a_crate_names_what_it_builds_and_not_what_its_tests_use() {
        let tree = tree(&["--package", "xtask"]).unwrap();
        assert!(tree.contains("xtask") && tree.contains("anyhow"));
        assert!(!tree.contains("tempfile"));
    }
}
