//! Every crate that is published packages, and builds from the files in its package.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use anyhow::{Context, Result, bail};

use crate::cargo::Package;
use crate::{cargo, process};

/// Runs the step: packages every crate, and in an exhaustive run builds libraries from what is in their packages. Programs are not
/// built: that would compile RocksDB once more.
///
/// Cargo lets the packages stand in for each other as if they were published, and takes published crates for unchanged. So what
/// earlier runs unpacked and built of them is removed first.
pub(super) fn build(exhaustive: bool) -> Result<String> {
    let members = cargo::members(&cargo::root().join("Cargo.toml"))?;
    let (published, own): (Vec<_>, Vec<_>) = members.iter().partition(|member| member.published);
    let (programs, libraries): (Vec<_>, Vec<_>) =
        published.into_iter().partition(|member| !member.programs.is_empty());
    if libraries.is_empty() {
        bail!("the workspace has no crate to publish");
    }
    run(&["package", "--workspace", "--allow-dirty", "--no-verify"], "--exclude", &own)?;
    if !exhaustive {
        return Ok(format!("{} crates packaged", libraries.len() + programs.len()));
    }
    forget_unpacked(&cargo_home()?, &members)?;
    run(&["clean"], "--package", &libraries)?;
    run(&["package", "--workspace", "--allow-dirty"], "--exclude", &[&own[..], &programs].concat())?;
    Ok(format!(
        "{} libraries built from their packages, {} programs packaged",
        libraries.len(),
        programs.len()
    ))
}

fn run(arguments: &[&str], option: &str, packages: &[&Package]) -> Result<()> {
    let mut command = cargo::cargo(arguments);
    command.args(packages.iter().flat_map(|package| [option, &package.name]));
    process::run(cargo::without_linking(&mut command)?)
}

/// Removes what Cargo unpacked of these packages in earlier runs.
///
/// A local registry stands in for the published crates. Cargo keeps what it unpacked of it by name and version, so a later run
/// would build the old sources.
fn forget_unpacked(cargo_home: &Path, members: &[Package]) -> Result<()> {
    let unpacked = cargo_home.join("registry/src");
    if !unpacked.is_dir() {
        return Ok(());
    }
    for registry in fs::read_dir(&unpacked).with_context(|| format!("could not list {unpacked:?}"))? {
        let registry = registry.with_context(|| format!("could not list {unpacked:?}"))?;
        // The folder of a registry is named by host and hash. A local registry has no host.
        if !registry.file_name().to_string_lossy().starts_with('-') {
            continue;
        }
        for member in members {
            let folder = registry.path().join(format!("{}-{}", member.name, member.version));
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("could not remove {folder:?}"));
                }
                _ => (),
            }
        }
    }
    Ok(())
}

fn cargo_home() -> Result<PathBuf> {
    let chosen = env::var_os("CARGO_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let usual = || env::home_dir().map(|home| home.join(".cargo"));
    chosen.or_else(usual).context("neither CARGO_HOME nor a home folder is set")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_packages_of_local_registries_are_removed() {
        let home = tempfile::tempdir().unwrap();
        let member = Package { name: "backup-format".into(), version: "0.1.0".into(), ..Package::default() };
        let folder = |path: &str| home.path().join("registry/src").join(path);
        let kept = [folder("-0a1b/bytes-1.0.0"), folder("index.crates.io-1949/backup-format-0.1.0")];
        let stale = folder("-0a1b/backup-format-0.1.0/src");
        for folder in kept.iter().chain([&stale]) {
            fs::create_dir_all(folder).unwrap();
        }
        forget_unpacked(home.path(), std::slice::from_ref(&member)).unwrap();
        assert!(!stale.parent().unwrap().exists() && kept.iter().all(|folder| folder.exists()));
        forget_unpacked(&home.path().join("nothing"), &[member]).unwrap();
    }
}
