//! What a program prints when it is done: one JSON object, or lines for people.

use std::fmt::{Display, Write as _};
use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{HumanBytes, HumanCount, HumanDuration};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::problem::Problem;

/// Width of the labels of lines for people.
const LABEL: usize = 13;

/// The result of a command, in both forms.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    fields: Map<String, Value>,
    text: String,
    timed: bool,
    /// What makes the run fail, although there is something to print.
    pub failure: Option<Problem>,
}

impl Report {
    /// Adds a field of the JSON object.
    ///
    /// # Panics
    ///
    /// If the value is no text, number, list, or map of texts.
    pub fn field(&mut self, name: &str, value: impl Serialize) {
        let value = serde_json::to_value(value).expect("reports hold only texts, numbers, lists and maps");
        self.fields.insert(name.to_owned(), value);
    }

    /// Adds the fields of a map.
    pub fn fields(&mut self, fields: Map<String, Value>) {
        self.fields.extend(fields);
    }

    /// Returns the fields of the JSON object.
    pub(crate) fn copy_fields(&self) -> Map<String, Value> {
        self.fields.clone()
    }

    /// Adds a line for people.
    pub fn line(&mut self, label: &str, text: impl Display) {
        writeln!(self.text, "{label:<LABEL$}{text}").expect("a String takes everything");
    }

    /// Adds text for people as it is.
    pub fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Says how long the command took when it is printed.
    #[must_use]
    pub fn timed(mut self) -> Self {
        self.timed = true;
        self
    }

    /// Prints to stdout. A reader that went away is no error.
    pub(crate) fn print(self, as_json: bool, took: Duration) -> Result<()> {
        print(&self.render(as_json, took))
    }

    fn render(mut self, as_json: bool, took: Duration) -> String {
        if as_json {
            let seconds = (took.as_secs_f64() * 1e3).round() / 1e3;
            self.field("seconds", seconds);
            return format!("{}\n", Value::Object(self.fields));
        }
        if self.timed {
            self.line("time", time(took));
        }
        self.text
    }
}

/// Writes text to stdout. A reader that went away is no error: it has what it wanted.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("writing to stdout"),
        _ => Ok(()),
    }
}

/// Writes a number with its noun in the singular or plural.
#[must_use]
pub fn count(number: u64, noun: &str) -> String {
    let noun = match (number, noun.strip_suffix('y')) {
        (1, _) => noun.to_owned(),
        (_, Some(stem)) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{noun}s"),
    };
    format!("{} {noun}", HumanCount(number))
}

/// Writes a number of bytes in a unit that people read.
#[must_use]
pub fn bytes(number: u64) -> String {
    HumanBytes(number).to_string()
}

fn time(took: Duration) -> String {
    if took < Duration::from_secs(100) {
        format!("{:.1} s", took.as_secs_f64())
    } else {
        HumanDuration(took).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_nouns_in_the_right_form() {
        assert_eq!(count(1, "entry"), "1 entry");
        assert_eq!(count(1_234, "entry"), "1,234 entries");
        assert_eq!(count(0, "pack"), "0 packs");
    }

    #[test]
    fn a_report_is_one_object_or_aligned_lines() {
        let report = || {
            let mut report = Report::default();
            report.field("packs", 3);
            report.line("packs", "three");
            report.timed()
        };
        let took = Duration::from_micros(1_234_567);
        assert_eq!(report().render(true, took), "{\"packs\":3,\"seconds\":1.235}\n");
        assert_eq!(report().render(false, took), "packs        three\ntime         1.2 s\n");
    }
}
