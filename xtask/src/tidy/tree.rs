//! The files of the workspace that people write.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const TOP_FOLDERS: [&str; 7] = [".cargo", ".ci", ".github", "crates", "docs", "tests", "xtask"];

/// Folders that hold what programs wrote.
const GENERATED: [&str; 5] = ["target", "corpus", "artifacts", "fixtures", "proptest-regressions"];

const ENDINGS: [&str; 6] = ["rs", "toml", "md", "yml", "yaml", "sh"];

/// Returns all sources and documents, sorted.
pub(super) fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in list(root)? {
        if entry.is_file() {
            files.push(entry);
        }
    }
    for folder in TOP_FOLDERS.map(|name| root.join(name)) {
        if folder.is_dir() {
            walk(&folder, &mut files)?;
        }
    }
    files.retain(|file| is_written(file));
    files.sort();
    Ok(files)
}

/// Returns all Rust sources below a folder, sorted.
pub(super) fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    walk(folder, &mut files)?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "rs"));
    files.sort();
    Ok(files)
}

/// Names a file as seen from the top folder, with slashes on every system.
pub(super) fn relative(root: &Path, file: &Path) -> String {
    let path = file.strip_prefix(root).unwrap_or(file);
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn is_written(file: &Path) -> bool {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some(ending) => ENDINGS.contains(&ending),
        // The only programs without an ending are those of CI.
        None => file.parent().and_then(Path::file_name).is_some_and(|folder| folder == ".ci"),
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for path in list(folder)? {
        let generated = path.file_name().is_some_and(|name| GENERATED.iter().any(|g| name == *g));
        if path.is_dir() && !generated {
            walk(&path, files)?;
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let doing = || format!("could not list {folder:?}");
    let mut paths = Vec::new();
    for entry in folder.read_dir().with_context(doing)? {
        paths.push(entry.with_context(doing)?.path());
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_found_and_what_programs_write_is_not() {
        let root = tempfile::tempdir().unwrap();
        let all = [
            ".ci/run",
            "Cargo.lock",
            "README.md",
            "crates/a/src/lib.rs",
            "crates/a/target/b.rs",
            "notes/mine.md",
            "tests/fixtures/README.md",
            "xtask/Cargo.toml",
        ];
        for path in all.map(|path| root.path().join(path)) {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = files(root.path()).unwrap();
        let found: Vec<_> = found.iter().map(|file| relative(root.path(), file)).collect();
        assert_eq!(found, [".ci/run", "README.md", "crates/a/src/lib.rs", "xtask/Cargo.toml"]);
    }
}
