//! How far a command is: a bar on a terminal, or a line every few seconds elsewhere if that is asked for; always on stderr.

use std::io::{IsTerminal, Write as _};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use backup_repository::{Event, Progress};
use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Time between two lines where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(5);

/// Shows progress until it is dropped.
pub(crate) struct Meter {
    progress: Progress,
    lines: Option<Lines>,
    bar: Option<ProgressBar>,
}

impl Meter {
    /// Starts to show progress on a terminal, and with `lines` also elsewhere; what a person should know is
    /// said everywhere. `quiet` shows nothing.
    pub(crate) fn start(quiet: bool, lines: bool) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        if quiet {
            return Self { progress: Progress::default(), lines: None, bar: None };
        }
        if !is_terminal && !lines {
            let remarks = Progress::new(|event| {
                if let Some(line) = remark(&event) {
                    say(&line);
                }
            });
            return Self { progress: remarks, lines: None, bar: None };
        }
        if is_terminal {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style("{msg}"));
            bar.set_message("opening");
            let observed = bar.clone();
            let progress = Progress::new(move |event| match remark(&event) {
                Some(line) => observed.suspend(|| say(&line)),
                None => show(&observed, event),
            });
            return Self { progress, lines: None, bar: Some(bar) };
        }
        let lines = Lines::start();
        let state = lines.state.clone();
        let progress = Progress::new(move |event| match remark(&event) {
            Some(line) => say(&line),
            None => state.lock().unwrap_or_else(PoisonError::into_inner).take(event),
        });
        Self { progress, lines: Some(lines), bar: None }
    }

    /// Returns what pumps send their events to.
    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        drop(self.lines.take());
    }
}

/// Returns what is said at once of an event that is no progress.
fn remark(event: &Event) -> Option<String> {
    match event {
        Event::Waiting { problem, waited, limit } => Some(format!(
            "the store does not answer, trying again: {problem}; waited {} s of {} s",
            waited.as_secs(),
            limit.as_secs()
        )),
        Event::ReadAgain { path } => Some(format!(
            "{path} came wrong from the store and was good when it was read again; is the network, or memory, at fault?"
        )),
        _ => None,
    }
}

/// Prints a line to stderr. Where that cannot be written to, nobody reads it.
fn say(line: &str) {
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

fn show(bar: &ProgressBar, event: Event) {
    match event {
        Event::Phase { name, plain_bytes } => {
            // The style first: whatever follows draws.
            bar.set_style(style(match plain_bytes {
                Some(_) => "{msg} [{wide_bar}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
                None => "{msg} {spinner} {bytes}, {bytes_per_sec}",
            }));
            match plain_bytes {
                Some(length) => bar.set_length(length),
                None => bar.unset_length(),
            }
            bar.set_message(name);
            bar.reset();
        }
        Event::Advance { plain_bytes, .. } => bar.inc(plain_bytes),
        _ => {}
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates are right").progress_chars("=> ")
}

/// Prints a line every few seconds, from a thread of its own.
struct Lines {
    state: Arc<Mutex<State>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Lines {
    fn start() -> Self {
        let state = Arc::new(Mutex::new(State::new()));
        let (stop, stopped) = channel();
        let shown = state.clone();
        let print = move || {
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                let line = shown.lock().unwrap_or_else(PoisonError::into_inner).line();
                say(&line);
            }
        };
        // Without a thread there is no progress to be seen, and all else works.
        let thread = thread::Builder::new().name("progress".to_owned()).spawn(print).ok();
        Self { state, stop: Some(stop), thread }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// What the events of the present phase add up to.
struct State {
    phase: &'static str,
    begun: Instant,
    total: Option<u64>,
    bytes: u64,
    entries: u64,
}

impl State {
    fn new() -> Self {
        Self { phase: "opening", begun: Instant::now(), total: None, bytes: 0, entries: 0 }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Phase { name, plain_bytes } => {
                *self = Self { phase: name, total: plain_bytes, ..Self::new() };
            }
            Event::Advance { plain_bytes, entries } => {
                self.bytes += plain_bytes;
                self.entries += entries;
            }
            _ => {}
        }
    }

    fn line(&self) -> String {
        let seconds = self.begun.elapsed().as_secs_f64().max(1e-3);
        let rate = self.bytes as f64 / seconds;
        let mut line = format!("{}: {}", self.phase, HumanBytes(self.bytes));
        // Totals are estimates, so what was read may be more.
        if let Some(total) = self.total.filter(|total| *total > self.bytes) {
            let percent = self.bytes as f64 / total as f64 * 1e2;
            line += &format!(" of {} ({percent:.0} %)", HumanBytes(total));
            if self.bytes > 0 {
                let left = Duration::from_secs_f64((total - self.bytes) as f64 / rate);
                line += &format!(", {} left", HumanDuration(left));
            }
        }
        if self.entries > 0 {
            line += &format!(", {} entries", HumanCount(self.entries));
        }
        line + &format!(", {}/s", HumanBytes(rate as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_far_the_present_phase_is() {
        let mut state = State::new();
        state.take(Event::Phase { name: "reading", plain_bytes: Some(4_096) });
        state.take(Event::Advance { plain_bytes: 1_024, entries: 1_000 });
        let line = state.line();
        assert!(line.starts_with("reading: 1.00 KiB of 4.00 KiB (25 %), "), "{line}");
        assert!(line.contains("1,000 entries"), "{line}");
        state.take(Event::Phase { name: "checking packs", plain_bytes: None });
        assert!(state.line().starts_with("checking packs: 0 B, "), "{}", state.line());
    }

    #[test]
    fn more_than_was_estimated_has_no_percentage() {
        let mut state = State::new();
        state.take(Event::Phase { name: "reading", plain_bytes: Some(10) });
        state.take(Event::Advance { plain_bytes: 20, entries: 1 });
        assert!(!state.line().contains('%'), "{}", state.line());
    }
}
