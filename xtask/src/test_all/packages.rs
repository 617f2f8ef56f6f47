//! Every crate that is published packages, and builds from the files in its package.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result, bail};

use cargo_metadata::Package;

use crate::{cargo, process};

/// Runs the step: packages every crate, and in an exhaustive run builds libraries from what is in their packages. Programs are not
/// built: that would compile RocksDB once more.
///
/// Cargo lets the packages stand in for each other as if they were published, and takes published crates for unchanged. So what
/// earlier runs unpacked and built of them is removed first.
pub(super) fn build(exhaustive: bool) -> Result<String> {
    let members = cargo::members(&cargo::root().join("Cargo.toml"))?;
    let (published, own): (Vec<_>, Vec<_>) = members.iter().partition(|member| cargo::is_published(member));
    let (programs, libraries): (Vec<_>, Vec<_>) =
        published.into_iter().partition(|member| cargo::programs(member).count() > 0);
    if libraries.is_empty() {
        bail!("the workspace has no crate to publish");
    }
    run(&["package", "--workspace", "--allow-dirty", "--no-verify"], "--exclude", &own)?;
    if !exhaustive {
        return Ok(format!("{} crates packaged", libraries.len() + programs.len()));
    }
    forget_unpacked(&cargo_home()?)?;
    run(&["clean"], "--package", &libraries)?;
    run(&["package", "--workspace", "--allow-dirty"], "--exclude", &[&own[..], &programs].concat())?;
    Ok(format!("{} libraries built from packages, {} programs packaged", libraries.len(), programs.len()))
}

fn run(arguments: &[&str], option: &str, packages: &[&Package]) -> Result<()> {
    let mut command = cargo::cargo(arguments);
    command.args(packages.iter().flat_map(|package| [option, package.name.as_str()]));
    process::run(cargo::without_linking(&mut command)?)
}

/// Removes what Cargo unpacked of local registries, which stood in for the published crates in earlier runs.
///
/// Cargo keeps it by name and version, so a later run would build the old sources. The folder of a registry is named by host and
/// hash, and a local registry has no host.
fn forget_unpacked(cargo_home: &Path) -> Result<()> {
    for folder in glob::glob(&format!("{}/registry/src/-*", cargo_home.display()))? {
        let folder = folder?;
        fs::remove_dir_all(&folder).with_context(|| format!("could not remove {folder:?}"))?;
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
    fn only_local_registries_are_removed() {
        let home = tempfile::tempdir().unwrap();
        let folder = |path: &str| home.path().join("registry/src").join(path);
        let (kept, stale) = (folder("index.crates.io-1949/bytes-1.0.0"), folder("-0a1b/backup-format-0.1.0"));
        for folder in [&kept, &stale] {
            fs::create_dir_all(folder).unwrap();
        }
        forget_unpacked(home.path()).unwrap();
        assert!(!stale.exists() && kept.exists());
        forget_unpacked(&home.path().join("nothing")).unwrap();
    }
}
