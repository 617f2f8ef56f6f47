//! The files of a repository in an object store.

use std::ops::Range;
use std::sync::Arc;

use backup_format::ObjectId;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use crate::error::RepositoryError;

/// Name of the config file.
pub(crate) const CONFIG: &str = "config.json";
/// Directory of the packs.
const PACKS: &str = "packs";
/// Directory of the manifests.
const MANIFESTS: &str = "manifests";

/// An object store, and the prefix in it where a repository lies.
///
/// Made by [`open_location`](crate::open_location) from a directory or URL, or from any [`ObjectStore`] of the
/// embedding program.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<dyn ObjectStore>,
    prefix: Path,
    /// As it was given, for messages.
    name: Arc<str>,
    #[cfg(feature = "fs")]
    local: Option<Arc<std::path::PathBuf>>,
}

impl Store {
    /// Uses the part of an object store below `prefix`; an empty prefix means all of it.
    ///
    /// A store of local files should be durable (`LocalFileSystem::with_fsync`), or a dump may be lost with the power.
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        let name = match prefix.as_ref() {
            "" => inner.to_string(),
            _ => format!("{inner}/{prefix}"),
        };
        Self {
            inner,
            prefix,
            name: name.into(),
            #[cfg(feature = "fs")]
            local: None,
        }
    }

    /// Remembers the location that led here, for messages.
    pub(crate) fn with_name(mut self, location: &str) -> Self {
        self.name = location.into();
        self
    }

    /// Remembers the directory behind a local store, for [`Store::remove_leftovers`].
    #[cfg(feature = "fs")]
    pub(crate) fn with_local(mut self, directory: std::path::PathBuf) -> Self {
        self.local = Some(Arc::new(directory));
        self
    }

    pub(crate) fn pack_path(id: ObjectId) -> String {
        format!("{PACKS}/{id}")
    }

    pub(crate) fn manifest_path(id: ObjectId) -> String {
        format!("{MANIFESTS}/{id}.json")
    }

    /// Lists the packs: their names and lengths. Other files are ignored.
    pub(crate) async fn packs(&self) -> Result<Vec<(ObjectId, u64)>, RepositoryError> {
        self.list(PACKS, "").await
    }

    /// Lists the manifests: the ids of the dumps and the files' lengths. Other files are ignored.
    pub(crate) async fn manifests(&self) -> Result<Vec<(ObjectId, u64)>, RepositoryError> {
        self.list(MANIFESTS, ".json").await
    }

    async fn list(&self, directory: &str, suffix: &str) -> Result<Vec<(ObjectId, u64)>, RepositoryError> {
        let prefix = self.path(directory);
        let files = self.inner.list(Some(&prefix));
        let mut names: Vec<_> = files
            .try_filter_map(|file| {
                let below = file.location.prefix_match(&prefix).map(|parts| parts.collect::<Vec<_>>());
                let name = match below.as_deref() {
                    Some([part]) => part.as_ref().strip_suffix(suffix).and_then(|name| name.parse().ok()),
                    _ => None,
                };
                std::future::ready(Ok(name.map(|name: ObjectId| (name, file.size))))
            })
            .try_collect()
            .await
            .map_err(store_error("listing", directory))?;
        names.sort_unstable();
        Ok(names)
    }

    /// Reads a whole file of at most `limit` bytes; `None` when there is none.
    pub(crate) async fn read(&self, path: &str, limit: u64) -> Result<Option<Bytes>, RepositoryError> {
        let result = match self.inner.get(&self.path(path)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            result => result.map_err(store_error("reading", path))?,
        };
        let found = result.meta.size;
        if found > limit {
            let source = backup_format::FormatError::TooLong {
                object: "file",
                offset: 0,
                what: "content",
                found,
                limit,
            };
            return Err(RepositoryError::Damaged { path: path.to_owned(), source });
        }
        result.bytes().await.map(Some).map_err(store_error("reading", path))
    }

    pub(crate) async fn read_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, RepositoryError> {
        let wanted = range.end - range.start;
        let bytes =
            self.inner.get_range(&self.path(path), range).await.map_err(store_error("reading", path))?;
        check_length(path, wanted, &bytes)?;
        Ok(bytes)
    }

    pub(crate) async fn read_ranges(
        &self,
        path: &str,
        ranges: &[Range<u64>],
    ) -> Result<Vec<Bytes>, RepositoryError> {
        let parts =
            self.inner.get_ranges(&self.path(path), ranges).await.map_err(store_error("reading", path))?;
        for (range, part) in ranges.iter().zip(&parts) {
            check_length(path, range.end - range.start, part)?;
        }
        Ok(parts)
    }

    /// Writes a file whole and durably, or not at all. An equal file that is there already is replaced.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Changed`] when the directory of a local store has no config any more: its file system may be
    /// gone, and the store would make new directories where that was mounted.
    pub(crate) async fn write(&self, path: &str, content: PutPayload) -> Result<(), RepositoryError> {
        #[cfg(feature = "fs")]
        if let Some(directory) = self.local.clone() {
            let there = tokio::task::spawn_blocking(move || directory.join(CONFIG).exists());
            if !there.await? {
                return Err(RepositoryError::Changed { problem: format!("{self} has no {CONFIG}") });
            }
        }
        let written = self.inner.put(&self.path(path), content).await;
        written.map(drop).map_err(store_error("writing", path))
    }

    /// Writes a file unless there is one of that name; tells whether it was written.
    pub(crate) async fn create(&self, path: &str, bytes: Bytes) -> Result<bool, RepositoryError> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.inner.put_opts(&self.path(path), bytes.into(), options).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(source) => Err(store_error("creating", path)(source)),
        }
    }

    /// Lists the names of the files in a directory.
    pub(crate) async fn files_below(&self, directory: &str) -> Result<Vec<String>, RepositoryError> {
        let prefix = self.path(directory);
        let files = self.inner.list(Some(&prefix)).map_ok(|file| {
            let below = file.location.prefix_match(&prefix).map(|parts| parts.collect::<Vec<_>>());
            below.and_then(|parts| match parts.as_slice() {
                [name] => Some(name.as_ref().to_owned()),
                _ => None,
            })
        });
        let files: Vec<_> = files.try_collect().await.map_err(store_error("listing", directory))?;
        Ok(files.into_iter().flatten().collect())
    }

    /// Removes a file, if it is there.
    pub(crate) async fn remove(&self, path: &str) -> Result<(), RepositoryError> {
        match self.inner.delete(&self.path(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(store_error("removing", path)(source)),
        }
    }

    /// Tells whether anything lies where the repository would be.
    pub(crate) async fn is_empty(&self) -> Result<bool, RepositoryError> {
        let mut files = self.inner.list(Some(&self.prefix));
        let first = files.try_next().await.map_err(store_error("listing", "/"))?;
        Ok(first.is_none())
    }

    /// Removes temporary files that writers left behind more than an hour ago. Only local stores have such.
    pub(crate) async fn remove_leftovers(&self) -> Result<(), RepositoryError> {
        #[cfg(feature = "fs")]
        if let Some(directory) = self.local.clone() {
            tokio::task::spawn_blocking(move || {
                crate::location::remove_leftovers(&directory, &[PACKS, MANIFESTS])
            })
            .await??;
        }
        Ok(())
    }

    fn path(&self, path: &str) -> Path {
        self.prefix.parts().chain(Path::from(path).parts()).collect()
    }
}

impl std::fmt::Display for Store {
    /// Writes the directory or URL, or what the embedding program's store says of itself.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.name)
    }
}

fn store_error(doing: &'static str, path: &str) -> impl FnOnce(object_store::Error) -> RepositoryError {
    let path = path.to_owned();
    move |source| RepositoryError::Store { doing, path, source }
}

fn check_length(path: &str, wanted: u64, bytes: &Bytes) -> Result<(), RepositoryError> {
    let found = bytes.len() as u64;
    if found == wanted {
        return Ok(());
    }
    let problem = format!("the store gave {found} bytes where {wanted} were asked for");
    let source = backup_format::FormatError::Malformed { object: "pack", offset: 0, problem };
    Err(RepositoryError::Damaged { path: path.to_owned(), source })
}
