//! Blocking work on threads of its own, with any async runtime.

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::RocksDbError;

/// Name of all threads of this crate.
pub(crate) const NAME: &str = "backup-rocksdb";

/// Number of threads that run, and who waits for them.
static RUNNING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// A thread that is counted, from before it starts until all that it owned is dropped.
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

/// Waits until all threads of this crate have ended, for at most `patience`; tells whether they have.
///
/// For programs that end: the thread of a snapshot removes its scratch directory after the snapshot was dropped, and the
/// end of the program would stop it before. Blocks the calling thread. While a snapshot or a restore is
/// still there, so are its threads.
pub fn wait_for_threads(patience: Duration) -> bool {
    let running = RUNNING.0.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = RUNNING.1.wait_timeout_while(running, patience, |running| *running > 0);
    *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
}

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
    let counted = Counted::new();
    let work = move || {
        let _counted = counted;
        work();
    };
    thread::Builder::new().name(NAME.to_owned()).spawn(work).map_err(|source| RocksDbError::Io {
        doing,
        path: "(a new thread)".into(),
        source,
    })
}
