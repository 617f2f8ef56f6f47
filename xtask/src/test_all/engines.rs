//! The proof that a crate which picks one engine builds no other, and the examples that pick one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{cargo, process, rocksdb};

/// The engines, and the packages that show in a dependency tree that one is built.
const ENGINES: [(&str, &[&str]); 3] = [
    ("memory", &["backup-memory"]),
    ("rocksdb", &["backup-rocksdb", "rocksdb", "librocksdb-sys"]),
    ("scylla", &["backup-scylla", "scylla", "scylla-cql"]),
];

/// The program always has the memory engine: it is small, and `verify` restores into it.
const PROGRAM: &str = "backup-cli";

/// Runs the step for the engine crates, the features of the program, and the downstream examples.
pub(super) fn prove() -> Result<String> {
    let mut trees = 0;
    let mut check = |arguments: &[&str], picked: &[&str]| {
        trees += 1;
        let tree = tree(arguments)?;
        check_tree(&tree, picked).with_context(|| format!("in `cargo tree {}`", arguments.join(" ")))
    };
    let program = ["--package", PROGRAM, "--no-default-features"];
    check(&program, &["memory"])?;
    for (engine, _) in ENGINES {
        check(&["--package", &format!("backup-{engine}")], &[engine])?;
        if engine != "memory" {
            check(&[&program[..], &["--features", engine]].concat(), &["memory", engine])?;
        }
    }
    for (engines, manifest) in examples()? {
        let picked: Vec<_> = engines.iter().map(String::as_str).collect();
        check(&["--manifest-path", &manifest.to_string_lossy()], &picked)?;
    }
    Ok(format!("{trees} trees"))
}

/// Runs the step: each example compiles and runs to its end.
pub(super) fn run_examples() -> Result<String> {
    let (target, examples) = (cargo::target_folder()?.join("downstream"), examples()?);
    for (_, manifest) in &examples {
        let mut command = cargo::cargo(&["run", "--manifest-path"]);
        command.arg(manifest).env("CARGO_TARGET_DIR", &target);
        process::run(rocksdb::link_compiled(&mut command, &manifest.with_file_name("Cargo.lock"))?)?;
    }
    Ok(format!("{} examples", examples.len()))
}

/// The example that adds an engine of its own to the program, which has these.
const WITH_PROGRAM: (&str, [&str; 2]) = ("read-only-engine", ["memory", "rocksdb"]);

/// Returns engines and manifest of each example. A name such as `memory-only` says which engine it picks.
fn examples() -> Result<Vec<(Vec<String>, PathBuf)>> {
    let root = cargo::root();
    let mut examples = Vec::new();
    for manifest in cargo::downstream_manifests(&root)? {
        let name = manifest.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let engines = match name.strip_suffix("-only") {
            Some(engine) => vec![engine.to_owned()],
            None if name == WITH_PROGRAM.0 => WITH_PROGRAM.1.map(str::to_owned).to_vec(),
            None => bail!("tests/downstream/{name}: expected `ENGINE-only` or `{}`", WITH_PROGRAM.0),
        };
        // The versions of the workspace, so that RocksDB is not compiled again. Cargo drops what is not used.
        let lock = manifest.with_file_name("Cargo.lock");
        fs::copy(root.join("Cargo.lock"), &lock).with_context(|| format!("could not write {lock:?}"))?;
        examples.push((engines, manifest.clone()));
    }
    if examples.is_empty() {
        bail!("there is no example crate in tests/downstream");
    }
    Ok(examples)
}

/// Returns the packages that are built, for any platform, without those that only tests use.
fn tree(arguments: &[&str]) -> Result<BTreeSet<String>> {
    let common = ["tree", "--edges", "normal,build", "--target", "all", "--prefix", "none"];
    let printed = process::output(&mut cargo::cargo(&[&common[..], arguments].concat()))?;
    Ok(printed.lines().filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect())
}

/// Checks that every picked engine is in the tree, and no other one.
fn check_tree(tree: &BTreeSet<String>, picked: &[&str]) -> Result<()> {
    if let Some(unknown) = picked.iter().find(|pick| !ENGINES.iter().any(|(name, _)| name == *pick)) {
        bail!("there is no engine `{unknown}`");
    }
    for (name, marks) in ENGINES {
        match (marks.iter().find(|mark| tree.contains(**mark)), picked.contains(&name)) {
            (Some(mark), false) => bail!("picks {} but builds {mark} of {name}", picked.join(" and ")),
            (None, true) => bail!("picks {name} but builds none of {}", marks.join(", ")),
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
    fn a_tree_has_the_picked_engines_and_no_other() {
        check(&["mine", "backup-memory", "backup-format"], &["memory"]).unwrap();
        check(&["backup-memory", "rocksdb"], &["memory", "rocksdb"]).unwrap();
        let error = check(&["backup-memory", "librocksdb-sys"], &["memory"]).unwrap_err();
        assert!(error.to_string().contains("builds librocksdb-sys of rocksdb"), "{error}");
        // A tree without the picked engine proves nothing.
        for (tree, picked) in
            [(&[][..], "memory"), (&["backup-memory"], "rocksdb"), (&["backup-memory"], "postgres")]
        {
            assert!(check(tree, &[picked]).is_err(), "{picked}");
        }
    }

    #[test]
    fn the_tree_of_a_crate_has_what_it_builds_and_not_what_its_tests_use() {
        let tree = tree(&["--package", "xtask"]).unwrap();
        assert!(tree.contains("xtask") && tree.contains("anyhow") && !tree.contains("tempfile"));
    }
}
