//! A dump of a namespace, in a repository of its own.

use anyhow::{Context, Result};
use backup_format::{DatabaseBackup, Manifest, RestoreTarget};
use backup_repository::{BackupOptions, Dump, Repository, RestoreOptions, open_location};
use tempfile::TempDir;

/// A dump and the temporary directory that it is in.
#[derive(Debug)]
pub struct Backup {
    repository: Repository,
    dump: Dump,
    _directory: TempDir,
}

impl Backup {
    /// Backs a namespace up into a new repository.
    ///
    /// # Errors
    ///
    /// When the namespace cannot be read or the dump cannot be written.
    pub async fn take(namespace: &dyn DatabaseBackup) -> Result<Self> {
        let directory = tempfile::tempdir().context("making a temporary directory")?;
        let location = directory.path().join("repository");
        let store = open_location(location, true, []).context("making a repository")?;
        let repository = Repository::open_or_create(store).await.context("making a repository")?;
        let report = repository.backup(namespace, BackupOptions::default()).await.context("backing up")?;
        let dump = Dump { id: report.dump, manifest: report.manifest };
        Ok(Self { repository, dump, _directory: directory })
    }

    /// Returns the manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.dump.manifest
    }

    /// Restores the dump into an empty namespace.
    ///
    /// # Errors
    ///
    /// When the namespace is not empty, cannot be written to, or does not hold what the dump does afterwards.
    pub async fn restore(&self, target: &dyn RestoreTarget) -> Result<()> {
        let report = self.repository.restore(&self.dump, target, &RestoreOptions::default()).await;
        report.context("restoring")?.restored.context("nothing was restored")?;
        Ok(())
    }
}
