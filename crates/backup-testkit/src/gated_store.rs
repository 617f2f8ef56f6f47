//! An object store whose requests wait until they are let through, one by one.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use bytes::Bytes;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

/// Where the requests of one actor wait.
///
/// The holder of the gate lets one request after the other through. A request is done before the next is let through. So the
/// requests of several actors come in an order that is chosen, if each has a gate of its own in front of one store.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Request>,
    ended: bool,
    passed: u64,
}

/// A request that waits. The holder of the gate does it: the actor that made it may wait for another one first.
struct Request {
    work: BoxFuture<'static, ()>,
    /// Gone when nobody wants the answer any more.
    wanted: Weak<()>,
}

impl fmt::Debug for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (waiting, ended, passed) = (self.waiting.len(), self.ended, self.passed);
        write!(out, "{waiting} requests wait, {passed} passed, ended: {ended}")
    }
}

impl Gate {
    /// Waits until the actor asks for something, and does it. Blocks the thread. Returns false if the actor has ended.
    ///
    /// # Panics
    ///
    /// When the wrapped store does not answer at once, as one in memory does.
    pub fn step(&self) -> bool {
        let Some(work) = self.take() else { return false };
        work.now_or_never().expect("a store in memory answers at once");
        self.lock().passed += 1;
        true
    }

    /// Waits for a request; `None` when the actor has ended.
    fn take(&self) -> Option<BoxFuture<'static, ()>> {
        let mut state = self.lock();
        loop {
            match state.waiting.pop_front() {
                Some(request) if request.wanted.strong_count() > 0 => return Some(request.work),
                // It was dropped while it waited.
                Some(_) => {}
                None if state.ended => return None,
                None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Says that the actor has ended: nothing is to be waited for.
    pub fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Returns how many requests were let through.
    pub fn passed(&self) -> u64 {
        self.lock().passed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a request is let through; returns its answer.
    async fn pass<T: Send + 'static>(&self, request: impl Future<Output = T> + Send + 'static) -> T {
        let (sender, answer) = oneshot::channel();
        let wanted = Arc::new(());
        let work = async move { drop(sender.send(request.await)) }.boxed();
        self.lock().waiting.push_back(Request { work, wanted: Arc::downgrade(&wanted) });
        self.changed.notify_all();
        let answer = answer.await;
        drop(wanted);
        match answer {
            Ok(answer) => answer,
            // Nobody holds the gate any more.
            Err(_) => std::future::pending().await,
        }
    }
}

/// Wraps an object store behind a [`Gate`].
#[derive(Clone, Debug)]
pub struct GatedStore {
    inner: Arc<dyn ObjectStore>,
    gate: Arc<Gate>,
}

impl GatedStore {
    /// Wraps a store.
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }

    /// Asks the wrapped store for something when it is let through.
    async fn pass<T, F>(&self, request: impl FnOnce(Arc<dyn ObjectStore>) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.gate.pass(request(self.inner.clone())).await
    }

    /// Lists all at one moment.
    fn list_at_once(
        &self,
        open: impl FnOnce(&dyn ObjectStore) -> BoxStream<'static, Result<ObjectMeta>> + Send + 'static,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let store = self.clone();
        let listed =
            async move { store.pass(|inner| async move { open(&*inner).collect::<Vec<_>>().await }).await };
        stream::once(listed).flat_map(stream::iter).boxed()
    }
}

impl fmt::Display for GatedStore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "GatedStore({})", self.inner)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for GatedStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let location = location.clone();
        self.pass(|inner| async move { inner.put_opts(&location, payload, options).await }).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let location = location.clone();
        self.pass(|inner| async move { inner.put_multipart_opts(&location, options).await }).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let location = location.clone();
        self.pass(|inner| async move { inner.get_opts(&location, options).await }).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let (location, ranges) = (location.clone(), ranges.to_vec());
        self.pass(|inner| async move { inner.get_ranges(&location, &ranges).await }).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        locations
            .and_then(move |location| {
                let store = store.clone();
                async move {
                    store.pass(|inner| async move { inner.delete(&location).await.map(|()| location) }).await
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned();
        self.list_at_once(move |inner| inner.list(prefix.as_ref()))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let (prefix, offset) = (prefix.cloned(), offset.clone());
        self.list_at_once(move |inner| inner.list_with_offset(prefix.as_ref(), &offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.cloned();
        self.pass(|inner| async move { inner.list_with_delimiter(prefix.as_ref()).await }).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let (from, to) = (from.clone(), to.clone());
        self.pass(|inner| async move { inner.copy_opts(&from, &to, options).await }).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let (from, to) = (from.clone(), to.clone());
        self.pass(|inner| async move { inner.rename_opts(&from, &to, options).await }).await
    }
}
