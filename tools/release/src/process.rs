//! Other programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::Workspace;

/// Prints a command and runs it with our own input and output.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("$ {command:?}");
    let status = command.status().with_context(|| format!("could not start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}

/// Runs a command and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output().with_context(|| format!("could not start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}

impl Workspace {
    /// Returns a cargo command in the top folder. The folders of the package that runs us are not handed on: build scripts read them.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.cargo);
        command.args(arguments).current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_MANIFEST_") || text.starts_with("CARGO_PKG_") {
                command.env_remove(&name);
            }
        }
        command
    }

    /// Returns a program that cargo installs, after it was installed into the target folder in this version.
    pub(crate) fn tool(&self, name: &str, version: &str, options: &[&str]) -> Result<PathBuf> {
        let root = self.target.join("tools").join(format!("{name}-{version}"));
        let program = root.join("bin").join(name);
        if !program.is_file() {
            let mut install = self.cargo(&["install", name, "--version", version, "--locked", "--root"]);
            install.arg(&root).args(options).env("CARGO_TARGET_DIR", self.target.join("tools/build"));
            run(&mut install)?;
        }
        Ok(program)
    }
}

/// Makes a folder that holds nothing.
pub(crate) fn empty(folder: &Path) -> Result<()> {
    let doing = || format!("could not empty {}", folder.display());
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(doing)?;
    }
    std::fs::create_dir_all(folder).with_context(doing)
}
