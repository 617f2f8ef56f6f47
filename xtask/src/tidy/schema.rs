//! Ties docs/FORMAT.md to the code by a hash: when the code changes, somebody has to read the document again.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Finding;

const SOURCES: &str = "crates/backup-format/src";
const DOCUMENT: &str = "docs/FORMAT.md";

/// The nouns of `SOURCES` that do not decide the bytes of a dump: a file, or a folder of that name.
const OTHER_NOUNS: [&str; 5] = ["engine", "entry", "error", "lib", "tombstone"];

const MARK: &str = "<!-- schema-hash: ";

/// Compares the hash of the code with the one in the last line of the document.
pub(super) fn check(root: &Path) -> Result<Option<Finding>> {
    let document = fs::read_to_string(root.join(DOCUMENT)).unwrap_or_default();
    let changed = document.lines().last() != Some(&mark(root)?);
    let text = "the code that decides the bytes of a dump changed; read this document again, repair it, then run \
                `cargo xtask tidy --bless`";
    Ok(changed.then(|| Finding::new("schema", DOCUMENT, text)))
}

/// Writes the hash of the code into the document. With it somebody says that the document is true.
pub(super) fn bless(root: &Path) -> Result<()> {
    let path = root.join(DOCUMENT);
    let document = fs::read_to_string(&path).with_context(|| format!("could not read {path:?}"))?;
    let line = mark(root)?;
    println!(
        "With this hash you say that you read {DOCUMENT} again, and that its byte tables, limits and orders are true."
    );
    let kept: Vec<&str> = document.lines().filter(|line| !line.starts_with(MARK)).collect();
    fs::write(&path, format!("{}\n\n{line}\n", kept.join("\n").trim_end()))
        .with_context(|| format!("could not write {path:?}"))?;
    println!("wrote {line}");
    Ok(())
}

/// Hashes names and words of the schema's files. Line breaks do not matter.
fn mark(root: &Path) -> Result<String> {
    let (folder, mut hasher) = (root.join(SOURCES), blake3::Hasher::new());
    // In the order of their names.
    for file in glob::glob(&format!("{}/**/*.rs", folder.display()))? {
        let file = file?;
        let name = file.strip_prefix(&folder)?.display().to_string();
        // `codec` of `codec/reader.rs`, `cut` of `cut.rs`.
        if name.split(['/', '.']).next().is_some_and(|noun| OTHER_NOUNS.contains(&noun)) {
            continue;
        }
        let text = fs::read_to_string(&file).with_context(|| format!("could not read {file:?}"))?;
        let words: Vec<&str> = text.split_whitespace().collect();
        for part in [name.as_str(), &words.join(" ")] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
    }
    Ok(format!("{MARK}{} -->", hasher.finalize().to_hex()))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::rules;
    use super::*;

    fn workspace() -> TempDir {
        let root = tempfile::tempdir().unwrap();
        write(&root, &format!("{SOURCES}/cut.rs"), "pub fn a() {}\n");
        write(&root, DOCUMENT, "# Format\n\nWords.\n");
        bless(root.path()).unwrap();
        assert_eq!(found(&root), [""; 0]);
        root
    }

    fn write(root: &TempDir, name: &str, text: &str) {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn found(root: &TempDir) -> Vec<&'static str> {
        rules(check(root.path()).unwrap().as_slice())
    }

    #[test]
    fn a_change_of_the_schema_is_found_until_it_is_blessed() {
        let root = workspace();
        for (name, text) in [("cut.rs", "pub fn b() {}\n"), ("codec/reader.rs", "pub fn a() {}\n")] {
            write(&root, &format!("{SOURCES}/{name}"), text);
            assert_eq!(found(&root), ["schema"], "{name}");
            bless(root.path()).unwrap();
            bless(root.path()).unwrap();
            assert_eq!(found(&root), [""; 0], "{name}");
        }
        let codec = root.path().join(SOURCES).join("codec");
        fs::rename(codec.join("reader.rs"), codec.join("maker.rs")).unwrap();
        assert_eq!(found(&root), ["schema"]);
        let document = fs::read_to_string(root.path().join(DOCUMENT)).unwrap();
        assert!(document.starts_with("# Format\n\nWords.\n\n<!-- schema-hash: "), "{document}");
        assert!(document.matches(MARK).count() == 1 && document.ends_with(" -->\n"), "{document}");
    }

    #[test]
    fn new_and_missing_files_are_found_and_other_files_and_line_breaks_do_not_matter() {
        let root = workspace();
        write(&root, &format!("{SOURCES}/error.rs"), "pub fn b() {}\n");
        write(&root, &format!("{SOURCES}/cut.rs"), "pub\n    fn a()\n{}\n");
        assert_eq!(found(&root), [""; 0]);
        write(&root, &format!("{SOURCES}/frame/a.rs"), "pub fn a() {}\n");
        assert_eq!(found(&root), ["schema"]);
        for gone in [format!("{SOURCES}/cut.rs"), DOCUMENT.to_owned()] {
            let root = workspace();
            fs::remove_file(root.path().join(gone)).unwrap();
            assert_eq!(found(&root), ["schema"]);
        }
    }
}
