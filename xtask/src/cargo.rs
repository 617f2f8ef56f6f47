//! Cargo, and what it knows about the workspace.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// One package of the workspace, or of the small workspaces beside it.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Where its Cargo.toml is.
    pub(crate) manifest: PathBuf,
    /// What it depends on directly, whatever the target or feature.
    pub(crate) dependencies: Vec<Dependency>,
    /// Its features, without `default`.
    pub(crate) features: Vec<String>,
    /// The names of its programs.
    pub(crate) programs: Vec<String>,
    /// False for a package that never leaves this repository.
    pub(crate) published: bool,
}

/// A direct dependency, under the name that the package has in its registry.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// True when only tests, examples and benches see it.
    pub(crate) dev_only: bool,
}

impl Package {
    /// Returns the folder of the package's Cargo.toml.
    pub(crate) fn folder(&self) -> &Path {
        self.manifest.parent().expect("a manifest's path ends in Cargo.toml")
    }
}

/// Returns the top folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().expect("xtask is a folder of the workspace").to_owned()
}

/// Lets a command that links no program do without RocksDB's library: its headers are enough, and compiling it takes
/// longer than all the rest. Such commands have a target folder of their own, since those that link need the library.
pub(crate) fn without_linking(command: &mut Command) -> Result<&mut Command> {
    let target = target_folder()?.join("unlinked");
    command.env("ROCKSDB_LIB_DIR", &target).env("SNAPPY_LIB_DIR", &target);
    Ok(command.env("CARGO_TARGET_DIR", &target))
}

/// Starts a command line of the cargo that runs us, in the top folder, with ccache in front of the compilers: the
/// workspace and the boot tests pick different features for the tools that build RocksDB, so cargo compiles it for each.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    if let Some(path) = with_ccache(&CCACHE_FOLDERS.map(Path::new), std::env::var_os("PATH")) {
        command.env("PATH", path);
    }
    command
}

/// Where systems keep programs that have the names of compilers and are ccache.
const CCACHE_FOLDERS: [&str; 4] = [
    "/usr/lib/ccache",
    "/usr/lib64/ccache",
    "/opt/homebrew/opt/ccache/libexec",
    "/usr/local/opt/ccache/libexec",
];

/// Puts the first of these folders that is there in front of the search path; `None` when none is.
fn with_ccache(folders: &[&Path], path: Option<OsString>) -> Option<OsString> {
    let folder = folders.iter().find(|folder| folder.is_dir())?;
    let old = path.unwrap_or_default();
    let rest = std::env::split_paths(&old).filter(|other| other != folder);
    std::env::join_paths([folder.to_path_buf()].into_iter().chain(rest)).ok()
}

/// Returns the target folder that cargo uses for the workspace.
pub(crate) fn target_folder() -> Result<PathBuf> {
    Ok(metadata(&root().join("Cargo.toml"))?.target_directory.into_std_path_buf())
}

/// Returns the workspace's packages in the order of their names.
pub(crate) fn members(manifest: &Path) -> Result<Vec<Package>> {
    let mut packages: Vec<_> = metadata(manifest)?.packages.into_iter().map(package).collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

/// Finds the manifests of the small workspaces beside the main one: fuzz targets, downstream
/// examples, boot tests. Sorted by path.
pub(crate) fn outlying_manifests(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![root.join("crates/worker-boot-tests/Cargo.toml")];
    for folder in folders(&root.join("crates"))? {
        found.push(folder.join("fuzz/Cargo.toml"));
    }
    found.extend(downstream_manifests(root)?);
    found.retain(|manifest| manifest.is_file());
    found.sort();
    Ok(found)
}

/// Finds the manifests of the examples that depend on our crates as somebody else would.
pub(crate) fn downstream_manifests(root: &Path) -> Result<Vec<PathBuf>> {
    let all = folders(&root.join("tests/downstream"))?;
    let manifests = all.into_iter().map(|folder| folder.join("Cargo.toml"));
    Ok(manifests.filter(|manifest| manifest.is_file()).collect())
}

fn folders(parent: &Path) -> Result<Vec<PathBuf>> {
    if !parent.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in parent.read_dir().with_context(|| format!("could not list {parent:?}"))? {
        let path = entry.with_context(|| format!("could not list {parent:?}"))?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Asks cargo about one workspace. Nothing is resolved, so that no registry is needed.
fn metadata(manifest: &Path) -> Result<Metadata> {
    let mut command = MetadataCommand::new();
    command.manifest_path(manifest).no_deps();
    command.exec().with_context(|| format!("could not read the workspace of {manifest:?}"))
}

fn package(from: cargo_metadata::Package) -> Package {
    let programs = from.targets.iter().filter(|target| target.is_bin());
    Package {
        name: from.name.to_string(),
        version: from.version.to_string(),
        manifest: from.manifest_path.into(),
        programs: programs.map(|target| target.name.clone()).collect(),
        features: from.features.into_keys().filter(|feature| feature != "default").collect(),
        published: from.publish.is_none_or(|registries| !registries.is_empty()),
        dependencies: from
            .dependencies
            .into_iter()
            .map(|dependency| Dependency {
                name: dependency.name,
                dev_only: dependency.kind == DependencyKind::Development,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_found_with_its_crates() {
        let members = members(&root().join("Cargo.toml")).unwrap();
        let format = members.iter().find(|package| package.name == "backup-format").unwrap();
        assert!(format.published);
        assert_eq!(format.folder(), root().join("crates/backup-format"));
        let own = members.iter().find(|package| package.name == "xtask").unwrap();
        assert!(!own.published);
        assert_eq!(own.programs, ["xtask"]);
        let dev = |name: &str| own.dependencies.iter().find(|d| d.name == name).unwrap().dev_only;
        assert!(dev("tempfile") && !dev("anyhow"));
    }

    #[test]
    fn ccache_comes_first_in_the_path_once_and_only_where_it_is() {
        let there = tempfile::tempdir().unwrap();
        let (folder, missing) = (there.path(), there.path().join("missing"));
        let path = std::env::join_paths([Path::new("/usr/bin"), folder]).unwrap();
        assert_eq!(with_ccache(&[&missing], Some(path.clone())), None);
        let found = with_ccache(&[&missing, folder], Some(path)).unwrap();
        assert_eq!(found, std::env::join_paths([folder, Path::new("/usr/bin")]).unwrap());
    }
}
