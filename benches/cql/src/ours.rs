//! Our own ways, as the program goes them.

use std::path::Path;

use anyhow::{Context, Result};
use backup_layout::Layout;
use backup_repository::{BackupOptions, DumpChoice, Repository, RestoreOptions, open_location};
use backup_scylla::{CqlNamespace, CqlOptions};

/// Backs a table up into a new repository.
pub(crate) async fn back_up(address: &str, path: &Path) -> Result<()> {
    let repository = Repository::open_or_create(open_location(text(path)?, true, [])?).await?;
    let namespace = CqlNamespace::at(address.parse()?, CqlOptions::default());
    repository.backup(&namespace, BackupOptions::default()).await.context("backing up")?;
    Ok(())
}

/// Restores the latest dump into a new table, reads it back, and compares the digests.
pub(crate) async fn restore(path: &Path, address: &str) -> Result<()> {
    let repository = Repository::open(open_location(text(path)?, false, [])?).await?;
    let dump = repository.dump(&DumpChoice::Latest).await?;
    let options = CqlOptions::default().with_layout(Layout::Linera015);
    let namespace = CqlNamespace::at(address.parse()?, options);
    repository.restore(&dump, &namespace, &RestoreOptions::default()).await.context("restoring")?;
    Ok(())
}

pub(crate) fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the path is not UTF-8")
}
