//! Cargo, and what it knows about the workspace.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand, Package};

/// Manifest of the workspace that depends on linera's crates.
pub(crate) const BOOT_MANIFEST: &str = "crates/worker-boot-tests/Cargo.toml";

/// Returns the top folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().expect("xtask is a folder of the workspace").to_owned()
}

/// Lets a command that links no program do without compiling RocksDB, which takes longer than all the rest.
///
/// Such commands have a target folder of their own, because commands that link need the library.
pub(crate) fn without_linking(command: &mut Command) -> Result<&mut Command> {
    let target = target_folder()?.join("unlinked");
    command.env("ROCKSDB_LIB_DIR", &target).env("SNAPPY_LIB_DIR", &target);
    Ok(command.env("CARGO_TARGET_DIR", &target))
}

/// Returns a command of the cargo that runs us, in the top folder, with ccache in front of the compilers.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    // `cargo run` sets these for us, to the folder of this clone. Build scripts that read them would run again in each clone, and what
    // depends on them, like linera, would be compiled again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_MANIFEST_") || text.starts_with("CARGO_PKG_") {
            command.env_remove(&name);
        }
    }
    if let Some(folder) = CCACHE_FOLDERS.into_iter().find(|folder| Path::new(folder).is_dir()) {
        let mut path = OsString::from(folder);
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        command.env("PATH", path);
    }
    command
}

/// Folders of links to ccache that have the names of compilers.
const CCACHE_FOLDERS: [&str; 4] = [
    "/usr/lib/ccache",
    "/usr/lib64/ccache",
    "/opt/homebrew/opt/ccache/libexec",
    "/usr/local/opt/ccache/libexec",
];

/// Returns the target folder that cargo uses for the workspace.
pub(crate) fn target_folder() -> Result<PathBuf> {
    Ok(metadata(&root().join("Cargo.toml"))?.target_directory.into_std_path_buf())
}

/// Returns the workspace's packages in the order of their names.
pub(crate) fn members(manifest: &Path) -> Result<Vec<Package>> {
    let mut packages = metadata(manifest)?.packages;
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

/// Returns the manifests of the small workspaces: boot tests, fuzz targets, downstream examples.
pub(crate) fn outlying_manifests(root: &Path) -> Result<Vec<PathBuf>> {
    Ok([vec![root.join(BOOT_MANIFEST)], manifests(root, "crates/*/fuzz")?, downstream_manifests(root)?]
        .concat())
}

/// Returns the manifests of the examples that depend on our crates as a user would.
pub(crate) fn downstream_manifests(root: &Path) -> Result<Vec<PathBuf>> {
    manifests(root, "tests/downstream/*")
}

fn manifests(root: &Path, folders: &str) -> Result<Vec<PathBuf>> {
    let paths = glob::glob(&format!("{}/{folders}/Cargo.toml", root.display()))?;
    paths.map(|path| Ok(path?)).collect()
}

/// Asks cargo about one workspace, without resolving dependencies: that would need a registry.
fn metadata(manifest: &Path) -> Result<Metadata> {
    let mut command = MetadataCommand::new();
    command.manifest_path(manifest).no_deps();
    command.exec().with_context(|| format!("could not read the workspace of {manifest:?}"))
}

/// Returns the names of a package's programs.
pub(crate) fn programs(package: &Package) -> impl Iterator<Item = &str> {
    package.targets.iter().filter(|target| target.is_bin()).map(|target| target.name.as_str())
}

/// Returns false for a package that never leaves this repository.
pub(crate) fn is_published(package: &Package) -> bool {
    package.publish.as_ref().is_none_or(|registries| !registries.is_empty())
}
