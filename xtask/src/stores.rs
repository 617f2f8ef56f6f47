//! `stores`: real object stores for tests. tools/object-stores does the work.

use anyhow::Result;
use kvbackup_object_stores::Programs;

use crate::{cargo, setup};

/// Installs the programs that tests start.
pub(crate) fn install() -> Result<()> {
    run(&["install".to_owned()])
}

/// Runs the task.
pub(crate) fn run(options: &[String]) -> Result<()> {
    if options.first().is_some_and(|verb| verb != "stop") {
        setup::ensure(&[setup::For::Stores])?;
    }
    Programs::below(&cargo::target_folder()?).run(options)
}
