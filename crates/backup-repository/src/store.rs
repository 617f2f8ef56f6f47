//! The files of a repository in an object store.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod emptiness;
mod list;

use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use backup_format::{FormatError, ObjectId, limits};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

#[cfg(feature = "fs")]
use crate::durable;
use crate::error::RepositoryError;
#[cfg(feature = "fs")]
use crate::exclusive;
#[cfg(feature = "fs")]
use crate::local;
use crate::patience::Patience;
use crate::progress::Progress;
use crate::throttle::Throttled;
use crate::trouble::{self, Remote};
use crate::twice::read_twice;

#[cfg(feature = "fs")]
pub(crate) use self::list::Listed;
pub(crate) use self::list::ReportFile;

/// Name of the config file.
pub(crate) const CONFIG: &str = "config.json";
/// Directory of the packs.
const PACKS: &str = "packs";
/// Directory of the manifests.
const MANIFESTS: &str = "manifests";
/// Directory of the manifests of forgotten dumps.
const FORGOTTEN: &str = "forgotten";
/// What the name of a signature has behind that of what is signed.
const SIGNATURE: &str = ".minisig";
/// What the name of the record of a dump that a copy left out has behind the id.
const SKIPPED: &str = ".skipped";
/// Directory of the manifests that are about to be published.
const STAGED: &str = "staged";
/// Directory of the tombstones.
const PENDING: &str = "pending";
/// Directory of the records that last dumps were restored.
const SPENT: &str = "spent";
/// Directory of the attestations.
const REPORTS: &str = "reports";
/// Directory of keys that are wrapped for recipients.
pub(crate) const KEYS: &str = "keys";
/// The repository key, wrapped for the recipients.
pub(crate) const REPOSITORY_KEY: &str = "keys/repository.age";
/// Directory of the copies of the config.
pub(crate) const CONFIGS: &str = "configs";
/// Files are removed this many at a time.
const REMOVALS: usize = 16;

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
    /// What it is when it lies elsewhere, for messages.
    remote: Option<Arc<Remote>>,
    patience: Patience,
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
            remote: None,
            patience: Patience::default(),
            #[cfg(feature = "fs")]
            local: None,
        }
    }

    /// Remembers the location that led here, for messages.
    #[cfg(any(feature = "fs", feature = "aws", feature = "gcp", feature = "azure"))]
    pub(crate) fn with_name(mut self, location: &str) -> Self {
        self.name = location.into();
        self
    }

    /// Remembers what a store elsewhere is, for messages.
    #[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
    pub(crate) fn with_remote(mut self, remote: Remote) -> Self {
        self.remote = Some(Arc::new(remote));
        self
    }

    /// Repeats a request for so long while the store does not answer, or says that it cannot at the moment. With zero, which is
    /// the default of [`Store::new`], nothing is repeated; otherwise the tokio runtime needs its time enabled.
    ///
    /// What will not be answered otherwise later, like wrong credentials, is never repeated.
    #[must_use]
    pub fn with_patience(mut self, limit: Duration) -> Self {
        self.patience.limit = limit;
        self
    }

    /// Writes and reads at most so many bytes a second, on average; `None` means no limit. A file that is written passes at once, and the next
    /// one waits. The tokio runtime needs its time enabled. All clones of the result share the limits.
    #[must_use]
    pub fn with_rates(mut self, upload: Option<NonZeroU64>, download: Option<NonZeroU64>) -> Self {
        if upload.is_some() || download.is_some() {
            self.inner = Arc::new(Throttled::new(self.inner, upload, download));
        }
        self
    }

    /// Tells of requests that are repeated, with [`Event::Waiting`](crate::Event::Waiting) and
    /// [`Event::ReadAgain`](crate::Event::ReadAgain).
    #[must_use]
    pub fn with_progress(mut self, progress: Progress) -> Self {
        self.patience.progress = progress;
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

    /// Returns the place of the record that a copy left out a dump.
    pub(crate) fn skipped_path(id: ObjectId) -> String {
        format!("{FORGOTTEN}/{id}{SKIPPED}")
    }

    /// Returns the place of the signature of a file.
    pub(crate) fn signature_path(signed: &str) -> String {
        format!("{signed}{SIGNATURE}")
    }

    pub(crate) fn forgotten_path(id: ObjectId) -> String {
        format!("{FORGOTTEN}/{id}.json")
    }

    pub(crate) fn staged_path(id: ObjectId) -> String {
        format!("{STAGED}/{id}.json")
    }

    /// Returns the place of the record that a last dump was restored for its validator's key.
    pub(crate) fn spent_path(id: ObjectId) -> String {
        format!("{SPENT}/{id}.json")
    }

    /// Returns the place of an attestation.
    pub(crate) fn report_path(id: ObjectId) -> String {
        format!("{REPORTS}/{id}.json")
    }

    pub(crate) fn pending_path(name: &str) -> String {
        format!("{PENDING}/{name}.json")
    }

    /// Returns the place of data keys that are wrapped together.
    pub(crate) fn shared_keys_path(id: ObjectId) -> String {
        format!("{KEYS}/{id}.age")
    }

    pub(crate) fn config_copy_path(id: ObjectId) -> String {
        format!("{CONFIGS}/{id}.json")
    }

    /// Asks a local store for something that the object store tells in another way; `None` elsewhere.
    #[cfg(feature = "fs")]
    async fn local<T: Send + 'static>(
        &self,
        path: &str,
        ask: fn(&std::path::Path) -> std::io::Result<T>,
    ) -> Result<Option<T>, RepositoryError> {
        let Some(directory) = self.local.clone() else { return Ok(None) };
        let file = directory.join(path);
        let answer = tokio::task::spawn_blocking(move || ask(&file)).await?;
        let path = if path.is_empty() { self.to_string() } else { path.to_owned() };
        answer.map(Some).map_err(|source| RepositoryError::File { doing: "looking at", path, source })
    }

    /// Reads a whole file of at most `limit` bytes; `None` when there is none.
    pub(crate) async fn read(&self, path: &str, limit: u64) -> Result<Option<Bytes>, RepositoryError> {
        #[cfg(feature = "fs")]
        if self.local(path, local::is_there).await? == Some(false) {
            return Ok(None);
        }
        let (inner, place) = (&self.inner, &self.path(path));
        let get = move || async move {
            let result = inner.get(place).await?;
            match result.meta.size {
                found if found > limit => Ok(Err(found)),
                _ => result.bytes().await.map(Ok),
            }
        };
        match self.patience.run(get).await {
            Err((error @ object_store::Error::NotFound { .. }, _)) if !trouble::is_no_bucket(&error) => {
                Ok(None)
            }
            Err(failure) => Err(self.failed("reading", path)(failure)),
            Ok(Ok(bytes)) => Ok(Some(bytes)),
            Ok(Err(found)) => {
                let (object, what) = ("file", "content");
                let source = FormatError::TooLong { object, offset: 0, what, found, limit };
                Err(RepositoryError::Damaged { path: path.to_owned(), source })
            }
        }
    }

    pub(crate) async fn read_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, RepositoryError> {
        let (inner, place, wanted) = (&self.inner, &self.path(path), &range);
        let get = move || async move { inner.get_range(place, wanted.clone()).await };
        let read = || async { self.patience.run(get).await.map_err(self.failed("reading", path)) };
        let check = |bytes: Bytes| async {
            check_length(path, wanted.end.saturating_sub(wanted.start), &bytes)?;
            Ok(bytes)
        };
        read_twice(self, path, read, check).await
    }

    pub(crate) async fn read_ranges(
        &self,
        path: &str,
        ranges: &[Range<u64>],
    ) -> Result<Vec<Bytes>, RepositoryError> {
        let (inner, place) = (&self.inner, &self.path(path));
        let get = move || async move { inner.get_ranges(place, ranges).await };
        let read = || async { self.patience.run(get).await.map_err(self.failed("reading", path)) };
        let check = |parts: Vec<Bytes>| async {
            for (range, part) in ranges.iter().zip(&parts) {
                check_length(path, range.end.saturating_sub(range.start), part)?;
            }
            Ok(parts)
        };
        read_twice(self, path, read, check).await
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
        self.put(path, content).await
    }

    /// Writes a file as [`Store::write`] does, also where there is no config.
    pub(crate) async fn put(&self, path: &str, content: PutPayload) -> Result<(), RepositoryError> {
        let (inner, place, content) = (&self.inner, &self.path(path), &content);
        let put = move || async move { inner.put(place, content.clone()).await };
        self.patience.run(put).await.map(drop).map_err(self.failed("writing", path))
    }

    /// Makes the config and these packs durable: a writer that was killed may have left them before they were synced. Only
    /// local stores have such; others acknowledge what is durable.
    pub(crate) async fn make_durable(&self, packs: &[(ObjectId, u64)]) -> Result<(), RepositoryError> {
        #[cfg(feature = "fs")]
        if let Some(directory) = self.local.clone() {
            let packs = packs.iter().map(|(pack, _)| Self::pack_path(*pack));
            let files: Vec<_> = packs.chain([CONFIG.to_owned()]).collect();
            tokio::task::spawn_blocking(move || durable::sync(&directory, files)).await??;
        }
        #[cfg(not(feature = "fs"))]
        let _ = packs;
        Ok(())
    }

    /// Writes a file unless there is one of that name; returns true if what is there now is what was to be written.
    pub(crate) async fn create(&self, path: &str, bytes: Bytes) -> Result<bool, RepositoryError> {
        let (inner, place, content) = (&self.inner, &self.path(path), &bytes);
        let put = move || async move {
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            inner.put_opts(place, content.clone().into(), options).await
        };
        match self.patience.run(put).await {
            Ok(_) => Ok(true),
            // An earlier attempt may have written it, and its answer was lost.
            Err((object_store::Error::AlreadyExists { .. }, _)) => {
                match self.read(path, bytes.len() as u64).await {
                    Ok(found) => Ok(found.as_ref() == Some(&bytes)),
                    Err(RepositoryError::Damaged { .. }) => Ok(false),
                    Err(error) => Err(error),
                }
            }
            #[cfg(feature = "fs")]
            Err((error, _)) if self.local.is_some() && exclusive::may_lack_links(&error) => {
                self.create_without_links(path, bytes).await
            }
            Err(failure) => Err(self.failed("creating", path)(failure)),
        }
    }

    /// Does what [`Store::create`] does, where a directory lies on a file system without hard links.
    #[cfg(feature = "fs")]
    async fn create_without_links(&self, path: &str, bytes: Bytes) -> Result<bool, RepositoryError> {
        let Some(directory) = self.directory() else { return Ok(false) };
        let file = directory.join(path);
        let path = file.display().to_string();
        let created = tokio::task::spawn_blocking(move || exclusive::create(&file, &bytes)).await?;
        created.map_err(|source| RepositoryError::File { doing: "creating", path, source })
    }

    /// Asks the store for something that needs the right to write, and changes nothing: to create the config once more.
    pub(crate) async fn probe(&self) -> Result<(), RepositoryError> {
        let Some(config) = self.read(CONFIG, limits::MANIFEST_BYTES_MAX).await? else { return Ok(()) };
        match self.create(CONFIG, config).await {
            // A store that cannot do this may write all the same.
            Err(RepositoryError::Store { source, .. }) if trouble::is_not_implemented(&source) => Ok(()),
            result => result.map(drop),
        }
    }

    /// Returns the directory of a local store.
    #[cfg(feature = "fs")]
    pub(crate) fn directory(&self) -> Option<std::path::PathBuf> {
        self.local.as_deref().cloned()
    }

    /// Removes packs, those that are there, and makes that durable.
    pub(crate) async fn remove_packs(&self, packs: &[ObjectId]) -> Result<(), RepositoryError> {
        let removals = futures::stream::iter(packs.to_vec()).map(|pack| async move {
            let path = Self::pack_path(pack);
            let (inner, place) = (&self.inner, &self.path(&path));
            match self.patience.run(move || async move { inner.delete(place).await }).await {
                Ok(()) | Err((object_store::Error::NotFound { .. }, _)) => Ok(()),
                Err(failure) => Err(self.failed("removing", &path)(failure)),
            }
        });
        removals.buffer_unordered(REMOVALS).try_collect::<()>().await?;
        self.sync_folder(&format!("{PACKS}/")).await
    }

    /// Makes durable what was removed from manifests and written to tombstones, by whom it ever was.
    pub(crate) async fn sync_marks(&self) -> Result<(), RepositoryError> {
        for folder in [MANIFESTS, PENDING] {
            self.sync_folder(&format!("{folder}/")).await?;
        }
        Ok(())
    }

    /// Removes a file durably, if it is there.
    pub(crate) async fn remove(&self, path: &str) -> Result<(), RepositoryError> {
        let (inner, place) = (&self.inner, &self.path(path));
        match self.patience.run(move || async move { inner.delete(place).await }).await {
            Ok(()) | Err((object_store::Error::NotFound { .. }, _)) => self.sync_folder(path).await,
            Err(failure) => Err(self.failed("removing", path)(failure)),
        }
    }

    /// Removes a file, unless the store refuses that or does not answer: then it is left to the next pruner.
    pub(crate) async fn remove_or_leave(&self, path: &str) {
        if self.inner.delete(&self.path(path)).await.is_ok() {
            drop(self.sync_folder(path).await);
        }
    }

    /// Makes durable what was removed beside a file of a local store.
    async fn sync_folder(&self, path: &str) -> Result<(), RepositoryError> {
        #[cfg(feature = "fs")]
        if let Some(directory) = self.local.clone() {
            // The file is gone; its directory is synced.
            let files = [path.to_owned()];
            tokio::task::spawn_blocking(move || durable::sync(&directory, files)).await??;
        }
        #[cfg(not(feature = "fs"))]
        let _ = path;
        Ok(())
    }

    /// Removes temporary files that writers left behind more than an hour ago. Only local stores have such.
    pub(crate) async fn remove_leftovers(&self) -> Result<(), RepositoryError> {
        #[cfg(feature = "fs")]
        if let Some(directory) = self.local.clone() {
            tokio::task::spawn_blocking(move || {
                let below = [PACKS, MANIFESTS, FORGOTTEN, STAGED, PENDING, CONFIGS, REPORTS];
                crate::location::remove_leftovers(&directory, &below)
            })
            .await??;
        }
        Ok(())
    }

    /// Returns whom to tell of what is no failure.
    pub(crate) fn progress(&self) -> &Progress {
        &self.patience.progress
    }

    fn path(&self, path: &str) -> Path {
        self.prefix.parts().chain(Path::from(path).parts()).collect()
    }

    /// Makes an error of a request that failed, and of how long it was repeated.
    fn failed(
        &self,
        doing: &'static str,
        path: &str,
    ) -> impl FnOnce((object_store::Error, Duration)) -> RepositoryError {
        let (path, remote) = (path.to_owned(), self.remote.clone());
        move |(source, waited)| {
            let problem = trouble::describe(remote.as_deref(), doing, &source, waited);
            RepositoryError::Store { doing, path, problem, source }
        }
    }
}

impl std::fmt::Display for Store {
    /// Writes the directory or URL, or what the embedding program's store says of itself.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.name)
    }
}

fn check_length(path: &str, wanted: u64, bytes: &Bytes) -> Result<(), RepositoryError> {
    let found = bytes.len() as u64;
    if found == wanted {
        return Ok(());
    }
    let problem = format!("the store gave {found} bytes where {wanted} were asked for");
    let source = FormatError::Malformed { object: "pack", offset: 0, problem };
    Err(RepositoryError::Damaged { path: path.to_owned(), source })
}
