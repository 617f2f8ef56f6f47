//! How far a proof is: a line on stderr every few seconds.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use backup_repository::{Event, Progress};

/// Time between two lines.
const INTERVAL: Duration = Duration::from_secs(5);

/// Prints lines, never more often than one in five seconds. Clones share the time of the last one.
#[derive(Clone, Debug)]
pub struct Meter {
    last: Arc<Mutex<Instant>>,
    quiet: bool,
}

impl Meter {
    /// Starts now: the first line comes in five seconds, or never if `quiet`.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        Self { last: Arc::new(Mutex::new(Instant::now())), quiet }
    }

    /// Prints a line when it is time for one.
    pub fn tick(&self, line: impl FnOnce() -> String) {
        if self.quiet {
            return;
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= INTERVAL {
            *last = Instant::now();
            // Where stderr cannot be written to there is nobody to tell.
            drop(writeln!(std::io::stderr().lock(), "{}", line()));
        }
    }

    /// Returns what pumps send their events to.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let meter = self.clone();
        let state = Mutex::new(("opening", None::<u64>, 0u64));
        Progress::new(move |event| {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            match event {
                Event::Phase { name, plain_bytes } => *state = (name, plain_bytes, 0),
                Event::Advance { plain_bytes, .. } => state.2 += plain_bytes,
                _ => {}
            }
            let (phase, total, done) = *state;
            let total = total.map(|total| format!(" of {total}")).unwrap_or_default();
            meter.tick(|| format!("{phase}: {done}{total} bytes"));
        })
    }
}
