//! Threads of this crate, each behind a handle that joins it. They need no async runtime.

use std::thread;

use tokio::sync::oneshot;

use crate::error::RocksDbError;

/// Name of all threads of this crate.
pub(crate) const NAME: &str = "backup-rocksdb";

/// A thread. Dropping this waits until the thread has ended, and all that it owned is dropped.
///
/// What makes the thread end must be dropped before: the other ends of its channels. The thread never
/// waits for an async runtime, so it may be joined from one.
#[derive(Debug)]
pub(crate) struct Worker(Option<thread::JoinHandle<()>>);

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // Who waits for a thread that panicked sees its channel closed.
            drop(thread.join());
        }
    }
}

/// Starts a thread.
pub(crate) fn spawn(
    doing: &'static str,
    work: impl FnOnce() + Send + 'static,
) -> Result<Worker, RocksDbError> {
    let started = thread::Builder::new().name(NAME.to_owned()).spawn(work);
    let thread = started.map_err(|source| {
        let path = "(a new thread)".into();
        RocksDbError::Io { doing, path, source }
    })?;
    Ok(Worker(Some(thread)))
}

/// The answer that a thread computes. Its receiver is dropped before the thread is joined.
struct Task<T> {
    answer: oneshot::Receiver<Result<T, RocksDbError>>,
    _thread: Worker,
}

/// Knows whether the result of a thread is still waited for.
pub(crate) struct Caller<'a>(&'a dyn Fn() -> bool);

impl Caller<'_> {
    /// Returns an error when the result is no longer waited for: for work that takes long, between its steps.
    pub(crate) fn check(&self, doing: &'static str) -> Result<(), RocksDbError> {
        if (self.0)() { Ok(()) } else { Err(RocksDbError::Worker { doing }) }
    }
}

/// Runs `work` on a new thread and waits for its result. Dropping the future waits until the thread has ended.
pub(crate) async fn run<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, RocksDbError> + Send + 'static,
) -> Result<T, RocksDbError> {
    run_while_wanted(doing, move |_| work()).await
}

/// As [`run`], for work that ends early when the future is dropped.
pub(crate) async fn run_while_wanted<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce(&Caller<'_>) -> Result<T, RocksDbError> + Send + 'static,
) -> Result<T, RocksDbError> {
    let (sender, answer) = oneshot::channel();
    let thread = spawn(doing, move || {
        let done = work(&Caller(&|| !sender.is_closed()));
        drop(sender.send(done));
    })?;
    let mut task = Task { answer, _thread: thread };
    (&mut task.answer).await.map_err(|_| RocksDbError::Worker { doing })?
}
