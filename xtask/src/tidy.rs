//! `tidy`: rules that the compiler does not know. xtask/README.md explains each of them.

mod files;
mod imports;
mod links;
mod prose;
mod schema;
mod siblings;
mod text;

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::{cargo, no_more_options};

/// Something to repair.
#[derive(Debug)]
struct Finding {
    /// The rule: its name in the table of xtask/README.md.
    rule: &'static str,
    /// A file, a file with its line, or a package.
    place: String,
    text: String,
}

impl Finding {
    fn new(rule: &'static str, place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { rule, place: place.into(), text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, place, text } = self;
        write!(f, "{place}: {text} (rule `{rule}`, explained in xtask/README.md)")
    }
}

/// Runs the task.
pub(crate) fn run(options: &[String]) -> Result<()> {
    let root = cargo::root();
    if options == ["--bless"] {
        return schema::bless(&root);
    }
    no_more_options("tidy", options)?;
    let findings = check(&root)?;
    findings.iter().for_each(|finding| println!("{finding}"));
    if !findings.is_empty() {
        bail!("tidy found {} things to repair", findings.len());
    }
    println!("tidy: nothing to repair");
    Ok(())
}

/// Checks all rules on the workspace.
fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut packages = cargo::members(&root.join("Cargo.toml"))?;
    for manifest in cargo::outlying_manifests(root)? {
        packages.extend(cargo::members(&manifest)?);
    }
    let files = files::read(root)?;
    let architecture = files.iter().find(|(path, _)| path == "docs/ARCHITECTURE.md");
    let (_, architecture) = architecture.with_context(|| format!("the files of {root:?} were not found"))?;
    let mut findings = imports::check(root, architecture, &packages);
    findings.extend(schema::check(root)?);
    findings.extend(siblings::check(&files));
    findings.extend(links::check(root, &files));
    for (path, text) in &files {
        findings.extend(text::check(path, text));
        findings.extend(prose::check(path, text));
    }
    Ok(findings)
}

/// Returns the names of the rules that found something.
#[cfg(test)]
fn rules(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_tidy() {
        let findings = check(&cargo::root()).unwrap();
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "\n{}", lines.join("\n"));
    }

    #[test]
    fn the_readme_explains_every_rule() {
        let readme = include_str!("../README.md");
        let lines = "ascii trailing-space dropped-matches words sentences";
        for rule in
            "imports anyhow schema siblings links lints file-length".split(' ').chain(lines.split(' '))
        {
            assert!(readme.contains(&format!("| `{rule}` |")), "{rule}");
        }
    }
}
