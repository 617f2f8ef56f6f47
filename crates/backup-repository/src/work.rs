//! Work on threads of its own, which ends when nobody wants its result any more.

use std::any::Any;
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::thread;

use futures::future::{Either, select};
use futures::{Stream, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use crate::error::RepositoryError;

/// Stops workers when it is dropped: a pump that is dropped leaves no work behind.
#[derive(Debug, Default)]
pub(crate) struct Stop(Stopped);

/// A worker's view of [`Stop`].
#[derive(Clone, Debug)]
pub(crate) struct Stopped(Arc<watch::Sender<bool>>);

impl Default for Stopped {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    pub(crate) fn watch(&self) -> Stopped {
        self.0.clone()
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Stopped {
    pub(crate) fn check(&self) -> Result<(), RepositoryError> {
        if *self.0.borrow() { Err(RepositoryError::Stopped) } else { Ok(()) }
    }

    fn stop(&self) {
        self.0.send_replace(true);
    }

    async fn wait(&self) {
        // The sender lives as long as `self`, so this ends by the condition alone.
        let _ = self.0.subscribe().wait_for(|stopped| *stopped).await;
    }
}

/// A thread that runs a future, where it may compute at length between its awaits.
///
/// Dropping it stops the future at its next await and joins the thread.
#[derive(Debug)]
pub(crate) struct Worker<T> {
    result: oneshot::Receiver<Result<T, RepositoryError>>,
    stopped: Stopped,
    thread: Option<thread::JoinHandle<()>>,
}

impl<T: Send + 'static> Worker<T> {
    /// Runs a future until it ends or is stopped. If it fails or panics, it stops the others.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Worker`] when the system gives no thread.
    pub(crate) fn spawn<F>(stopped: Stopped, future: F) -> Result<Self, RepositoryError>
    where
        F: Future<Output = Result<T, RepositoryError>> + Send + 'static,
    {
        let runtime = Handle::current();
        let (sender, result) = oneshot::channel();
        let watched = stopped.clone();
        let work = move || {
            let mut others = StopOthers(Some(watched.clone()));
            let outcome = runtime.block_on(async {
                match select(pin!(watched.wait()), pin!(future)).await {
                    Either::Left(_) => Err(RepositoryError::Stopped),
                    Either::Right((outcome, _)) => outcome,
                }
            });
            if outcome.is_ok() {
                others.0 = None;
            }
            drop(others);
            // Nobody is left to receive it when the worker was dropped.
            drop(sender.send(outcome));
        };
        let spawned = thread::Builder::new().name("kvbackup-worker".to_owned()).spawn(work);
        let thread = spawned.map_err(|error| RepositoryError::Worker { problem: error.to_string() })?;
        Ok(Self { result, stopped, thread: Some(thread) })
    }

    /// Waits for the end.
    pub(crate) async fn join(mut self) -> Result<T, RepositoryError> {
        let received = (&mut self.result).await;
        let ended = self.thread.take().map_or(Ok(()), thread::JoinHandle::join);
        match (received, ended) {
            (Ok(outcome), Ok(())) => outcome,
            (_, Err(panic)) => Err(RepositoryError::Worker { problem: text_of(&*panic) }),
            (Err(_), Ok(())) => Err(RepositoryError::Worker { problem: "it left no result".to_owned() }),
        }
    }
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stopped.stop();
            // A panic was reported by its message; nobody asks for the result.
            drop(thread.join());
        }
    }
}

/// Runs the work of a pump away from the threads of the async runtime: it parses and encodes at length.
pub(crate) async fn drive<T, F>(future: F) -> Result<T, RepositoryError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, RepositoryError>> + Send + 'static,
{
    Worker::spawn(Stopped::default(), future)?.join().await
}

/// Returns the message of a panic.
pub(crate) fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".to_owned())
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
pub(crate) async fn join_all<T: Send + 'static>(workers: Vec<Worker<T>>) -> Result<Vec<T>, RepositoryError> {
    collect(futures::stream::iter(workers).then(Worker::join)).await
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

/// Returns the number of workers when the caller names none: one for each core.
pub(crate) fn default_workers() -> usize {
    thread::available_parallelism().map_or(1, Into::into)
}

/// Plain bytes below which another range costs more than it gives: up to a page is read twice where two ranges meet.
const RANGE_BYTES_MIN: u64 = 256 << 20;

/// Returns how many ranges are worth while when the caller names no number.
///
/// The thread that reads a range cannot feed two that encode, so there is one for every two workers. There are two for
/// two workers: while one waits, the other computes. No range has less than 256 MiB.
pub(crate) fn default_ranges(workers: usize, plain_bytes: Option<u64>) -> NonZeroUsize {
    let worth = plain_bytes.unwrap_or_default() / RANGE_BYTES_MIN;
    let ranges = workers.div_ceil(2).max(2).min(workers).min(usize::try_from(worth).unwrap_or(usize::MAX));
    NonZeroUsize::new(ranges).unwrap_or(NonZeroUsize::MIN)
}

/// Returns how many ranges are read at a time when the caller names no number: fewer where the engine makes several
/// requests for each.
pub(crate) fn default_readers(workers: usize, requests_per_range: NonZeroUsize) -> usize {
    match requests_per_range.get() {
        1 => usize::MAX,
        requests => workers.div_ceil(requests.saturating_add(1)).max(1),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

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
    async fn a_worker_that_panics_stops_the_others_and_says_why() {
        let stop = Stop::default();
        let waits = Worker::spawn(stop.watch(), std::future::pending::<Result<(), _>>()).unwrap();
        let panics = Worker::spawn(stop.watch(), async {
            assert!(std::hint::black_box(false), "it broke an invariant");
            Ok(())
        });
        let error = panics.unwrap().join().await.unwrap_err();
        assert!(error.to_string().contains("it broke an invariant"), "{error}");
        assert!(matches!(waits.join().await, Err(RepositoryError::Stopped)));
        let stop = Stop::default();
        Worker::spawn(stop.watch(), async { Ok(()) }).unwrap().join().await.unwrap();
        assert!(stop.watch().check().is_ok());
    }

    #[test]
    fn a_worker_that_is_dropped_is_joined_on_a_runtime_of_one_thread() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        struct Ends(Arc<AtomicBool>);
        impl Drop for Ends {
            fn drop(&mut self) {
                thread::sleep(Duration::from_millis(50));
                self.0.store(true, Ordering::SeqCst);
            }
        }
        runtime.block_on(async {
            let ends = Ends(ended.clone());
            let begun = Arc::new(tokio::sync::Notify::new());
            let began = begun.clone();
            let worker = Worker::<()>::spawn(Stopped::default(), async move {
                let _ends = ends;
                began.notify_one();
                tokio::time::sleep(Duration::from_secs(3_600)).await;
                Ok(())
            });
            begun.notified().await;
            drop(worker);
            assert!(ended.load(Ordering::SeqCst));
        });
    }

    #[test]
    fn ranges_follow_workers_and_size() {
        let gib = |number: u64| Some(number << 30);
        for (workers, plain_bytes, expected) in [
            (1, gib(100), 1),
            (2, gib(100), 2),
            (4, gib(100), 2),
            (16, gib(100), 8),
            (16, gib(1), 4),
            (2, Some(511 << 20), 1),
            (2, Some(0), 1),
            (16, None, 1),
        ] {
            let found = default_ranges(workers, plain_bytes).get();
            assert_eq!(found, expected, "{workers} workers, {plain_bytes:?}");
        }
        let readers = |workers, requests| default_readers(workers, NonZeroUsize::new(requests).unwrap());
        assert_eq!((readers(2, 3), readers(8, 3), readers(8, 2)), (1, 2, 3));
        assert_eq!(readers(2, 1), usize::MAX);
    }
}
