//! Whether a repository can be written to, before a source is read for it.

use crate::error::RepositoryError;
use crate::repository::Repository;
use crate::store::Store;

impl Repository {
    /// Checks that files could be written, and leaves none but the second copy of the config.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::ConfigLost`], or as writing would report them: no room for a name, no right, a file system that is only read.
    pub(crate) async fn check_writable(&self) -> Result<(), RepositoryError> {
        self.store.check_writable().await?;
        self.keep_config_copy().await?;
        self.keep_stored_key().await
    }
}

impl Store {
    async fn check_writable(&self) -> Result<(), RepositoryError> {
        #[cfg(feature = "fs")]
        if let Some(directory) = self.directory() {
            return tokio::task::spawn_blocking(move || directory::check_writable(&directory)).await?;
        }
        self.probe().await
    }
}

#[cfg(feature = "fs")]
mod directory {
    use std::fs::{self, OpenOptions};
    use std::path::Path;

    use crate::error::RepositoryError;
    use crate::exclusive::staged;

    /// Directories of a repository that a backup writes into.
    const DIRECTORIES: [&str; 4] = ["", "packs", "staged", "manifests"];

    /// Makes a file in each directory, and removes it.
    pub(super) fn check_writable(repository: &Path) -> Result<(), RepositoryError> {
        for name in DIRECTORIES {
            let directory = repository.join(name);
            if !name.is_empty() && !directory.exists() {
                continue;
            }
            let path = staged(&directory.join("probe"));
            let made = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
            made.and_then(|_| fs::remove_file(&path)).map_err(|source| {
                let doing = "nothing was read, because the repository cannot be written to: creating";
                RepositoryError::File { doing, path: path.display().to_string(), source }
            })?;
        }
        Ok(())
    }
}
