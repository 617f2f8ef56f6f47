//! gungraun-runner, which starts Callgrind: it must have the version of the library, to the last digit.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{cargo, process};

/// Returns the runner that fits the library in the checkout's Cargo.lock, and installs it where it is missing. Each version
/// has a folder of its own, because a baseline may have another one.
pub(super) fn runner(tree: &Path, target: &Path) -> Result<PathBuf> {
    let lock = tree.join("Cargo.lock");
    let text = fs::read_to_string(&lock).with_context(|| format!("could not read {}", lock.display()))?;
    let version =
        locked_version(&text, "gungraun").with_context(|| format!("{} has no gungraun", lock.display()))?;
    let home = target.join("tools").join(format!("gungraun-runner-{version}"));
    let program = home.join("bin").join("gungraun-runner");
    if program.is_file() {
        return Ok(program);
    }
    println!("Installing gungraun-runner {version}, which runs the benchmarks. This takes some minutes.");
    let mut command = cargo::cargo(&["install", "--locked", "gungraun-runner", "--version"]);
    process::run(command.arg(format!("={version}")).arg("--root").arg(&home))?;
    Ok(program)
}

/// Finds the version of a package that a lock file has once.
fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_package_with_the_whole_name() {
        let lock = "\
[[package]]
name = \"gungraun-common\"
version = \"0.1.0\"

[[package]]
name = \"gungraun\"
version = \"0.20.3\"
";
        assert_eq!(locked_version(lock, "gungraun"), Some("0.20.3"));
        assert_eq!(locked_version(lock, "gun"), None);
    }

    #[test]
    fn a_runner_that_is_there_is_not_installed_again() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Cargo.lock"), "name = \"gungraun\"\nversion = \"9.9.9\"\n").unwrap();
        let program = folder.path().join("tools/gungraun-runner-9.9.9/bin/gungraun-runner");
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        fs::write(&program, "").unwrap();
        assert_eq!(runner(folder.path(), folder.path()).unwrap(), program);
    }
}
