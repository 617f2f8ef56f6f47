//! Blocking work on threads of its own, with any async runtime.

use std::thread;

use tokio::sync::oneshot;

use crate::error::RocksDbError;

/// Name of all threads of this crate.
pub(crate) const NAME: &str = "backup-rocksdb";

/// Runs `work` on a new thread and waits for its result. Dropping the future does not stop the thread.
pub(crate) async fn run<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, RocksDbError> + Send + 'static,
) -> Result<T, RocksDbError> {
    let (sender, receiver) = oneshot::channel();
    spawn(doing, move || drop(sender.send(work())))?;
    receiver.await.map_err(|_| RocksDbError::Worker { doing })?
}

/// Starts a thread.
pub(crate) fn spawn(
    doing: &'static str,
    work: impl FnOnce() + Send + 'static,
) -> Result<thread::JoinHandle<()>, RocksDbError> {
    thread::Builder::new().name(NAME.to_owned()).spawn(work).map_err(|source| RocksDbError::Io {
        doing,
        path: "(a new thread)".into(),
        source,
    })
}
