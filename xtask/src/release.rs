//! `deb`, `image` and `book`: what users install or read. tools/release does the work.

use anyhow::Result;
use kvbackup_release::Workspace;

use crate::cargo;
use crate::setup::{self, For};

/// Runs one of the tasks.
pub(crate) fn run(task: &str, options: &[String]) -> Result<()> {
    if task != "book" {
        setup::ensure(&[For::Build])?;
    }
    let command = cargo::cargo(&[]);
    let (cargo, target) = (command.get_program().into(), cargo::target_folder()?);
    Workspace { root: cargo::root(), target, cargo }.run(task, options)
}
