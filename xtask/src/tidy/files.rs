//! The files of the workspace that people write.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// Folders of files that programs write.
const GENERATED: [&str; 3] = ["corpus", "fixtures", "proptest-regressions"];

const ENDINGS: [&str; 6] = ["rs", "toml", "md", "yml", "yaml", "sh"];

/// A path as seen from the top folder, and the text of that file.
pub(super) type File = (String, String);

/// Returns all sources and documents that git knows or would add.
pub(super) fn read(root: &Path) -> Result<Vec<File>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate"]).current_dir(root);
    let listed = process::output(&mut git)?;
    // A file that was removed and not committed is still listed.
    let written = listed.lines().filter(|path| is_written(path) && root.join(path).is_file());
    let file = |path: &str| {
        let bytes = fs::read(root.join(path)).with_context(|| format!("could not read {path}"))?;
        Ok((path.to_owned(), String::from_utf8_lossy(&bytes).into_owned()))
    };
    written.map(file).collect()
}

fn is_written(path: &str) -> bool {
    let is_generated = path.split('/').any(|folder| GENERATED.contains(&folder));
    let ending = path.rsplit_once('.').map(|(_, ending)| ending);
    !is_generated && (ending.is_some_and(|ending| ENDINGS.contains(&ending)) || path.starts_with(".ci/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_people_write_are_read_and_others_are_not() {
        for path in [".ci/run", "README.md", "crates/a/src/lib.rs", ".github/workflows/ci.yml"] {
            assert!(is_written(path), "{path}");
        }
        for path in ["Cargo.lock", "tests/fixtures/README.md", "docs/benchmarks.svg"] {
            assert!(!is_written(path), "{path}");
        }
        let files = read(&crate::cargo::root()).unwrap();
        let own = files.iter().find(|(path, _)| path == "xtask/src/tidy/files.rs");
        assert!(own.is_some_and(|(_, text)| text.contains("fn read")));
    }
}
