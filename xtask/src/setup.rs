//! `setup`: finds or installs what the workspace needs beyond Rust, and says what it does.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::{cargo, no_more_options, process};

/// A thing to have, why, and what the package managers call it.
struct Need {
    name: &'static str,
    why: &'static str,
    apt: &'static [&'static str],
    dnf: &'static [&'static str],
    brew: &'static [&'static str],
    find: fn(&Machine) -> Option<PathBuf>,
}

const NEEDS: [Need; 2] = [
    Need {
        name: "C++ compiler",
        why: "RocksDB is compiled from its C++ sources",
        apt: &["g++"],
        dnf: &["gcc-c++"],
        brew: &["llvm"],
        find: find_compiler,
    },
    Need {
        name: "libclang",
        why: "bindgen reads RocksDB's C headers with it",
        apt: &["clang", "libclang-dev"],
        dnf: &["clang", "clang-devel"],
        brew: &["llvm"],
        find: find_libclang,
    },
];

const PROTOC: Need = Need {
    name: "protoc",
    why: "linera's crates, which the boot tests use, compile protocol buffers with it",
    // The second has the well-known types, which the first only recommends.
    apt: &["protobuf-compiler", "libprotobuf-dev"],
    dnf: &["protobuf-compiler", "protobuf-devel"],
    brew: &["protobuf"],
    find: find_protoc,
};

const CCACHE: Need = Need {
    name: "ccache",
    why: "RocksDB is built for two workspaces, and compiled once",
    apt: &["ccache"],
    dnf: &["ccache"],
    brew: &["ccache"],
    find: |machine| machine.program(Path::new("ccache")),
};

const JAVA: Need = Need {
    name: "Java 17",
    why: "tests of the CQL engine run Apache Cassandra, which needs this version",
    apt: &["openjdk-17-jre-headless"],
    dnf: &["java-17-openjdk-headless"],
    brew: &["openjdk@17"],
    find: find_java,
};

const MAVEN: Need = Need {
    name: "Maven",
    why: "it resolves Apache Cassandra's jars",
    apt: &["maven"],
    dnf: &["maven"],
    brew: &["maven"],
    find: |machine| machine.program(Path::new("mvn")),
};

const VALGRIND: Need = Need {
    name: "Valgrind",
    why: "its Callgrind counts instructions",
    apt: &["valgrind"],
    dnf: &["valgrind"],
    brew: &["valgrind"],
    find: |machine| machine.program(Path::new("valgrind")),
};

/// What the search looks at: the environment and the file system below a root.
struct Machine {
    variables: BTreeMap<&'static str, OsString>,
    root: PathBuf,
}

impl Machine {
    fn this() -> Self {
        let names = ["PATH", "CXX", "LIBCLANG_PATH", "LLVM_CONFIG_PATH", "PROTOC", "JAVA_HOME"];
        let variables = names.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))).collect();
        Self { variables, root: "/".into() }
    }

    /// Finds a program by its path, or by its name in `PATH`.
    fn program(&self, name: &Path) -> Option<PathBuf> {
        if name.components().count() > 1 {
            return name.is_file().then(|| name.to_owned());
        }
        let folders = self.variables.get("PATH")?;
        std::env::split_paths(folders).map(|folder| folder.join(name)).find(|program| program.is_file())
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Manager {
    Apt,
    Dnf,
    Brew,
}

impl Manager {
    fn find(machine: &Machine) -> Option<Self> {
        let all = [("apt-get", Self::Apt), ("dnf", Self::Dnf), ("brew", Self::Brew)];
        let there = |name: &str| machine.program(Path::new(name)).is_some();
        all.into_iter().find(|(name, _)| there(name)).map(|(_, manager)| manager)
    }

    fn packages(self, need: &Need) -> &'static [&'static str] {
        match self {
            Self::Apt => need.apt,
            Self::Dnf => need.dnf,
            Self::Brew => need.brew,
        }
    }

    /// Returns the command lines that install the packages, for root or through sudo.
    fn commands(self, packages: &[&'static str], root: bool) -> Vec<Vec<&'static str>> {
        let mut lines = match self {
            Self::Apt => vec![
                vec!["apt-get", "update"],
                vec!["apt-get", "install", "--yes", "--no-install-recommends"],
            ],
            Self::Dnf => vec![vec!["dnf", "install", "--assumeyes"]],
            Self::Brew => vec![vec!["brew", "install"]],
        };
        if let Some(install) = lines.last_mut() {
            install.extend(packages);
        }
        if !root && self != Self::Brew {
            lines.iter_mut().for_each(|line| line.insert(0, "sudo"));
        }
        lines
    }
}

/// Runs the task: finds all, or installs what is missing.
pub(crate) fn run(options: &[String]) -> Result<()> {
    let check_only = options.first().is_some_and(|option| option == "--check");
    no_more_options("setup", if check_only { &options[1..] } else { options })?;
    let missing = report(&Machine::this());
    if missing.is_empty() {
        return Ok(());
    }
    if check_only {
        bail!("something is missing; `cargo xtask setup` installs it");
    }
    install(&missing)
}

/// Does the task for another one: without a word when nothing is missing.
pub(crate) fn ensure() -> Result<()> {
    let machine = Machine::this();
    if needs().iter().all(|need| (need.find)(&machine).is_some()) {
        return Ok(());
    }
    run(&[])
}

/// Finds or installs what counting instructions needs, and nothing else.
pub(crate) fn ensure_valgrind() -> Result<()> {
    if (VALGRIND.find)(&Machine::this()).is_some() {
        return Ok(());
    }
    println!("setup: missing {}: {}", VALGRIND.name, VALGRIND.why);
    install(&[&VALGRIND])
}

/// What this workspace needs: some of it only where the boot tests or the CQL engine are.
fn needs() -> Vec<&'static Need> {
    let mut needs: Vec<_> = NEEDS.iter().collect();
    if boot_tests_exist() {
        needs.extend([&PROTOC, &CCACHE]);
    }
    // Who names a server of his own starts none.
    if cql_is_needed() && std::env::var_os("SCYLLA_URI").is_none() {
        needs.extend([&JAVA, &MAVEN]);
    }
    needs
}

/// Tells whether tests of this workspace talk to a CQL server.
pub(crate) fn cql_is_needed() -> bool {
    cargo::root().join("crates/backup-scylla/Cargo.toml").is_file()
}

/// Returns Java 17 of this machine.
pub(crate) fn java() -> Option<PathBuf> {
    find_java(&Machine::this())
}

/// Returns cqlsh, if this machine has it: nothing needs it but a comparison.
pub(crate) fn cqlsh() -> Option<PathBuf> {
    Machine::this().program("cqlsh".as_ref())
}

fn boot_tests_exist() -> bool {
    cargo::root().join("crates/worker-boot-tests/Cargo.toml").is_file()
}

/// Prints what is there and what is not, and returns the latter.
fn report(machine: &Machine) -> Vec<&'static Need> {
    let mut missing = Vec::new();
    for need in needs() {
        match (need.find)(machine) {
            Some(path) => println!("setup: found {}: {}", need.name, path.display()),
            None => {
                println!("setup: missing {}: {}", need.name, need.why);
                missing.push(need);
            }
        }
    }
    if !boot_tests_exist() {
        println!("setup: {} is not needed: {}, and there are none here", PROTOC.name, PROTOC.why);
    }
    missing
}

fn install(missing: &[&'static Need]) -> Result<()> {
    let machine = Machine::this();
    let Some(manager) = Manager::find(&machine) else {
        let names: Vec<_> = missing.iter().map(|need| need.name).collect();
        bail!("found none of apt-get, dnf and brew; please install by hand: {}", names.join(", "));
    };
    let packages = packages(manager, missing);
    println!("setup: installing {}", packages.join(" "));
    for line in manager.commands(&packages, is_root()) {
        process::run(Command::new(line[0]).args(&line[1..]).env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    for need in missing {
        match (need.find)(&machine) {
            Some(path) => println!("setup: installed {}: {}", need.name, path.display()),
            None => bail!(
                "{} was installed but is still not found; CXX, LIBCLANG_PATH and PROTOC decide alone \
                 where they are set",
                need.name
            ),
        }
    }
    Ok(())
}

fn packages(manager: Manager, missing: &[&'static Need]) -> Vec<&'static str> {
    let mut packages = Vec::new();
    for package in missing.iter().flat_map(|need| manager.packages(need)) {
        if !packages.contains(package) {
            packages.push(*package);
        }
    }
    packages
}

fn is_root() -> bool {
    process::quiet_output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn find_compiler(machine: &Machine) -> Option<PathBuf> {
    let chosen = machine.variables.get("CXX").and_then(|value| value.to_str());
    // `CXX` may hold a wrapper and its compiler, as in `ccache g++`.
    let chosen = chosen.and_then(|value| value.split_whitespace().next());
    let names = chosen.map_or_else(|| vec!["c++", "g++", "clang++"], |name| vec![name]);
    names.into_iter().find_map(|name| machine.program(Path::new(name)))
}

fn find_protoc(machine: &Machine) -> Option<PathBuf> {
    let chosen = machine.variables.get("PROTOC").map_or(Path::new("protoc"), Path::new);
    machine.program(chosen).filter(|program| has_well_known_types(machine, program))
}

/// Tells whether protoc finds the types that come with it: beside its folder, or where systems keep them.
fn has_well_known_types(machine: &Machine, protoc: &Path) -> bool {
    let real = protoc.canonicalize().unwrap_or_else(|_| protoc.to_owned());
    let beside =
        [protoc, &real].into_iter().filter_map(|path| Some(path.parent()?.parent()?.join("include")));
    let common = ["usr/include", "usr/local/include"].map(|folder| machine.root.join(folder));
    beside.chain(common).any(|folder| folder.join("google/protobuf/empty.proto").is_file())
}

/// Finds Java 17: `JAVA_HOME` if it is that version, then the usual folders. Other versions are passed over.
fn find_java(machine: &Machine) -> Option<PathBuf> {
    let chosen = machine.variables.get("JAVA_HOME").map(PathBuf::from);
    let usual = JAVA_FOLDERS.iter().flat_map(|pattern| expand(&machine.root, pattern));
    chosen.into_iter().chain(usual).find(|home| is_java_17(home)).map(|home| home.join("bin/java"))
}

const JAVA_FOLDERS: [&str; 5] = [
    "usr/lib/jvm/*17*",
    "usr/lib/jvm/*",
    "opt/homebrew/opt/openjdk@17/libexec/openjdk.jdk/Contents/Home",
    "usr/local/opt/openjdk@17/libexec/openjdk.jdk/Contents/Home",
    "Library/Java/JavaVirtualMachines/*/Contents/Home",
];

/// Every Java has a file that tells its version.
fn is_java_17(home: &Path) -> bool {
    let release = std::fs::read_to_string(home.join("release")).unwrap_or_default();
    release.lines().any(|line| line.starts_with("JAVA_VERSION=\"17.")) && home.join("bin/java").is_file()
}

/// Finds libclang as bindgen does: `LIBCLANG_PATH`, then llvm-config, then the usual folders.
fn find_libclang(machine: &Machine) -> Option<PathBuf> {
    if let Some(chosen) = machine.variables.get("LIBCLANG_PATH").map(PathBuf::from) {
        return if chosen.is_file() { Some(chosen) } else { libclang_in(&chosen) };
    }
    let told = llvm_config(machine).and_then(|folder| libclang_in(&folder));
    told.or_else(|| {
        let folders = LIBCLANG_FOLDERS.iter().flat_map(|pattern| expand(&machine.root, pattern));
        folders.into_iter().find_map(|folder| libclang_in(&folder))
    })
}

/// Where libclang may be. A star stands for any number of characters in a name.
const LIBCLANG_FOLDERS: [&str; 11] = [
    "usr/lib/llvm-*/lib",
    "usr/lib/*-linux-gnu",
    "usr/lib64/llvm*/lib64",
    "usr/lib64",
    "usr/lib",
    "usr/local/llvm*/lib",
    "usr/local/lib",
    "usr/local/opt/llvm*/lib",
    "opt/homebrew/opt/llvm*/lib",
    "Library/Developer/CommandLineTools/usr/lib",
    "Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib",
];

fn llvm_config(machine: &Machine) -> Option<PathBuf> {
    let name = machine.variables.get("LLVM_CONFIG_PATH").map_or("llvm-config".as_ref(), Path::new);
    let program = machine.program(name)?;
    let folder = process::quiet_output(Command::new(program).arg("--libdir")).ok()?;
    Some(PathBuf::from(folder.trim()))
}

fn libclang_in(folder: &Path) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = folder
        .read_dir()
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_libclang))
        // A link that was left behind when its library went is no library.
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found.into_iter().next()
}

fn is_libclang(name: &str) -> bool {
    if name == "libclang.dylib" {
        return true;
    }
    let Some(rest) = name.strip_prefix("libclang") else { return false };
    let shared = rest.ends_with(".so") || rest.contains(".so.");
    // libclang-cpp and the sanitizers' libclang_rt are other libraries.
    shared && (rest.starts_with('.') || rest.starts_with('-')) && !rest.starts_with("-cpp")
}

/// Returns the folders below `root` that match the pattern, the later version first.
fn expand(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut folders = vec![root.to_owned()];
    for part in pattern.split('/') {
        folders = match part.split_once('*') {
            None => folders.into_iter().map(|folder| folder.join(part)).collect(),
            Some((head, tail)) => folders.iter().flat_map(|folder| children(folder, head, tail)).collect(),
        };
    }
    folders
}

fn children(folder: &Path, head: &str, tail: &str) -> Vec<PathBuf> {
    let fits =
        |name: &str| name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail);
    let mut found: Vec<PathBuf> = folder
        .read_dir()
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(fits))
        .collect();
    found.sort();
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(root: &Path, variables: &[(&'static str, &Path)]) -> Machine {
        let variables = variables.iter().map(|(name, value)| (*name, value.into())).collect();
        Machine { variables, root: root.to_owned() }
    }

    fn touch(root: &Path, path: &str) -> PathBuf {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "").unwrap();
        path
    }

    #[test]
    fn libclang_is_found_where_each_system_keeps_it() {
        for place in [
            "usr/lib/llvm-14/lib/libclang.so.1",
            "usr/lib/x86_64-linux-gnu/libclang-14.so.13",
            "usr/lib64/libclang.so",
            "opt/homebrew/opt/llvm@19/lib/libclang.dylib",
            "Library/Developer/CommandLineTools/usr/lib/libclang.dylib",
        ] {
            let root = tempfile::tempdir().unwrap();
            assert_eq!(find_libclang(&machine(root.path(), &[])), None, "{place}");
            let path = touch(root.path(), place);
            assert_eq!(find_libclang(&machine(root.path(), &[])), Some(path));
        }
    }

    #[test]
    fn libraries_with_a_similar_name_are_not_libclang() {
        let root = tempfile::tempdir().unwrap();
        touch(root.path(), "usr/lib/llvm-14/lib/libclang-cpp.so.14");
        touch(root.path(), "usr/lib/llvm-14/lib/libclang_rt.tsan-x86_64.so");
        touch(root.path(), "usr/lib/llvm-14/lib/libclangAST.a");
        assert_eq!(find_libclang(&machine(root.path(), &[])), None);
    }

    #[test]
    fn the_variable_alone_decides_when_it_is_set() {
        let root = tempfile::tempdir().unwrap();
        let own = touch(root.path(), "own/libclang.so");
        touch(root.path(), "usr/lib/libclang.so");
        let folder = root.path().join("own");
        let found = find_libclang(&machine(root.path(), &[("LIBCLANG_PATH", &folder)]));
        assert_eq!(found, Some(own));
        let empty = root.path().join("empty");
        assert_eq!(find_libclang(&machine(root.path(), &[("LIBCLANG_PATH", &empty)])), None);
    }

    #[test]
    fn programs_are_found_in_the_path_or_by_their_variable() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("bin");
        let bare = machine(root.path(), &[("PATH", &folder)]);
        assert_eq!(find_compiler(&bare), None);
        assert_eq!(find_protoc(&bare), None);
        assert_eq!(Manager::find(&bare), None);
        let compiler = touch(root.path(), "bin/g++");
        touch(root.path(), "bin/dnf");
        assert_eq!(find_compiler(&bare), Some(compiler));
        assert_eq!(Manager::find(&bare), Some(Manager::Dnf));
    }

    #[test]
    fn protoc_counts_only_with_the_types_that_come_with_it() {
        for types in ["opt/own/include", "usr/include"] {
            let root = tempfile::tempdir().unwrap();
            let own = touch(root.path(), "opt/own/bin/protoc");
            let machine = machine(root.path(), &[("PROTOC", &own)]);
            assert_eq!(find_protoc(&machine), None);
            touch(root.path(), &format!("{types}/google/protobuf/empty.proto"));
            assert_eq!(find_protoc(&machine), Some(own));
        }
    }

    #[test]
    fn java_17_is_found_among_other_versions() {
        let root = tempfile::tempdir().unwrap();
        let add = |home: &str, version: &str| {
            let path = touch(root.path(), &format!("{home}/release"));
            std::fs::write(path, format!("IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"{version}\"\n")).unwrap();
            touch(root.path(), &format!("{home}/bin/java"))
        };
        add("usr/lib/jvm/temurin-21-1.17", "21.0.1");
        assert_eq!(find_java(&machine(root.path(), &[])), None);
        let found = add("usr/lib/jvm/java-17-openjdk-amd64", "17.0.15");
        assert_eq!(find_java(&machine(root.path(), &[])), Some(found.clone()));
        let (own, other) = (root.path().join("own"), root.path().join("other"));
        let chosen = add("own", "17.0.1");
        add("other", "11.0.2");
        assert_eq!(find_java(&machine(root.path(), &[("JAVA_HOME", &own)])), Some(chosen));
        assert_eq!(find_java(&machine(root.path(), &[("JAVA_HOME", &other)])), Some(found));
    }

    #[test]
    fn each_package_is_installed_once_and_through_sudo_when_needed() {
        let all: Vec<_> = NEEDS.iter().collect();
        assert_eq!(packages(Manager::Apt, &all), ["g++", "clang", "libclang-dev"]);
        let brew = packages(Manager::Brew, &all);
        assert_eq!(brew, ["llvm"]);
        assert_eq!(Manager::Brew.commands(&brew, false), [["brew", "install", "llvm"]]);
        let dnf = Manager::Dnf.commands(&["clang"], false);
        assert_eq!(dnf, [["sudo", "dnf", "install", "--assumeyes", "clang"]]);
        assert_eq!(Manager::Apt.commands(&["clang"], true)[0], ["apt-get", "update"]);
    }
}
