//! An object store that answers, and keeps less than a repository needs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What a store does not keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// What was written is not found the first time.
    ReadsLate,
    /// What was written is missing in the first list.
    ListsLate,
    /// A file is created although there is one.
    CreatesTwice,
    /// Only so many bytes of a file are stored.
    CutsAt(usize),
    /// A file is not removed.
    KeepsDeleted,
    /// What was removed is listed all the same.
    ListsDeleted,
    /// Nothing may be removed, and that is said.
    RefusesDelete,
    /// Nothing may be written, and that is said.
    RefusesPut,
}

/// Wraps an object store and takes one quality from it.
#[derive(Clone, Debug)]
pub struct WeakStore {
    inner: Arc<dyn ObjectStore>,
    weakness: Weakness,
    /// What was just written, or was removed.
    marked: Arc<Mutex<BTreeMap<Path, Option<ObjectMeta>>>>,
}

impl WeakStore {
    /// Wraps a store.
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>, weakness: Weakness) -> Self {
        Self { inner, weakness, marked: Arc::default() }
    }

    fn marked(&self) -> MutexGuard<'_, BTreeMap<Path, Option<ObjectMeta>>> {
        self.marked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn delete_one(&self, location: Path) -> Result<Path> {
        match self.weakness {
            Weakness::KeepsDeleted => Ok(location),
            Weakness::RefusesDelete => Err(refused(&location)),
            _ => {
                if self.weakness == Weakness::ListsDeleted {
                    let listed = self.inner.list(None).try_collect::<Vec<_>>().await?;
                    let meta = listed.into_iter().find(|found| found.location == location);
                    self.marked().insert(location.clone(), meta);
                }
                self.inner.delete(&location).await?;
                Ok(location)
            }
        }
    }
}

fn refused(location: &Path) -> Error {
    Error::PermissionDenied { path: location.to_string(), source: "this store does not allow it".into() }
}

impl fmt::Display for WeakStore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "WeakStore({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for WeakStore {
    async fn put_opts(
        &self,
        location: &Path,
        mut payload: PutPayload,
        mut options: PutOptions,
    ) -> Result<PutResult> {
        match self.weakness {
            Weakness::RefusesPut => return Err(refused(location)),
            Weakness::CreatesTwice => options.mode = PutMode::Overwrite,
            Weakness::CutsAt(limit) if payload.content_length() > limit => {
                let mut bytes = Bytes::from(payload.iter().flatten().copied().collect::<Vec<_>>());
                bytes.truncate(limit);
                payload = bytes.into();
            }
            _ => {}
        }
        let result = self.inner.put_opts(location, payload, options).await?;
        if matches!(self.weakness, Weakness::ReadsLate | Weakness::ListsLate) {
            self.marked().insert(location.clone(), None);
        }
        Ok(result)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if self.weakness == Weakness::ReadsLate && self.marked().remove(location).is_some() {
            let source = "it was written a moment ago".into();
            return Err(Error::NotFound { path: location.to_string(), source });
        }
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        locations
            .and_then(move |location| {
                let store = store.clone();
                async move { store.delete_one(location).await }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let marked = self.marked().clone();
        let files = self.inner.list(prefix);
        match self.weakness {
            Weakness::ListsLate => {
                let shown = move |file: &ObjectMeta| std::future::ready(!marked.contains_key(&file.location));
                files.try_filter(shown).boxed()
            }
            Weakness::ListsDeleted => {
                let gone = marked.into_values().flatten().map(Ok).collect::<Vec<_>>();
                files.chain(stream::iter(gone)).boxed()
            }
            _ => files,
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
