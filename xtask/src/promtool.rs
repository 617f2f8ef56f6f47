//! promtool, which checks metrics and tests rules for alerts.
//!
//! Debian has it in the package of the server, which would start that at once and at each boot. So there only the program is taken out of the package.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::setup::{self, For, program};
use crate::{cargo, process};

/// Returns the program: that of the system, or the one that [`install`] took out of a package.
pub(crate) fn find() -> Option<PathBuf> {
    program("promtool").or_else(|| program(unpacked(&cargo::target_folder().ok()?)))
}

/// Installs it, if it is missing.
pub(crate) fn install() -> Result<()> {
    if find().is_some() {
        return Ok(());
    }
    if program("apt-get").is_none() {
        return setup::ensure(&[For::Rules]);
    }
    println!("setup: missing promtool: tests check metrics and rules for alerts with it");
    let target = cargo::target_folder()?;
    unpack(&target.join("promtool"))?;
    if !unpacked(&target).is_file() {
        bail!("the package of Prometheus has no promtool");
    }
    Ok(())
}

/// Where the tests look for it, too: `tests/cli/monitoring.rs`.
fn unpacked(target: &Path) -> PathBuf {
    target.join("promtool/usr/bin/promtool")
}

/// Downloads the package of Prometheus, and unpacks it without installing it.
fn unpack(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("could not create {folder:?}"))?;
    // What an earlier run may have left could be another version.
    for package in packages(folder)? {
        fs::remove_file(&package).with_context(|| format!("could not remove {package:?}"))?;
    }
    let download =
        || process::run(Command::new("apt-get").args(["download", "prometheus"]).current_dir(folder));
    // Lists of packages that are old name files that are gone.
    download().or_else(|_| setup::update_apt().and_then(|()| download()))?;
    let package = packages(folder)?.pop().context("apt-get downloaded no package")?;
    process::run(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(folder))?;
    fs::remove_file(&package).with_context(|| format!("could not remove {package:?}"))
}

fn packages(folder: &Path) -> Result<Vec<PathBuf>> {
    let pattern = folder.join("*.deb");
    let paths = glob::glob(&pattern.to_string_lossy())?;
    Ok(paths.collect::<Result<_, _>>()?)
}
