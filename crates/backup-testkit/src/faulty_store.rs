//! An object store that fails on purpose.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    Result, UploadPart,
};

use crate::faults::{Fault, Faults, InjectedFault, guard};

/// Wraps an object store and fails as its [`Faults`] say.
///
/// Operations, in the words of [`Faults::only`]: `put`, `put_multipart`, `put_part`, `complete`, `abort`, `get`,
/// `get_ranges`, `list`, `delete` (each path of a stream), `copy`, `rename`. A `get` that fails
/// [`After`](Fault::After) delivers half of its bytes and then an error; a [`Short`](Fault::Short) one delivers half
/// of them and ends. A [`Flipped`](Fault::Flipped) one delivers all of them, with one bit flipped.
#[derive(Clone, Debug)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    faults: Arc<Faults>,
    bytes_read: Arc<AtomicU64>,
}

impl FaultyStore {
    /// Wraps a store.
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>, faults: Arc<Faults>) -> Self {
        Self { inner, faults, bytes_read: Arc::default() }
    }

    /// Returns the bytes that were asked for so far, and found, in this store and its clones.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    async fn guard<T>(&self, operation: &'static str, run: impl Future<Output = Result<T>>) -> Result<T> {
        guard(&self.faults, operation, error, run).await
    }

    fn guard_list(
        &self,
        open: impl FnOnce() -> BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.faults.next("list") {
            Ok(()) => open(),
            Err((Fault::After, injected)) => open().chain(failing(injected)).boxed(),
            Err((_, injected)) => failing(injected).boxed(),
        }
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "FaultyStore({})", self.inner)
    }
}

fn error(injected: InjectedFault) -> Error {
    Error::Generic { store: "FaultyStore", source: Box::new(injected) }
}

fn failing<T: Send + 'static>(injected: InjectedFault) -> BoxStream<'static, Result<T>> {
    stream::iter([Err(error(injected))]).boxed()
}

/// Flips a bit of the bytes, another one for each number.
fn flipped(bytes: &Bytes, number: u64) -> Bytes {
    let mut bytes = bytes.to_vec();
    let place = number.wrapping_mul(7_919) as usize % bytes.len().max(1);
    if let Some(byte) = bytes.get_mut(place) {
        *byte ^= 1 << (number % 8);
    }
    bytes.into()
}

/// Flips a bit of the body of an answer.
async fn flip(result: GetResult, number: u64) -> Result<GetResult> {
    let GetResult { payload, meta, range, attributes, extensions } = result;
    let (attributes_kept, extensions_kept) = (attributes.clone(), extensions.clone());
    let copy = GetResult { payload, meta: meta.clone(), range: range.clone(), attributes, extensions };
    let bytes = flipped(&copy.bytes().await?, number);
    let payload = GetResultPayload::Stream(stream::iter([Ok(bytes)]).boxed());
    Ok(GetResult { payload, meta, range, attributes: attributes_kept, extensions: extensions_kept })
}

/// Cuts the body of an answer in half; its metadata still tells the full length, as it does when a connection breaks.
async fn halve(result: GetResult, end: Option<InjectedFault>) -> Result<GetResult> {
    let GetResult { payload, meta, range, attributes, extensions } = result;
    let copy = GetResult { payload, meta: meta.clone(), range: range.clone(), attributes, extensions };
    let (attributes, extensions) = (copy.attributes.clone(), copy.extensions.clone());
    let mut bytes = copy.bytes().await?;
    bytes.truncate(bytes.len() / 2);
    let body = stream::iter([Ok(bytes)]);
    let payload = match end {
        Some(injected) => body.chain(failing(injected)).boxed(),
        None => body.boxed(),
    };
    Ok(GetResult { payload: GetResultPayload::Stream(payload), meta, range, attributes, extensions })
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.guard("put", self.inner.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.guard("put_multipart", self.inner.put_multipart_opts(location, options)).await?;
        Ok(Box::new(FaultyUpload { inner, faults: Arc::clone(&self.faults) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        match self.faults.next_read("get") {
            Ok(()) => {
                let result = self.inner.get_opts(location, options).await?;
                self.bytes_read.fetch_add(result.range.end - result.range.start, Ordering::Relaxed);
                Ok(result)
            }
            Err((Fault::Before, injected)) => Err(error(injected)),
            Err((Fault::After, injected)) => {
                halve(self.inner.get_opts(location, options).await?, Some(injected)).await
            }
            Err((Fault::Short, _)) => halve(self.inner.get_opts(location, options).await?, None).await,
            Err((Fault::Flipped, injected)) => {
                flip(self.inner.get_opts(location, options).await?, injected.number).await
            }
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let fault = self.faults.next_read("get_ranges");
        if let Err((Fault::Before, injected)) = fault {
            return Err(error(injected));
        }
        let mut found = self.inner.get_ranges(location, ranges).await?;
        let bytes = found.iter().map(|part| part.len() as u64).sum();
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
        match fault {
            Err((Fault::After, injected)) => return Err(error(injected)),
            Err((Fault::Short, _)) => found.iter_mut().for_each(|bytes| bytes.truncate(bytes.len() / 2)),
            Err((Fault::Flipped, injected)) => {
                found.iter_mut().for_each(|bytes| *bytes = flipped(bytes, injected.number));
            }
            _ => {}
        }
        Ok(found)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        locations
            .and_then(move |location| {
                let store = store.clone();
                async move {
                    store.guard("delete", store.inner.delete(&location)).await?;
                    Ok(location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.guard_list(|| self.inner.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.guard_list(|| self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.guard("list", self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.guard("copy", self.inner.copy_opts(from, to, options)).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.guard("rename", self.inner.rename_opts(from, to, options)).await
    }
}

#[derive(Debug)]
struct FaultyUpload {
    inner: Box<dyn MultipartUpload>,
    faults: Arc<Faults>,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let faults = Arc::clone(&self.faults);
        let part = self.inner.put_part(data);
        Box::pin(async move { guard(&faults, "put_part", error, part).await })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        guard(&self.faults, "complete", error, self.inner.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        guard(&self.faults, "abort", error, self.inner.abort()).await
    }
}
