//! Ties docs/FORMAT.md to the code by a hash: when the code changes, somebody has to look whether
//! the document is still true.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::finding::{Finding, SCHEMA};
use super::tree::{relative, rust_files};

const SOURCES: &str = "crates/backup-format/src";
const DOCUMENT: &str = "docs/FORMAT.md";

/// The nouns of `SOURCES` that decide the bytes of a dump: a file, or a folder of that name.
const SCHEMA_NOUNS: [&str; 13] = [
    "codec", "config", "cut", "digest", "id", "limits", "manifest", "order", "pack", "page", "segment",
    "token", "upstream",
];

/// The other ones, which may change without a look at the document.
const OTHER_NOUNS: [&str; 4] = ["engine", "entry", "error", "lib"];

const MARK: &str = "<!-- schema-hash: ";
const MARK_END: &str = " -->";

/// Compares the code's hash with the one that the document carries in its last line.
pub(super) fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut findings: Vec<Finding> = SCHEMA_NOUNS
        .iter()
        .filter(|noun| !exists(root, noun))
        .map(|noun| {
            let text = format!("has no `{noun}`, of which xtask/src/tidy/schema.rs says it is schema");
            Finding::new(&SCHEMA, SOURCES, text)
        })
        .collect();
    for noun in nouns(&root.join(SOURCES))? {
        if !SCHEMA_NOUNS.contains(&noun.as_str()) && !OTHER_NOUNS.contains(&noun.as_str()) {
            let text = format!("xtask/src/tidy/schema.rs does not say whether `{noun}` is schema");
            findings.push(Finding::new(&SCHEMA, SOURCES, text));
        }
    }
    let document = fs::read_to_string(root.join(DOCUMENT)).unwrap_or_default();
    let expected = mark(root)?;
    if document.lines().last() != Some(&expected) {
        let text = "the code that decides the bytes of a dump changed since this document was \
                    last looked at; read it again, mend it, then run `cargo xtask tidy --bless`";
        findings.push(Finding::new(&SCHEMA, DOCUMENT, text));
    }
    Ok(findings)
}

/// Writes the code's hash into the document: somebody says that the document is true.
pub(super) fn bless(root: &Path) -> Result<()> {
    let path = root.join(DOCUMENT);
    let document = fs::read_to_string(&path).with_context(|| format!("could not read {path:?}"))?;
    let line = mark(root)?;
    if document.lines().last() == Some(&line) {
        println!("{DOCUMENT} carries the hash of the code already");
        return Ok(());
    }
    println!(
        "With this hash you say that you have read {DOCUMENT} again, and that it still tells all \
         that another implementation\nhas to know: byte tables, limits, order of writing, versions."
    );
    let kept = document.lines().filter(|line| !line.starts_with(MARK));
    let mut text = kept.collect::<Vec<_>>().join("\n");
    text.truncate(text.trim_end().len());
    fs::write(&path, format!("{text}\n\n{line}\n")).with_context(|| format!("could not write {path:?}"))?;
    println!("wrote {line}");
    Ok(())
}

fn exists(root: &Path, noun: &str) -> bool {
    let path = root.join(SOURCES).join(noun);
    path.is_dir() || path.with_extension("rs").is_file()
}

fn nouns(sources: &Path) -> Result<BTreeSet<String>> {
    let files = rust_files(sources)?;
    Ok(files.iter().map(|file| noun(&relative(sources, file)).to_owned()).collect())
}

/// The first part of a path is the noun: `codec` in `codec/reader.rs`, `cut` in `cut.rs`.
fn noun(path: &str) -> &str {
    let first = path.split('/').next().unwrap_or_default();
    first.strip_suffix(".rs").unwrap_or(first)
}

fn mark(root: &Path) -> Result<String> {
    Ok(format!("{MARK}{}{MARK_END}", hash(&root.join(SOURCES))?))
}

/// Hashes names and words of the files; how the words are set in lines does not matter.
fn hash(sources: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    for file in rust_files(sources)? {
        let name = relative(sources, &file);
        if !SCHEMA_NOUNS.contains(&noun(&name)) {
            continue;
        }
        let text = fs::read_to_string(&file).with_context(|| format!("could not read {file:?}"))?;
        let words: Vec<&str> = text.split_whitespace().collect();
        for part in [name.as_str(), &words.join(" ")] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::super::finding::rules;
    use super::*;

    fn workspace() -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for noun in SCHEMA_NOUNS {
            write(&source(&root, &format!("{noun}.rs")), "pub fn a() {}\n");
        }
        write(&root.path().join(DOCUMENT), "# Format\n\nWords.\n");
        bless(root.path()).unwrap();
        assert!(check(root.path()).unwrap().is_empty());
        root
    }

    fn source(root: &TempDir, name: &str) -> PathBuf {
        root.path().join(SOURCES).join(name)
    }

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_change_of_the_schema_is_seen_until_it_is_blessed() {
        let root = workspace();
        for (name, text) in [
            ("cut.rs", "pub fn b() {}\n"),
            ("codec/reader.rs", "pub fn a() {}\n"),
            ("codec/writer.rs", "pub fn a() {}\n"),
        ] {
            write(&source(&root, name), text);
            assert_eq!(rules(&check(root.path()).unwrap()), ["schema"], "{name}");
            bless(root.path()).unwrap();
            assert!(check(root.path()).unwrap().is_empty(), "{name}");
        }
        fs::rename(source(&root, "codec/writer.rs"), source(&root, "codec/maker.rs")).unwrap();
        assert_eq!(rules(&check(root.path()).unwrap()), ["schema"]);
    }

    #[test]
    fn other_files_and_the_setting_of_lines_do_not_matter() {
        let root = workspace();
        write(&source(&root, "error.rs"), "pub fn b() {}\n");
        write(&source(&root, "cut.rs"), "pub\n    fn a()\n{}\n");
        assert!(check(root.path()).unwrap().is_empty());
    }

    #[test]
    fn a_document_or_a_noun_that_is_not_there_is_seen() {
        let root = workspace();
        fs::remove_file(source(&root, "cut.rs")).unwrap();
        assert_eq!(rules(&check(root.path()).unwrap()), ["schema", "schema"]);
        let root = workspace();
        fs::remove_file(root.path().join(DOCUMENT)).unwrap();
        assert_eq!(rules(&check(root.path()).unwrap()), ["schema"]);
    }

    #[test]
    fn a_noun_of_which_nobody_said_whether_it_is_schema_is_seen() {
        let root = workspace();
        write(&source(&root, "frame/a.rs"), "pub fn a() {}\n");
        assert_eq!(rules(&check(root.path()).unwrap()), ["schema"]);
    }

    #[test]
    fn blessing_twice_leaves_one_mark_as_the_last_line() {
        let root = workspace();
        write(&source(&root, "cut.rs"), "pub fn b() {}\n");
        bless(root.path()).unwrap();
        bless(root.path()).unwrap();
        let document = fs::read_to_string(root.path().join(DOCUMENT)).unwrap();
        assert!(document.starts_with("# Format\n\nWords.\n\n<!-- schema-hash: "), "{document}");
        assert_eq!(document.matches(MARK).count(), 1);
        assert!(document.ends_with(" -->\n"));
    }
}
