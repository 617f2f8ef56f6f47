//! Every crate that is published packages, and builds from what is in its package.

use anyhow::{Result, bail};

use crate::{cargo, process};

/// Runs the step. Cargo lets the packages stand in for each other, as if they were published.
pub(super) fn build() -> Result<String> {
    let members = cargo::members(&cargo::root().join("Cargo.toml"))?;
    let (published, own): (Vec<_>, Vec<_>) = members.iter().partition(|member| member.published);
    if published.is_empty() {
        bail!("the workspace has no crate to publish");
    }
    let mut command = cargo::cargo(&["package", "--workspace", "--allow-dirty"]);
    for member in own {
        command.args(["--exclude", &member.name]);
    }
    // Without this the packages would build in a folder of their own, RocksDB included.
    command.env("CARGO_TARGET_DIR", cargo::target_folder()?);
    process::run(&mut command)?;
    Ok(format!("{} crates", published.len()))
}
