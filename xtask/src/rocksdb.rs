//! The library of RocksDB: compiled by the main workspace, and linked by the workspaces beside it.
//!
//! Cargo would compile it again for each of them, because they pick other versions and features of the tools that build it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cargo;

/// The libraries of the package, and what each needs after it.
const LIBRARIES: [&str; 2] = ["rocksdb", "snappy"];

/// Lets a command link the libraries that the main workspace compiled.
///
/// Does nothing if there are none of the version that the workspace is locked to, and outside Linux, whose linker takes scripts for
/// libraries. Then cargo compiles them.
pub(crate) fn link_compiled<'a>(command: &'a mut Command, lock: &Path) -> Result<&'a mut Command> {
    let target = cargo::target_folder()?;
    let Some(version) = locked_version(lock)? else { return Ok(command) };
    match compiled(&target.join("debug/build"), &version)? {
        Some(compiled) if cfg!(target_os = "linux") => {
            let scripts = target.join("rocksdb");
            write_scripts(&compiled, &scripts)?;
            Ok(command.env("ROCKSDB_LIB_DIR", &scripts).env("SNAPPY_LIB_DIR", &scripts))
        }
        _ => Ok(command),
    }
}

/// Returns the version of librocksdb-sys in a lock file, if it is there.
fn locked_version(lock: &Path) -> Result<Option<String>> {
    let text = fs::read_to_string(lock).with_context(|| format!("could not read {lock:?}"))?;
    let mut lines = text.lines().skip_while(|line| *line != r#"name = "librocksdb-sys""#).skip(1);
    let version = lines.next().and_then(|line| line.strip_prefix(r#"version = ""#)?.strip_suffix('"'));
    Ok(version.map(str::to_owned))
}

/// Returns the folder where a build script of this version left the libraries.
fn compiled(builds: &Path, version: &str) -> Result<Option<PathBuf>> {
    for output in glob::glob(&format!("{}/librocksdb-sys-*/output", builds.display()))? {
        let output = output?;
        let package = format!("/librocksdb-sys-{version}");
        let printed = fs::read_to_string(&output).with_context(|| format!("could not read {output:?}"))?;
        let is_it = |line: &str| line.starts_with("cargo:cargo_manifest_dir=") && line.ends_with(&package);
        let folder = output.with_file_name("out");
        if printed.lines().any(is_it) && LIBRARIES.iter().all(|name| archive(&folder, name).is_file()) {
            return Ok(Some(folder));
        }
    }
    Ok(None)
}

fn archive(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("lib{name}.a"))
}

/// Writes a linker script for each library. Archives alone would lack the C++ library, which has to come after them.
fn write_scripts(compiled: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("could not create {folder:?}"))?;
    for name in LIBRARIES {
        let (path, archive) = (folder.join(format!("lib{name}.so")), archive(compiled, name));
        let script = format!("GROUP ( {} AS_NEEDED ( -lstdc++ ) )\n", archive.display());
        // A script that is new makes cargo link everything again.
        if fs::read_to_string(&path).is_ok_and(|there| there == script) {
            continue;
        }
        fs::write(&path, script).with_context(|| format!("could not write {path:?}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_of_another_version_are_not_linked() {
        let home = tempfile::tempdir().unwrap();
        let build = home.path().join("librocksdb-sys-12/out");
        fs::create_dir_all(&build).unwrap();
        let output =
            "cargo:rustc-link-lib=static=rocksdb\ncargo:cargo_manifest_dir=/r/librocksdb-sys-0.17.3+10.4.2\n";
        fs::write(build.with_file_name("output"), output).unwrap();
        assert_eq!(compiled(home.path(), "0.17.3+10.4.2").unwrap(), None, "there are no archives yet");
        LIBRARIES.iter().for_each(|name| fs::write(archive(&build, name), "").unwrap());
        assert_eq!(compiled(home.path(), "0.17.3+10.4.2").unwrap(), Some(build));
        assert_eq!(compiled(home.path(), "0.17.3").unwrap(), None);
    }

    #[test]
    fn both_workspaces_are_locked_to_one_version() {
        let version = |lock: &str| locked_version(&cargo::root().join(lock)).unwrap();
        let boot = Path::new(cargo::BOOT_MANIFEST).with_file_name("Cargo.lock");
        assert_eq!(version("Cargo.lock"), version(boot.to_str().unwrap()));
        assert!(version("Cargo.lock").is_some());
    }
}
