//! Every crate that is published packages, and builds from what is in its package.

use anyhow::{Result, bail};

use crate::{cargo, process};

/// Runs the step. Cargo lets the packages stand in for each other, as if they were published. Programs are packaged and
/// not built: what they are made of was built for the tests, and to link them again takes RocksDB again.
pub(super) fn build() -> Result<String> {
    let members = cargo::members(&cargo::root().join("Cargo.toml"))?;
    let (published, own): (Vec<_>, Vec<_>) = members.iter().partition(|member| member.published);
    let (programs, libraries): (Vec<_>, Vec<_>) =
        published.into_iter().partition(|member| !member.programs.is_empty());
    if libraries.is_empty() {
        bail!("the workspace has no crate to publish");
    }
    let mut verified = cargo::cargo(&["package", "--workspace", "--allow-dirty"]);
    for member in own.iter().chain(&programs) {
        verified.args(["--exclude", &member.name]);
    }
    process::run(cargo::without_linking(&mut verified)?)?;
    let mut packaged = cargo::cargo(&["package", "--workspace", "--allow-dirty", "--no-verify"]);
    for member in &own {
        packaged.args(["--exclude", &member.name]);
    }
    process::run(cargo::without_linking(&mut packaged)?)?;
    Ok(format!(
        "{} libraries built from their packages, {} programs packaged",
        libraries.len(),
        programs.len()
    ))
}
