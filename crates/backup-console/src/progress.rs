//! How far a command is: a bar on a terminal, or a line every few seconds elsewhere if that is asked for; always on stderr.

use std::io::{IsTerminal, Write as _};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use backup_repository::{Event, Progress};
use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Time between two lines where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(5);

/// Shows progress until it is dropped.
pub struct Meter {
    view: View,
    lines: Option<Lines>,
}

/// Where progress is shown.
#[derive(Clone)]
enum View {
    /// Nowhere.
    Nothing,
    /// Nowhere, but what a person should know is said.
    Remarks,
    /// On a terminal.
    Bar(ProgressBar),
    /// As lines, which another thread prints.
    Lines(Arc<Mutex<State>>),
}

impl Meter {
    /// Starts to show progress on a terminal, and with `lines` also elsewhere; what a person should know is
    /// said everywhere. `quiet` shows nothing.
    #[must_use]
    pub fn start(quiet: bool, lines: bool) -> Self {
        let without_lines = |view| Self { view, lines: None };
        if quiet {
            return without_lines(View::Nothing);
        }
        if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style("{msg}"));
            bar.set_message("opening");
            return without_lines(View::Bar(bar));
        }
        if !lines {
            return without_lines(View::Remarks);
        }
        let lines = Lines::start();
        Self { view: View::Lines(lines.state.clone()), lines: Some(lines) }
    }

    /// Returns what pumps send their events to.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let view = self.view.clone();
        match view {
            View::Nothing => Progress::default(),
            _ => Progress::new(move |event| view.take(event)),
        }
    }

    /// Returns what a program counts with that which is no event of a pump.
    #[must_use]
    pub fn counter(&self) -> Counter {
        Counter { view: self.view.clone() }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let View::Bar(bar) = &self.view {
            bar.finish_and_clear();
        }
        drop(self.lines.take());
    }
}

impl View {
    fn take(&self, event: Event) {
        match (self, remark(&event)) {
            (Self::Nothing, _) | (Self::Remarks, None) => {}
            (Self::Bar(bar), Some(line)) => bar.suspend(|| say(&line)),
            (_, Some(line)) => say(&line),
            (Self::Bar(bar), None) => show(bar, event),
            (Self::Lines(state), None) => locked(state).take(event),
        }
    }
}

/// Counts things that are no bytes, like chains: a phase of its own.
#[derive(Clone)]
pub struct Counter {
    view: View,
}

impl Counter {
    /// Begins a phase that goes through so many things; `None` for an unknown number. The name is what is being done, and
    /// `things` a noun in the plural.
    pub fn begin(&self, name: &'static str, things: &'static str, total: Option<u64>) {
        match &self.view {
            View::Nothing | View::Remarks => {}
            View::Bar(bar) => {
                let template = match total {
                    Some(_) => format!(
                        "{{msg}} [{{wide_bar}}] {{human_pos}} of {{human_len}} {things}, {{eta}} left"
                    ),
                    None => format!("{{msg}} {{spinner}} {{human_pos}} {things}"),
                };
                begin(bar, name, &template, total);
            }
            View::Lines(state) => {
                *locked(state) = State { phase: name, total, things: Some(things), ..State::new() };
            }
        }
    }

    /// Runs something while nothing is drawn.
    pub(crate) fn suspended<T>(&self, run: impl FnOnce() -> T) -> T {
        match &self.view {
            View::Bar(bar) => bar.suspend(run),
            _ => run(),
        }
    }

    /// Says that so many things were dealt with since the last call.
    pub fn advance(&self, things: u64) {
        match &self.view {
            View::Nothing | View::Remarks => {}
            View::Bar(bar) => bar.inc(things),
            View::Lines(state) => locked(state).done += things,
        }
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
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
            let template = match plain_bytes {
                Some(_) => "{msg} [{wide_bar}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
                None => "{msg} {spinner} {bytes}, {bytes_per_sec}",
            };
            begin(bar, name, template, plain_bytes);
        }
        Event::Advance { plain_bytes, .. } => bar.inc(plain_bytes),
        _ => {}
    }
}

fn begin(bar: &ProgressBar, name: &'static str, template: &str, total: Option<u64>) {
    // The style first: whatever follows draws.
    bar.set_style(style(template));
    match total {
        Some(length) => bar.set_length(length),
        None => bar.unset_length(),
    }
    bar.set_message(name);
    bar.reset();
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
                let line = locked(&shown).line();
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
    /// What is counted in place of bytes.
    things: Option<&'static str>,
    total: Option<u64>,
    done: u64,
    entries: u64,
}

impl State {
    fn new() -> Self {
        Self { phase: "opening", begun: Instant::now(), things: None, total: None, done: 0, entries: 0 }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Phase { name, plain_bytes } => {
                *self = Self { phase: name, total: plain_bytes, ..Self::new() };
            }
            Event::Advance { plain_bytes, entries } => {
                self.done += plain_bytes;
                self.entries += entries;
            }
            _ => {}
        }
    }

    fn line(&self) -> String {
        let seconds = self.begun.elapsed().as_secs_f64().max(1e-3);
        let rate = self.done as f64 / seconds;
        let amount = |number: u64| match self.things {
            Some(_) => HumanCount(number).to_string(),
            None => HumanBytes(number).to_string(),
        };
        let noun = self.things.map(|things| format!(" {things}")).unwrap_or_default();
        let mut line = format!("{}: {}", self.phase, amount(self.done));
        // Totals are estimates, so what was read may be more.
        if let Some(total) = self.total.filter(|total| *total > self.done) {
            let percent = self.done as f64 / total as f64 * 1e2;
            line += &format!(" of {}{noun} ({percent:.0} %)", amount(total));
            if self.done > 0 {
                let left = Duration::from_secs_f64((total - self.done) as f64 / rate);
                line += &format!(", {} left", HumanDuration(left));
            }
        } else {
            line += &noun;
        }
        if self.entries > 0 {
            line += &format!(", {} entries", HumanCount(self.entries));
        }
        if self.things.is_none() {
            line += &format!(", {}/s", HumanBytes(rate as u64));
        }
        line
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

    #[test]
    fn things_are_counted_like_bytes_and_are_called_by_their_noun() {
        let state = Arc::new(Mutex::new(State::new()));
        let counter = Counter { view: View::Lines(state.clone()) };
        counter.begin("checking", "chains", Some(2_000));
        counter.advance(500);
        let line = locked(&state).line();
        assert!(line.starts_with("checking: 500 of 2,000 chains (25 %), "), "{line}");
        assert!(line.ends_with(" left"), "{line}");
        counter.begin("counting", "entries", None);
        counter.advance(1_000);
        assert_eq!(locked(&state).line(), "counting: 1,000 entries");
    }
}
