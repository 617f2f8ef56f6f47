//! The Debian package, with manual pages and completions of the program that is in it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::Workspace;
use crate::process::{empty, output, run};

const VERSION: &str = "3.8.0";

/// What a shell's completions are called where the package puts them.
const COMPLETIONS: [(&str, &str); 3] =
    [("bash", "kvbackup"), ("zsh", "_kvbackup"), ("fish", "kvbackup.fish")];

/// Builds `target/deb/kvbackup_VERSION_ARCHITECTURE.deb`. What is in it is named in `crates/backup-cli/Cargo.toml`.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    run(&mut workspace.cargo(&["build", "--release", "--locked", "--package", "backup-cli"]))?;
    generate(workspace, &workspace.target.join("release"))?;
    let cargo_deb = workspace.tool("cargo-deb", VERSION, &[])?;
    let out = workspace.target.join("deb");
    empty(&out)?;
    let mut command = Command::new(cargo_deb);
    // The profile strips nothing; symbols are half of the program.
    command.args(["--package", "backup-cli", "--no-build", "--strip", "--locked", "--output"]).arg(&out);
    command.env("CARGO_TARGET_DIR", &workspace.target).env("CARGO", &workspace.cargo);
    run(command.current_dir(&workspace.root))
}

/// Lets the program write its manual pages and completions beside itself, where the manifest names them. Debian wants pages and
/// changes compressed.
fn generate(workspace: &Workspace, folder: &Path) -> Result<()> {
    let program = folder.join("kvbackup");
    let (pages, completions) = (folder.join("man"), folder.join("completions"));
    empty(&pages)?;
    empty(&completions)?;
    run(Command::new(&program).arg("man-pages").arg(&pages))?;
    let gzip = |arguments: &[&str]| {
        let mut command = Command::new("gzip");
        command.args(["--best", "--no-name"]).args(arguments);
        command
    };
    run(gzip(&["--recursive"]).arg(&pages))?;
    let changelog = output(gzip(&["--stdout"]).arg(workspace.root.join("CHANGELOG.md")))?;
    write(&folder.join("changelog.gz"), &changelog)?;
    for (shell, name) in COMPLETIONS {
        let script = output(Command::new(&program).args(["completions", shell]))?;
        write(&completions.join(name), &script)?;
    }
    Ok(())
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    fs::write(path, content).with_context(|| format!("could not write {}", path.display()))
}
