//! Running work on threads, so that it stops when nobody wants its result any more.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Runs a future on a thread of its own, where it may compute at length between its awaits.
pub(crate) fn spawn_worker<T, F>(stopped: Stopped, future: F) -> JoinHandle<Result<T, RepositoryError>>
where
    T: Send + 'static,
    F: Future<Output = Result<T, RepositoryError>> + Send + 'static,
{
    let runtime = Handle::current();
    spawn_blocking(move || {
        let result = runtime.block_on(future);
        if result.is_err() {
            stopped.stop();
        }
        result
    })
}

/// Waits for all workers; returns their results in order, or the error that made the others stop.
pub(crate) async fn join_all<T>(
    workers: Vec<JoinHandle<Result<T, RepositoryError>>>,
) -> Result<Vec<T>, RepositoryError> {
    let mut results = Vec::with_capacity(workers.len());
    let mut failure: Option<RepositoryError> = None;
    for worker in workers {
        match worker.await.map_err(RepositoryError::from).and_then(|result| result) {
            Ok(result) => results.push(result),
            Err(error) if failure.as_ref().is_none_or(is_consequence) => failure = Some(error),
            Err(_) => {}
        }
    }
    failure.map_or(Ok(results), Err)
}

fn is_consequence(error: &RepositoryError) -> bool {
    matches!(error, RepositoryError::Stopped)
}

/// The number of workers when the caller does not say: one for each core.
pub(crate) fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}
