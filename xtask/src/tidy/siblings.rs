//! Engine crates give the same file names to the same things.

use super::Finding;
use super::files::File;

const ENGINES: [&str; 3] = ["backup-memory", "backup-rocksdb", "backup-scylla"];

/// The files that all engines have, or none.
const CORE: [&str; 6] = ["lib", "database", "snapshot", "restore", "error", "options"];

/// Checks the engine crates.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for noun in CORE {
        let has = |engine: &&str| {
            let names = [".rs", "/mod.rs"].map(|end| format!("crates/{engine}/src/{noun}{end}"));
            files.iter().any(|(path, _)| names.contains(path))
        };
        let (with, without): (Vec<_>, Vec<_>) = ENGINES.into_iter().partition(has);
        for name in without.iter().filter(|_| !with.is_empty()) {
            let text = format!("has no `src/{noun}.rs`, but {} has one", with[0]);
            findings.push(Finding::new("siblings", format!("crates/{name}"), text));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_one_engine_lacks_is_found() {
        let mut files =
            ["memory/src/lib.rs", "memory/src/native.rs", "rocksdb/src/lib/mod.rs", "scylla/src/lib.rs"]
                .map(|path| (format!("crates/backup-{path}"), String::new()));
        assert!(check(&files).is_empty());
        files[2].0 = "crates/backup-rocksdb/src/other.rs".into();
        assert_eq!(check(&files)[0].place, "crates/backup-rocksdb");
    }
}
