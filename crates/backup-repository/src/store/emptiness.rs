//! Whether anything lies in a place that a repository would take, or has taken.

use futures::{StreamExt, TryStreamExt};

use super::{CONFIG, Store};
use crate::error::RepositoryError;
#[cfg(feature = "fs")]
use crate::local;

impl Store {
    /// Removes a directory of a local store if nothing is in it; other stores have none.
    pub(crate) fn remove_folder(&self, name: &str) {
        #[cfg(feature = "fs")]
        if let Some(directory) = &self.local {
            // It stays where a file stays.
            drop(std::fs::remove_dir(directory.join(name)));
        }
        #[cfg(not(feature = "fs"))]
        let _ = name;
    }

    /// Returns true if nothing lies where the repository would be.
    pub(crate) async fn is_empty(&self) -> Result<bool, RepositoryError> {
        #[cfg(feature = "fs")]
        if let Some(paths) = self.local("", |directory| local::paths(directory, 1)).await? {
            return Ok(paths.is_empty());
        }
        let (inner, prefix) = (&self.inner, &self.prefix);
        let list = move || async move { inner.list(Some(prefix)).try_next().await };
        let first = self.patience.run(list).await.map_err(self.failed("listing", "/"))?;
        Ok(first.is_none())
    }

    /// Returns true if nothing but the config and its copies lies where the repository is.
    pub(crate) async fn holds_only_config(&self) -> Result<bool, RepositoryError> {
        let copies = self.config_copies().await?.into_iter().map(|(name, _)| Self::config_copy_path(name));
        let expected: Vec<String> = copies.chain([CONFIG.to_owned()]).collect();
        #[cfg(feature = "fs")]
        if let (Some(paths), Some(directory)) =
            (self.local("", |directory| local::paths(directory, 5)).await?, &self.local)
        {
            return Ok(paths.iter().all(|found| expected.iter().any(|path| *found == directory.join(path))));
        }
        let (inner, prefix) = (&self.inner, &self.prefix);
        let most = expected.len().saturating_add(1);
        let list = move || async move {
            let files = inner.list(Some(prefix)).take(most).map_ok(|file| file.location);
            files.try_collect::<Vec<_>>().await
        };
        let files = self.patience.run(list).await.map_err(self.failed("listing", "/"))?;
        Ok(files.iter().all(|found| expected.iter().any(|path| *found == self.path(path))))
    }
}
