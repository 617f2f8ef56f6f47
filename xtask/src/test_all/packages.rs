//! Every crate that is published packages, and builds from what is in its package.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{cargo, cargo::Package, process};

/// Runs the step. Cargo lets the packages stand in for each other, as if they were published, and takes what is published for
/// unchanged: what earlier runs unpacked and built of them is removed first. Programs are packaged and not built: what they
/// are made of was built for the tests, and to link them again takes RocksDB again.
pub(super) fn build() -> Result<String> {
    let members = cargo::members(&cargo::root().join("Cargo.toml"))?;
    let (published, own): (Vec<_>, Vec<_>) = members.iter().partition(|member| member.published);
    let (programs, libraries): (Vec<_>, Vec<_>) =
        published.into_iter().partition(|member| !member.programs.is_empty());
    if libraries.is_empty() {
        bail!("the workspace has no crate to publish");
    }
    forget_unpacked(&cargo_home()?, &members)?;
    let mut forgotten = cargo::cargo(&["clean"]);
    for member in &libraries {
        forgotten.args(["--package", &member.name]);
    }
    process::run(cargo::without_linking(&mut forgotten)?)?;
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

/// Removes what Cargo unpacked of these packages when they were packaged before. It stands in for published crates by a
/// registry at a path, whose unpacked crates it keeps by name and version: at the same path and version, a later run
/// would build against the sources of the earlier one.
fn forget_unpacked(cargo_home: &Path, members: &[Package]) -> Result<()> {
    let unpacked = cargo_home.join("registry/src");
    let registries = match fs::read_dir(&unpacked) {
        Ok(registries) => registries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("could not list {}", unpacked.display())),
    };
    for registry in registries {
        let registry = registry.with_context(|| format!("could not list {}", unpacked.display()))?;
        if !is_local(&registry.file_name().to_string_lossy()) {
            continue;
        }
        for member in members {
            remove(&registry.path().join(format!("{}-{}", member.name, member.version)))?;
        }
    }
    Ok(())
}

/// Tells a registry at a path: its folder is named by the registry's host, which it does not have, and a hash.
fn is_local(registry: &str) -> bool {
    registry.starts_with('-')
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("could not remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = env::var_os("CARGO_HOME").filter(|home| !home.is_empty()) {
        return Ok(home.into());
    }
    let home = env::home_dir().context("neither CARGO_HOME nor a home folder is set")?;
    Ok(home.join(".cargo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_packages_of_local_registries_are_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let members = cargo::members(&cargo::root().join("Cargo.toml")).unwrap();
        let format = members.iter().find(|member| member.name == "backup-format").unwrap();
        let own = format!("backup-format-{}", format.version);
        for kept in ["-0a1b/bytes-1.0.0", "index.crates.io-1949"] {
            fs::create_dir_all(home.path().join("registry/src").join(kept).join(&own)).unwrap();
        }
        let stale = home.path().join("registry/src/-0a1b").join(&own);
        fs::create_dir_all(stale.join("src")).unwrap();

        forget_unpacked(home.path(), &members).unwrap();

        assert!(!stale.exists());
        for kept in ["-0a1b/bytes-1.0.0", "index.crates.io-1949"] {
            assert!(home.path().join("registry/src").join(kept).join(&own).exists(), "{kept}");
        }
        forget_unpacked(&home.path().join("nothing"), &members).unwrap();
    }
}
