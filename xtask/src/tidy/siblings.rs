//! Engine crates give the same file names to the same things.

use std::path::{Path, PathBuf};

use super::finding::{Finding, SIBLINGS};

const ENGINES: [&str; 3] = ["backup-memory", "backup-rocksdb", "backup-scylla"];

/// The files that all engines have, or none.
const CORE: [&str; 6] = ["lib", "database", "snapshot", "restore", "error", "options"];

/// Checks the engine crates that are there.
pub(super) fn check(root: &Path) -> Vec<Finding> {
    let engines = ENGINES.map(|name| (name, root.join("crates").join(name).join("src")));
    let engines: Vec<&(&str, PathBuf)> = engines.iter().filter(|(_, sources)| sources.is_dir()).collect();
    let mut findings = Vec::new();
    for noun in CORE {
        let (with, without): (Vec<_>, Vec<_>) =
            engines.iter().copied().partition(|(_, sources)| has(sources, noun));
        if let Some((model, _)) = with.first() {
            for (name, _) in &without {
                let text = format!("has no `src/{noun}.rs`, but {model} has one");
                findings.push(Finding::new(&SIBLINGS, format!("crates/{name}"), text));
            }
        }
    }
    findings
}

/// A noun that grew into a folder is as good.
fn has(sources: &Path, noun: &str) -> bool {
    sources.join(format!("{noun}.rs")).is_file() || sources.join(noun).join("mod.rs").is_file()
}

#[cfg(test)]
mod tests {
    use super::super::finding::rules;
    use super::*;

    #[test]
    fn a_file_that_only_one_engine_has_is_seen() {
        let root = tempfile::tempdir().unwrap();
        let add = |path: &str| {
            let path = root.path().join("crates").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        add("backup-memory/src/lib.rs");
        add("backup-rocksdb/src/lib.rs");
        add("backup-rocksdb/src/native.rs");
        assert!(check(root.path()).is_empty());
        add("backup-rocksdb/src/snapshot.rs");
        let findings = check(root.path());
        assert_eq!(rules(&findings), ["siblings"]);
        assert_eq!(findings[0].place, "crates/backup-memory");
        add("backup-memory/src/snapshot/mod.rs");
        assert!(check(root.path()).is_empty());
    }
}
