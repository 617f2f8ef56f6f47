//! A store that is read and written no faster than it may be.

use std::fmt;
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::time::{Instant, sleep_until};

/// Bytes a second that may pass, on average: what passes is waited for by what comes next.
#[derive(Debug)]
struct Rate {
    bytes_a_second: NonZeroU64,
    /// When all that has passed is paid for.
    paid: Mutex<Option<Instant>>,
}

impl Rate {
    fn new(bytes_a_second: NonZeroU64) -> Self {
        Self { bytes_a_second, paid: Mutex::default() }
    }

    /// Waits until these bytes may pass.
    async fn pass(&self, bytes: u64) {
        let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_a_second.get());
        let price = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        let start = {
            let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let start = paid.unwrap_or(now).max(now);
            // A time that cannot be represented is centuries away.
            *paid = Some(start.checked_add(price).unwrap_or(start));
            start
        };
        sleep_until(start).await;
    }
}

/// Wraps a store. An object that is written passes as a whole; what is read passes piece by piece as it comes.
#[derive(Debug)]
pub(crate) struct Throttled {
    inner: Arc<dyn ObjectStore>,
    upload: Option<Rate>,
    download: Option<Arc<Rate>>,
}

impl Throttled {
    pub(crate) fn new(
        inner: Arc<dyn ObjectStore>,
        upload: Option<NonZeroU64>,
        download: Option<NonZeroU64>,
    ) -> Self {
        let download = download.map(|rate| Arc::new(Rate::new(rate)));
        Self { inner, upload: upload.map(Rate::new), download }
    }
}

impl fmt::Display for Throttled {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(out)
    }
}

#[async_trait]
impl ObjectStore for Throttled {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if let Some(rate) = &self.upload {
            rate.pass(payload.content_length() as u64).await;
        }
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let result = self.inner.get_opts(location, options).await?;
        let Some(rate) = self.download.clone() else { return Ok(result) };
        let (meta, range) = (result.meta.clone(), result.range.clone());
        let (attributes, extensions) = (result.attributes.clone(), result.extensions.clone());
        let pieces = result.into_stream().and_then(move |piece| {
            let rate = rate.clone();
            async move {
                rate.pass(piece.len() as u64).await;
                Ok(piece)
            }
        });
        let payload = GetResultPayload::Stream(pieces.boxed());
        Ok(GetResult { payload, meta, range, attributes, extensions })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if let Some(rate) = &self.download {
            rate.pass(ranges.iter().map(|range| range.end - range.start).sum()).await;
        }
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;
    use crate::store::Store;

    const KB: u64 = 1_000;

    fn store(upload: u64, download: u64) -> Store {
        let (upload, download) = (NonZeroU64::new(upload), NonZeroU64::new(download));
        Store::new(Arc::new(InMemory::new()), Path::default()).with_rates(upload, download)
    }

    async fn put(store: &Store, number: u64) {
        let content = vec![number as u8; 100 * KB as usize];
        store.put(&format!("file-{number}"), content.into()).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn writers_together_are_as_fast_as_they_may_be_and_no_faster() {
        let store = store(50 * KB, 0);
        let begun = Instant::now();
        futures::future::join_all((0..6).map(|number| put(&store, number))).await;
        // The last one of 600 kB begins when 500 are paid for.
        let took = begun.elapsed().as_secs_f64();
        assert!((9.9..10.1).contains(&took), "{took}");
        let begun = Instant::now();
        store.read("file-0", 200 * KB).await.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO, "reading has no limit");
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        let begun = Instant::now();
        put(&store, 7).await;
        put(&store, 8).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(2), "nothing is saved up for later");
    }

    #[tokio::test(start_paused = true)]
    async fn readers_pay_for_whole_files_and_for_ranges() {
        let store = store(0, 50 * KB);
        let begun = Instant::now();
        put(&store, 0).await;
        assert_eq!(begun.elapsed(), Duration::ZERO, "writing has no limit");
        for _ in 0..3 {
            assert!(store.read("file-0", 200 * KB).await.unwrap().is_some());
        }
        store.read_range("file-0", 0..50 * KB).await.unwrap();
        store.read_ranges("file-0", &[0..25 * KB, 50 * KB..75 * KB]).await.unwrap();
        // 300 kB and 50 kB are paid for when the last 50 kB pass.
        assert_eq!(begun.elapsed(), Duration::from_secs(7));
    }
}
