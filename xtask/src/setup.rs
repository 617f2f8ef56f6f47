//! `setup`: finds or installs what the tasks need beyond Rust.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::{no_more_options, process, promtool};

/// What a task does, and so what it needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum For {
    /// Compiles RocksDB.
    Build,
    /// Compiles linera.
    Boot,
    /// Checks signatures, and opens what is sealed, with other programs.
    Signatures,
    /// Starts a CQL server.
    Cql,
    /// Starts object stores.
    Stores,
    /// Checks units of systemd.
    Units,
    /// Counts instructions.
    Callgrind,
    /// Tests rules for alerts. [`promtool::install`] takes care of it.
    Rules,
}

/// The needs of `setup` without options, and of `test-all`.
const ALL: [For; 6] = [For::Build, For::Signatures, For::Boot, For::Cql, For::Stores, For::Units];

/// A program or library, the reason for it, and its packages.
struct Need {
    name: &'static str,
    task: For,
    why: &'static str,
    /// For each manager, with spaces between the packages.
    packages: [&'static str; 3],
    find: fn() -> Option<PathBuf>,
}

const NEEDS: [Need; 15] = [
    Need {
        name: "C++ compiler",
        task: For::Build,
        why: "RocksDB is compiled from its C++ sources",
        packages: ["g++", "gcc-c++", "llvm"],
        find: find_compiler,
    },
    Need {
        name: "clang",
        task: For::Build,
        why: "bindgen reads the C headers of RocksDB with its library",
        packages: ["clang libclang-dev", "clang clang-devel", "llvm"],
        find: || program("clang").or_else(|| env::var_os("LIBCLANG_PATH").map(PathBuf::from)),
    },
    Need {
        name: "ccache",
        task: For::Build,
        why: "several workspaces build RocksDB, and it is compiled once",
        packages: ["ccache", "ccache", "ccache"],
        find: || program("ccache"),
    },
    Need {
        name: "minisign",
        task: For::Signatures,
        why: "tests check with it what is signed here",
        packages: ["minisign", "minisign", "minisign"],
        find: || program("minisign"),
    },
    Need {
        name: "age",
        task: For::Signatures,
        why: "tests open with it what is wrapped here",
        packages: ["age", "age", "age"],
        find: || program("age").and(program("age-keygen")),
    },
    Need {
        name: "protoc",
        task: For::Boot,
        why: "linera's crates compile protocol buffers with it",
        packages: ["protobuf-compiler libprotobuf-dev", "protobuf-compiler protobuf-devel", "protobuf"],
        find: find_protoc,
    },
    Need {
        name: "Java 17",
        task: For::Cql,
        why: "Apache Cassandra, which tests of the CQL engine run, needs this version",
        packages: ["openjdk-17-jre-headless", "java-17-openjdk-headless", "openjdk@17"],
        find: kvbackup_cassandra::java::find,
    },
    Need {
        name: "Maven",
        task: For::Cql,
        why: "it resolves the jars of Apache Cassandra",
        packages: ["maven", "maven", "maven"],
        find: || program("mvn"),
    },
    Need {
        name: "Go 1.21",
        task: For::Stores,
        why: "it builds versitygw, the S3 server of the tests",
        packages: ["golang-go", "golang", "go"],
        find: find_go,
    },
    Need {
        name: "npm",
        task: For::Stores,
        why: "it installs Azurite, the Azure server of the tests",
        packages: ["nodejs npm", "nodejs npm", "node"],
        find: || program("node").and(program("npm")),
    },
    Need {
        name: "OpenSSL",
        task: For::Stores,
        why: "it makes the certificates of these servers",
        packages: ["openssl", "openssl", "openssl"],
        find: || program("openssl"),
    },
    Need {
        name: "curl",
        task: For::Stores,
        why: "it creates buckets",
        packages: ["curl", "curl", "curl"],
        find: || program("curl"),
    },
    Need {
        name: "systemd-analyze",
        task: For::Units,
        why: "tests check the units of systemd with it, on Linux",
        packages: ["systemd", "systemd", "systemd"],
        find: || if cfg!(target_os = "linux") { program("systemd-analyze") } else { Some(PathBuf::new()) },
    },
    Need {
        name: "Valgrind",
        task: For::Callgrind,
        why: "its Callgrind counts instructions",
        packages: ["valgrind", "valgrind", "valgrind"],
        find: || program("valgrind"),
    },
    Need {
        name: "promtool",
        task: For::Rules,
        why: "tests check metrics and rules for alerts with it",
        packages: ["prometheus", "golang-github-prometheus", "prometheus"],
        find: promtool::find,
    },
];

/// The package managers, with the commands that install packages.
const MANAGERS: [(&str, &[&str]); 3] = [
    ("apt-get", &["apt-get update", "apt-get install --yes --no-install-recommends"]),
    ("dnf", &["dnf install --assumeyes"]),
    ("brew", &["brew install"]),
];

/// Returns what these tasks need. A server that is named is not started.
fn needs(tasks: &[For], starts_servers: bool) -> Vec<&'static Need> {
    let of_tasks = NEEDS.iter().filter(|need| tasks.contains(&need.task));
    of_tasks.filter(|need| need.task != For::Cql || starts_servers).collect()
}

fn missing(tasks: &[For]) -> Vec<&'static Need> {
    let mut needs = needs(tasks, env::var_os(kvbackup_cassandra::VARIABLE).is_none());
    needs.retain(|need| (need.find)().is_none());
    needs
}

/// Runs the task: installs what is missing, or with `--check` only reports it.
pub(crate) fn run(options: &[String]) -> Result<()> {
    let check_only = options.first().is_some_and(|option| option == "--check");
    no_more_options("setup", if check_only { &options[1..] } else { options })?;
    for need in NEEDS.iter().filter(|need| need.task == For::Rules || ALL.contains(&need.task)) {
        if let Some(path) = (need.find)() {
            println!("setup: found {}: {}", need.name, path.display());
        }
    }
    if check_only {
        let missing = [missing(&ALL), missing(&[For::Rules])].concat();
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = missing.iter().map(|need| need.name).collect();
        bail!("missing: {}; `cargo xtask setup` installs that", names.join(", "));
    }
    ensure(&ALL)?;
    promtool::install()
}

/// Installs what these tasks need. Prints nothing if nothing is missing.
pub(crate) fn ensure(tasks: &[For]) -> Result<()> {
    install(&missing(tasks))
}

/// Returns a program by its path, or by its name in `PATH`.
pub(crate) fn program(name: impl AsRef<Path>) -> Option<PathBuf> {
    let name = name.as_ref();
    if name.components().count() > 1 {
        return name.is_file().then(|| name.to_owned());
    }
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(name)).find(|program| program.is_file())
}

fn install(missing: &[&Need]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    for need in missing {
        println!("setup: missing {}: {}", need.name, need.why);
    }
    let Some(manager) = MANAGERS.iter().position(|(name, _)| program(name).is_some()) else {
        bail!("found none of apt-get, dnf and brew; please install the above by hand");
    };
    command_lines(manager, missing, is_root()).iter().try_for_each(|line| run_line(line))?;
    if let Some(need) = missing.iter().find(|need| (need.find)().is_none()) {
        bail!("{} was installed and is not found; are CXX and PROTOC right?", need.name);
    }
    Ok(())
}

/// Brings the lists of packages of apt-get up to date.
pub(crate) fn update_apt() -> Result<()> {
    run_line(if is_root() { "apt-get update" } else { "sudo apt-get update" })
}

fn is_root() -> bool {
    process::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn run_line(line: &str) -> Result<()> {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    process::run(command.args(words).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Returns the commands that install the packages of these needs, each package once.
fn command_lines(manager: usize, missing: &[&Need], is_root: bool) -> Vec<String> {
    let (name, commands) = MANAGERS[manager];
    let packages: BTreeSet<&str> =
        missing.iter().flat_map(|need| need.packages[manager].split(' ')).collect();
    let sudo = if name == "brew" || is_root { "" } else { "sudo " };
    let mut lines: Vec<String> = commands.iter().map(|line| format!("{sudo}{line}")).collect();
    for package in packages {
        lines.last_mut().into_iter().for_each(|line| *line += &format!(" {package}"));
    }
    lines
}

fn find_compiler() -> Option<PathBuf> {
    // `CXX` may hold a wrapper and its compiler, as in `ccache g++`.
    let chosen = env::var("CXX").unwrap_or_default();
    match chosen.split_whitespace().next() {
        Some(name) => program(name),
        None => ["c++", "g++", "clang++"].into_iter().find_map(program),
    }
}

/// Returns a Go that takes a newer one from its registry where a module needs that: 1.21 or later.
fn find_go() -> Option<PathBuf> {
    let go = program("go").or_else(|| program("/usr/local/go/bin/go"))?;
    let version = process::output(Command::new(&go).arg("version")).ok()?;
    let minor = version.split("go1.").nth(1)?.split(|c: char| !c.is_ascii_digit()).next()?;
    (minor.parse::<u32>().ok()? >= 21).then_some(go)
}

/// Returns protoc if it finds the types that come with it, which some systems keep in another package.
fn find_protoc() -> Option<PathBuf> {
    let protoc = program(env::var_os("PROTOC").map_or_else(|| "protoc".into(), PathBuf::from))?;
    let check = ["--descriptor_set_out=/dev/null", "google/protobuf/empty.proto"];
    process::succeeds(Command::new(&protoc).args(check).current_dir("/")).then_some(protoc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_needs_only_its_own_programs() {
        let names = |tasks, servers| needs(tasks, servers).iter().map(|need| need.name).collect::<Vec<_>>();
        assert_eq!(names(&[For::Build], true), ["C++ compiler", "clang", "ccache"]);
        assert_eq!(names(&[For::Callgrind], true), ["Valgrind"]);
        assert_eq!(names(&[For::Boot, For::Cql], true), ["protoc", "Java 17", "Maven"]);
        assert_eq!(names(&ALL, false).len(), NEEDS.len() - 4, "Valgrind, Java, Maven and promtool");
    }

    #[test]
    fn each_package_is_installed_once_and_with_sudo_where_needed() {
        let two: Vec<_> = NEEDS.iter().take(2).collect();
        let install = "apt-get install --yes --no-install-recommends clang g++ libclang-dev";
        assert_eq!(command_lines(0, &two, true), ["apt-get update", install]);
        assert_eq!(command_lines(1, &two, false), ["sudo dnf install --assumeyes clang clang-devel gcc-c++"]);
        assert_eq!(command_lines(2, &two, false), ["brew install llvm"]);
    }
}
