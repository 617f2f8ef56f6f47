//! `tidy`: rules that the compiler does not know. xtask/README.md explains each of them.

mod finding;
mod imports;
mod manifests;
mod mask;
mod schema;
mod siblings;
mod sources;
mod tree;

use std::path::Path;

use anyhow::{Result, bail};

use crate::{cargo, no_more_options};
use finding::Finding;

/// Runs the task.
pub(crate) fn run(options: &[String]) -> Result<()> {
    let root = cargo::root();
    if options == ["--bless"] {
        return schema::bless(&root);
    }
    no_more_options("tidy", options)?;
    let findings = check(&root)?;
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("tidy found {} things to mend", findings.len());
    }
    println!("tidy: nothing to mend");
    Ok(())
}

/// Checks all rules on the workspace, and returns what they find in the order of the rules.
fn check(root: &Path) -> Result<Vec<Finding>> {
    let members = cargo::members(&root.join("Cargo.toml"))?;
    let mut packages = members.clone();
    for manifest in cargo::outlying_manifests(root)? {
        packages.extend(cargo::members(&manifest)?);
    }
    let mut findings = imports::check(&packages);
    for member in &members {
        findings.extend(manifests::check(root, member)?);
    }
    findings.extend(schema::check(root)?);
    findings.extend(siblings::check(root));
    let files = tree::files(root)?;
    if !files.iter().any(|file| file.ends_with("xtask/src/tidy.rs")) {
        bail!("the sources of {root:?} were not found");
    }
    for file in files {
        findings.extend(sources::check_file(root, &file)?);
    }
    Ok(findings)
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
}
