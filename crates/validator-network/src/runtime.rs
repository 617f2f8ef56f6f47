//! Threads on which linera's workers can run.

use std::future::Future;
use std::thread;

use anyhow::{Context, Result};
use tokio::runtime::Builder;

/// Bytes of stack for each thread: the futures of linera's workers are very large in builds without optimisation.
const STACK_BYTES: usize = 256 << 20;

/// Runs a future to its end on a runtime of its own, all of whose threads have stacks that linera's workers fit on.
///
/// # Errors
///
/// What the future reports, or that the threads could not be started.
///
/// # Panics
///
/// As the future does.
pub fn block_on<T, F>(make: impl FnOnce() -> F + Send) -> Result<T>
where
    F: Future<Output = Result<T>>,
    T: Send,
{
    let run = move || -> Result<T> {
        let runtime = Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build();
        runtime.context("starting the runtime")?.block_on(make())
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("worker".to_owned()).stack_size(STACK_BYTES);
        let handle = thread.spawn_scoped(scope, run).context("starting a thread")?;
        handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
