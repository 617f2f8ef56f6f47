//! Engine crates give the same file names to the same things.

use super::Finding;
use super::files::File;

const ENGINES: [&str; 3] = ["backup-memory", "backup-rocksdb", "backup-scylla"];

/// The files that all engines have.
const CORE: [&str; 6] = ["lib", "database", "snapshot", "restore", "error", "options"];

/// Checks the engine crates.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let has = |path: String| files.iter().any(|(file, _)| *file == path);
    let pairs = ENGINES.into_iter().flat_map(|engine| CORE.map(|noun| (engine, noun)));
    let missing = pairs.filter(|(engine, noun)| !has(format!("crates/{engine}/src/{noun}.rs")));
    let finding = |(engine, noun)| {
        let text = format!("has no `src/{noun}.rs`, as the other engines have");
        Finding::new("siblings", format!("crates/{engine}"), text)
    };
    missing.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_one_engine_lacks_is_found() {
        let path = |engine: &str, noun: &str| (format!("crates/{engine}/src/{noun}.rs"), String::new());
        let mut files: Vec<File> =
            ENGINES.iter().flat_map(|engine| CORE.map(|noun| path(engine, noun))).collect();
        assert!(check(&files).is_empty());
        files[6].0 = "crates/backup-rocksdb/src/other.rs".into();
        assert_eq!(check(&files)[0].place, "crates/backup-rocksdb");
    }
}
