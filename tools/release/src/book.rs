//! The site: the documents of the repository as a book.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::links::{Link, links, resolve, title};
use crate::process::{empty, output, run};
use crate::{Workspace, page};

const VERSION: &str = "0.5.4";
/// A server would need much more to compile; the site is built once, and published.
const FEATURES: [&str; 3] = ["--no-default-features", "--features", "search"];

/// Where files are that are no part of the book.
const FILES: &str = "https://github.com/kvbackup/kvbackup/blob/main";

/// The parts of the book: the title, and how the paths of its documents begin. A document is in the first part that takes it.
const PARTS: [(&str, &[&str]); 6] = [
    ("Quick start", &["docs/quick-start/rocksdb", "docs/quick-start/scylladb", "docs/quick-start/"]),
    ("For operators", &["docs/OPERATIONS", "docs/KEY-SAFETY", "docs/SECURITY", "docs/JSON", "deploy/"]),
    ("Measured", &["docs/PERFORMANCE", "docs/SCALING", "docs/BENCHMARKS", "benches/"]),
    ("How it works", &["docs/FORMAT", "docs/ARCHITECTURE", "docs/"]),
    ("Crates", &["crates/"]),
    ("The project", &["CHANGELOG", "SHORTCOMINGS", "SECURITY", "xtask/", "tools/", "tests/"]),
];

const SETTINGS: &str = r#"[book]
title = "kvbackup"
language = "en"
src = "source"

[output.html]
git-repository-url = "https://github.com/kvbackup/kvbackup"
edit-url-template = "https://github.com/kvbackup/kvbackup/edit/main/{path}"
smart-punctuation = false

[output.html.print]
enable = false
"#;

/// Builds `target/book/site`, and checks the links in it.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    let mdbook = workspace.tool("mdbook", VERSION, &FEATURES)?;
    let folder = workspace.target.join("book");
    empty(&folder)?;
    let documents = documents(&workspace.root)?;
    let source = folder.join("source");
    for (path, text) in &documents {
        write(&source.join(path), &adapted(path, text, &documents, &workspace.root))?;
    }
    write(&source.join("SUMMARY.md"), &summary(&documents)?)?;
    for (path, _) in pictures(&workspace.root)? {
        let to = source.join(&path);
        fs::copy(workspace.root.join(&path), to).with_context(|| format!("could not copy {path}"))?;
    }
    write(&folder.join("book.toml"), SETTINGS)?;
    let site = folder.join("site");
    run(Command::new(mdbook).arg("build").arg(&folder).arg("--dest-dir").arg(&site))?;
    let broken = page::broken(&site)?;
    if !broken.is_empty() {
        bail!("links of the site lead nowhere:\n{}", broken.join("\n"));
    }
    println!("book: {} documents in {}", documents.len(), site.display());
    Ok(())
}

type Document = (String, String);

/// Returns the documents that git knows or would add, and that are no test data.
fn documents(root: &Path) -> Result<Vec<Document>> {
    let mut found = files(root, "*.md")?;
    found.retain(|(path, _)| !path.contains("/fixtures/") && !path.starts_with('.'));
    Ok(found)
}

fn pictures(root: &Path) -> Result<Vec<Document>> {
    files(root, "docs/*.svg")
}

fn files(root: &Path, pattern: &str) -> Result<Vec<Document>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", pattern]);
    let listed = output(git.current_dir(root))?;
    let listed = String::from_utf8(listed).context("a path is no UTF-8")?;
    let there = listed.lines().filter(|path| root.join(path).is_file());
    let read = |path: &str| {
        let text = fs::read_to_string(root.join(path)).with_context(|| format!("could not read {path}"))?;
        Ok((path.to_owned(), text))
    };
    there.map(read).collect()
}

/// Lets links to folders lead to the pages of their READMEs, and links to other files to the repository.
fn adapted(path: &str, text: &str, documents: &[Document], root: &Path) -> String {
    let mut adapted = text.to_owned();
    for link in links(text).into_iter().rev() {
        if let Some(target) = site_target(path, &link, documents, root) {
            adapted.replace_range(link.place, &target);
        }
    }
    adapted
}

/// Returns where a link leads in the site, if that is another place than in the repository.
fn site_target(path: &str, link: &Link<'_>, documents: &[Document], root: &Path) -> Option<String> {
    let (target, anchor) = link.parts()?;
    let to = resolve(path, target)?;
    let is_document = |path: &str| documents.iter().any(|(other, _)| other == path);
    let is_folder = is_document(&format!("{to}/README.md"));
    let page =
        if is_folder { Some(format!("{to}/")) } else { to.strip_suffix("README.md").map(str::to_owned) };
    if let Some(page) = page {
        // mdBook makes index.html of a README, and leaves links to it as they are.
        let anchor = anchor.map(|anchor| format!("#{anchor}")).unwrap_or_default();
        return Some(format!("{}{page}index.html{anchor}", "../".repeat(path.matches('/').count())));
    }
    let is_in_book = is_document(&to) || to.ends_with(".svg");
    (!is_in_book && root.join(&to).exists()).then(|| format!("{FILES}/{to}"))
}

/// Returns the table of contents: every document is in one part.
fn summary(documents: &[Document]) -> Result<String> {
    let mut text = "# Summary\n\n[kvbackup](README.md)\n".to_owned();
    let mut rest: Vec<&Document> = documents.iter().filter(|(path, _)| path != "README.md").collect();
    let mut parts = PARTS.map(|(title, starts)| (title, starts, Vec::new()));
    for (_, starts, chapters) in &mut parts {
        // In the order in which the part names them.
        for start in *starts {
            let (taken, others) = rest.into_iter().partition(|(path, _)| path.starts_with(start));
            rest = others;
            let taken: Vec<&Document> = taken;
            chapters.extend(taken);
        }
    }
    for (part, _, chapters) in parts {
        text += &format!("\n# {part}\n\n");
        for (path, document) in chapters {
            let title = title(document).with_context(|| format!("{path} has no title"))?;
            text += &format!("- [{title}]({path})\n");
        }
    }
    if let Some((path, _)) = rest.first() {
        bail!("{path} is in no part of the book: PARTS in tools/release/src/book.rs names them");
    }
    Ok(text)
}

fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().context("a file without a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
    fs::write(path, text).with_context(|| format!("could not write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_folders_and_files_lead_somewhere_in_the_site() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("crates/a")).unwrap();
        fs::write(root.path().join("LICENSE"), "").unwrap();
        let documents = [("docs/x.md", ""), ("crates/a/README.md", "")];
        let documents = documents.map(|(path, text)| (path.to_owned(), text.to_owned()));
        let text = "[a](../crates/a) [b](../crates/a/README.md#b) [r](../README.md) [l](../LICENSE) [x](x.md#y) [w](https://example.com) `[l](../LICENSE)`";
        let expected = format!(
            "[a](../crates/a/index.html) [b](../crates/a/index.html#b) [r](../index.html) [l]({FILES}/LICENSE) [x](x.md#y) [w](https://example.com) `[l](../LICENSE)`"
        );
        assert_eq!(adapted("docs/x.md", text, &documents, root.path()), expected);
    }

    #[test]
    fn every_document_of_the_repository_is_in_one_part_of_the_book() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let documents = documents(&root).unwrap();
        let summary = summary(&documents).unwrap();
        for (path, _) in &documents {
            assert_eq!(summary.matches(&format!("]({path})\n")).count(), 1, "{path}");
        }
        let stray = [("elsewhere/x.md".to_owned(), "# X\n".to_owned())];
        assert!(super::summary(&stray).is_err());
    }
}
