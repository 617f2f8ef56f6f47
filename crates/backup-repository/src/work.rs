//! Running work on threads, so that it stops when nobody wants its result any more.

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use backup_format::Order;
use futures::{Stream, StreamExt};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::error::RepositoryError;

/// Tells workers to stop. Dropping it does so too: a pump that is dropped leaves no work behind.
#[derive(Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

/// A worker's view of [`Stop`].
#[derive(Clone, Debug)]
pub(crate) struct Stopped(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn watch(&self) -> Stopped {
        Stopped(self.0.clone())
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Stopped {
    pub(crate) fn check(&self) -> Result<(), RepositoryError> {
        if self.0.load(Ordering::Relaxed) { Err(RepositoryError::Stopped) } else { Ok(()) }
    }

    fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Number of workers that run, and who waits for them.
static RUNNING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// A worker that is counted, from before it starts until it owns nothing any more.
struct Counted;

impl Counted {
    fn new() -> Self {
        *RUNNING.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        *RUNNING.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        RUNNING.1.notify_all();
    }
}

/// Waits until all workers of this crate have ended, for at most `patience`; tells whether they have.
///
/// For programs that end: a backup or restore that is dropped tells its workers to stop, and they do after the step that they
/// are at. A runtime that is shut down before panics in those that wait for a time. Blocks the calling thread, which
/// must not be one of the runtime.
pub fn wait_for_workers(patience: Duration) -> bool {
    let running = RUNNING.0.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = RUNNING.1.wait_timeout_while(running, patience, |running| *running > 0);
    *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
}

/// Runs a future on a thread of its own, where it may compute at length between its awaits.
pub(crate) fn spawn_worker<T, F>(stopped: Stopped, future: F) -> JoinHandle<Result<T, RepositoryError>>
where
    T: Send + 'static,
    F: Future<Output = Result<T, RepositoryError>> + Send + 'static,
{
    let (runtime, counted) = (Handle::current(), Counted::new());
    spawn_blocking(move || {
        let _counted = counted;
        let mut others = StopOthers(Some(stopped));
        let result = runtime.block_on(future);
        if result.is_ok() {
            others.0 = None;
        }
        result
    })
}

/// Stops the other workers when it is dropped, as it is when a worker panics.
struct StopOthers(Option<Stopped>);

impl Drop for StopOthers {
    fn drop(&mut self) {
        if let Some(stopped) = &self.0 {
            stopped.stop();
        }
    }
}

/// Waits for all workers; returns their results in order, or the error that made the others stop.
pub(crate) async fn join_all<T>(
    workers: Vec<JoinHandle<Result<T, RepositoryError>>>,
) -> Result<Vec<T>, RepositoryError> {
    let results = futures::stream::iter(workers).then(|worker| async move { worker.await? });
    collect(results).await
}

/// Collects the results of workers; when some fail, returns the error that made the others stop.
pub(crate) async fn collect<T>(
    results: impl Stream<Item = Result<T, RepositoryError>>,
) -> Result<Vec<T>, RepositoryError> {
    let mut collected = Vec::new();
    let mut failure: Option<RepositoryError> = None;
    let mut results = pin!(results);
    while let Some(result) = results.next().await {
        match result {
            Ok(result) => collected.push(result),
            Err(error) if failure.as_ref().is_none_or(is_consequence) => failure = Some(error),
            Err(_) => {}
        }
    }
    failure.map_or(Ok(collected), Err)
}

fn is_consequence(error: &RepositoryError) -> bool {
    matches!(error, RepositoryError::Stopped)
}

/// The number of workers when the caller does not say: one for each core.
pub(crate) fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

/// Plain bytes below which another share costs more than it gives: up to a page is read twice where two shares meet.
const SHARE_BYTES_MIN: u64 = 256 << 20;

/// The number of shares when the caller does not say. The thread that reads a share cannot feed two that encode, so there
/// is one for every two workers; and two for two, since while one waits, the other goes on.
pub(crate) fn default_shares(workers: usize, order: Order, plain_bytes: Option<u64>) -> NonZeroUsize {
    let shares = match order {
        Order::Token => workers.div_ceil(4),
        Order::Plain | Order::Prefixed => {
            let worth = plain_bytes.unwrap_or_default() / SHARE_BYTES_MIN;
            workers.div_ceil(2).max(2).min(workers).min(usize::try_from(worth).unwrap_or(usize::MAX))
        }
    };
    NonZeroUsize::new(shares).unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_error_that_made_others_stop_is_the_one_returned() {
        let implausible = || {
            let (namespace, problem) = ("validator".to_owned(), "it is empty".to_owned());
            Err(RepositoryError::Implausible { namespace, problem })
        };
        let stopped = || Err(RepositoryError::Stopped);
        for results in [
            vec![stopped(), implausible(), Ok(1)],
            vec![Ok(1), stopped(), stopped(), implausible()],
            vec![implausible(), stopped(), Ok(1)],
        ] {
            let error = collect(futures::stream::iter(results)).await.unwrap_err();
            assert!(matches!(error, RepositoryError::Implausible { .. }), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_worker_that_panics_stops_the_others() {
        let stop = Stop::default();
        let panics = spawn_worker(stop.watch(), async {
            assert!(std::hint::black_box(false), "a worker panics");
            Ok(())
        });
        assert!(panics.await.is_err());
        assert!(stop.watch().check().is_err());
        let stop = Stop::default();
        spawn_worker(stop.watch(), async { Ok(()) }).await.unwrap().unwrap();
        assert!(stop.watch().check().is_ok());
    }

    #[test]
    fn workers_that_nobody_wants_end_before_the_runtime_does() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let (ended, end) = std::sync::mpsc::channel();
        let begun = Arc::new(tokio::sync::Notify::new());
        runtime.block_on(async {
            let (stop, began) = (Stop::default(), begun.clone());
            let stopped = stop.watch();
            drop(spawn_worker(stop.watch(), async move {
                began.notify_one();
                while stopped.check().is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
                ended.send(()).unwrap();
                Ok(())
            }));
            begun.notified().await;
        });
        // Other tests have workers too.
        assert!(wait_for_workers(Duration::from_secs(60)));
        assert_eq!(end.try_recv(), Ok(()));
        runtime.shutdown_background();
    }

    #[test]
    fn shares_follow_workers_and_size() {
        let gib = |number: u64| Some(number << 30);
        for (workers, order, plain_bytes, expected) in [
            (1, Order::Plain, gib(100), 1),
            (2, Order::Prefixed, gib(100), 2),
            (4, Order::Plain, gib(100), 2),
            (16, Order::Plain, gib(100), 8),
            (16, Order::Plain, gib(1), 4),
            (2, Order::Plain, Some(511 << 20), 1),
            (2, Order::Plain, Some(0), 1),
            (16, Order::Plain, None, 1),
            (2, Order::Token, gib(100), 1),
            (8, Order::Token, None, 2),
        ] {
            let found = default_shares(workers, order, plain_bytes).get();
            assert_eq!(found, expected, "{workers} workers, {order:?}, {plain_bytes:?}");
        }
    }
}
