//! The directory in which a proof works, and copies of the namespace in it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{DB, Options};

use crate::database::NAMESPACE;

/// A directory that is removed when this is dropped, or by the next proof if this process is killed. All databases in it must be
/// closed by then.
#[derive(Debug)]
pub struct Scratch {
    directory: backup_rocksdb::Scratch,
}

impl Scratch {
    /// Makes a directory in `parent`, or where the system keeps temporary files.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn create(parent: Option<&Path>) -> Result<Self> {
        Ok(Self { directory: backup_rocksdb::Scratch::create(parent, "bootproof-scratch-")? })
    }

    /// Returns where the restored namespace lies, which linera never opens.
    #[must_use]
    pub fn restored(&self) -> PathBuf {
        self.base("restored").join(NAMESPACE)
    }

    /// Returns where a repository may be made for the time of a copy.
    #[must_use]
    pub fn repository(&self) -> PathBuf {
        self.base("repository")
    }

    /// Copies the restored namespace, and returns the directory that holds the copy as [`NAMESPACE`]. Files that never
    /// change are linked, so this costs next to nothing.
    ///
    /// # Errors
    ///
    /// As RocksDB reports them.
    pub fn fork(&self, name: &str) -> Result<PathBuf> {
        let base = self.base(name);
        fs::create_dir(&base).with_context(|| format!("making directory {}", base.display()))?;
        let mut options = Options::default();
        options.set_disable_auto_compactions(true);
        let database = DB::open(&options, self.restored()).context("opening the restored namespace")?;
        let checkpoint = Checkpoint::new(&database).context("copying the restored namespace")?;
        checkpoint.create_checkpoint(base.join(NAMESPACE)).context("copying the restored namespace")?;
        Ok(base)
    }

    fn base(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}
