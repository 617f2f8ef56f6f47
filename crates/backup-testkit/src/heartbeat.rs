//! A task that notices what keeps the thread of an async runtime busy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

/// Bytes that a thread may read and write in files while it only waits for others.
///
/// A clock, the runtime and this measurement itself take some.
pub const FILE_BYTES_MAX: u64 = 64 << 10;

/// A task that measures what other tasks of its thread do between its beats.
///
/// It takes no wall time: what other threads and programs do does not count. The runtime must have one thread.
#[derive(Debug)]
pub struct Heartbeat {
    longest: Arc<AtomicU64>,
    file_bytes: u64,
    task: JoinHandle<()>,
}

/// What a [`Heartbeat`] measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beats {
    /// The longest time of the processor for which other tasks kept it waiting.
    pub longest: Duration,
    /// Bytes that the thread read and wrote in files, or in what looks like one.
    pub file_bytes: u64,
}

impl Heartbeat {
    /// Starts the task in the runtime of the caller.
    #[must_use]
    pub fn start() -> Self {
        let longest = Arc::new(AtomicU64::new(0));
        let seen = longest.clone();
        let task = tokio::spawn(async move {
            loop {
                let before = thread_time();
                tokio::time::sleep(Duration::from_millis(1)).await;
                let micros = thread_time().saturating_sub(before).as_micros();
                seen.fetch_max(u64::try_from(micros).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        Self { longest, file_bytes: file_bytes(), task }
    }

    /// Stops the task, on the thread that started it, after a last beat.
    pub async fn stop(self) -> Beats {
        // What was polled last, this call included, lies between two beats as well.
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.task.abort();
        let longest = Duration::from_micros(self.longest.load(Ordering::Relaxed));
        Beats { longest, file_bytes: file_bytes().saturating_sub(self.file_bytes) }
    }
}

impl Beats {
    /// Returns true if no task waited for longer than [`longest_allowed`], and the thread used no files.
    #[must_use]
    pub fn are_regular(&self, longest_allowed: Duration) -> bool {
        self.longest < longest_allowed && self.file_bytes < FILE_BYTES_MAX
    }
}

/// Returns the longest that a task may wait: 10 ms, or more where this machine, as busy as it is, is slow.
///
/// There it is the time of the processor in which 32 MiB are hashed, which takes some 10 ms.
#[must_use]
pub fn longest_allowed() -> Duration {
    let bytes = vec![7; 32 << 20];
    let times = (0..3).map(|_| {
        let before = thread_time();
        std::hint::black_box(blake3::hash(&bytes));
        thread_time().saturating_sub(before)
    });
    times.max().unwrap_or_default().max(Duration::from_millis(10))
}

fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Returns how many bytes this thread read and wrote so far; 0 where the system does not say it. Of each call 8 bytes do not
/// count: so many it takes to wake a thread, however long a test lasts.
fn file_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/io").unwrap_or_default();
    let number = |wanted: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(": "));
        let number = lines.find(|(name, _)| *name == wanted).map(|(_, number)| number.parse::<u64>());
        number.and_then(Result::ok).unwrap_or_default()
    };
    let calls = number("syscr") + number("syscw");
    (number("rchar") + number("wchar")).saturating_sub(8 * calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_computes_or_reads_files_is_noticed() {
        let allowed = longest_allowed();
        let beats = Heartbeat::start();
        tokio::time::sleep(Duration::from_millis(20)).await;
        let idle = beats.stop().await;
        assert!(idle.are_regular(allowed), "{idle:?} of {allowed:?}");

        let beats = Heartbeat::start();
        tokio::task::yield_now().await;
        let until = thread_time() + 2 * allowed;
        while thread_time() < until {}
        let busy = beats.stop().await;
        assert!(busy.longest >= allowed && busy.file_bytes < FILE_BYTES_MAX, "{busy:?} of {allowed:?}");

        let file = tempfile::NamedTempFile::new().unwrap();
        let beats = Heartbeat::start();
        std::fs::write(&file, [7; 2 * FILE_BYTES_MAX as usize]).unwrap();
        let reading = beats.stop().await;
        assert!(!reading.are_regular(allowed), "{reading:?}");
    }
}
