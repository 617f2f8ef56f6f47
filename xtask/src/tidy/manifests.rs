//! What every member of the workspace has: the common lints, and documentation at its root.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::finding::{CRATE_DOCS, Finding, LINTS};
use super::tree::relative;
use crate::cargo::Package;

/// Checks one member.
pub(super) fn check(root: &Path, member: &Package) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    if !inherits_lints(&read(&member.manifest)?) {
        let text = "lacks the section `[lints]` with `workspace = true`";
        findings.push(Finding::new(&LINTS, relative(root, &member.manifest), text));
    }
    let roots = ["src/lib.rs", "src/main.rs", "lib.rs"].map(|name| member.folder().join(name));
    for source in roots.iter().filter(|source| source.is_file()) {
        if !has_docs(&read(source)?) {
            let text = "does not start with the crate's documentation (`//!` or the README)";
            findings.push(Finding::new(&CRATE_DOCS, format!("{}:1", relative(root, source)), text));
        }
    }
    Ok(findings)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("could not read {path:?}"))
}

fn inherits_lints(manifest: &str) -> bool {
    let lines = manifest.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let section = lines.skip_while(|line| *line != "[lints]").skip(1);
    section.take_while(|line| !line.starts_with('[')).any(|line| {
        line.split_once('=').is_some_and(|(key, value)| key.trim() == "workspace" && value.trim() == "true")
    })
}

/// Documentation stands before all items; a lone `//!` line without words is none.
fn has_docs(source: &str) -> bool {
    source
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with("//") || line.starts_with("#!["))
        .any(|line| {
            line.starts_with("#![doc = include_str!(")
                || line.strip_prefix("//!").is_some_and(|words| words.trim().len() > 10)
        })
}

#[cfg(test)]
mod tests {
    use super::super::finding::rules;
    use super::*;

    fn found(manifest: &str, source: &str) -> Vec<&'static str> {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("src")).unwrap();
        fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
        fs::write(folder.path().join("src/lib.rs"), source).unwrap();
        let member = Package {
            name: "some".into(),
            version: "0.1.0".into(),
            manifest: folder.path().join("Cargo.toml"),
            dependencies: Vec::new(),
            features: Vec::new(),
            programs: Vec::new(),
            published: true,
        };
        rules(&check(folder.path(), &member).unwrap())
    }

    const LINTS: &str = "[package]\nname = \"some\"\n\n[lints]\nworkspace = true\n";
    const DOCS: &str = "//! Says what the crate is.\n\nmod a;\n";

    #[test]
    fn a_member_with_lints_and_docs_is_good() {
        assert!(found(LINTS, DOCS).is_empty());
        assert!(found(LINTS, "#![doc = include_str!(\"../README.md\")]\n").is_empty());
        assert!(found(LINTS, "// A note.\n#![no_std]\n//! Says what the crate is.\n").is_empty());
    }

    #[test]
    fn a_member_without_the_common_lints_is_seen() {
        for manifest in [
            "[package]\n",
            "[lints]\n[dependencies]\nworkspace = true\n",
            "[lints]\nworkspace = false\n",
            "[lints]\n# workspace = true\n",
        ] {
            assert_eq!(found(manifest, DOCS), ["lints"], "{manifest}");
        }
    }

    #[test]
    fn a_crate_without_documentation_is_seen() {
        for source in ["", "mod a;\n", "//!\nmod a;\n", "mod a;\n//! Too late to be read.\n"] {
            assert_eq!(found(LINTS, source), ["crate-docs"], "{source}");
        }
    }
}
