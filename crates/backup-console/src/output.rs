//! What a command prints before it is done: one JSON object a line, or text.

use std::io::{self, IsTerminal, Write as _};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::progress::Counter;

/// Prints results one by one, so that no command has to keep them all. What comes last is the [`Report`](crate::Report) of the command.
#[derive(Clone)]
pub struct Output {
    as_json: bool,
    counter: Counter,
}

impl Output {
    pub(crate) fn new(as_json: bool, counter: Counter) -> Self {
        Self { as_json, counter }
    }

    /// Returns true if JSON is asked for.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.as_json
    }

    /// Prints an object on a line, if JSON is asked for.
    ///
    /// # Errors
    ///
    /// stdout cannot be written to. A reader that went away is no error: it has what it wanted.
    pub fn object(&self, object: &Value) -> Result<()> {
        if self.as_json { self.bytes(format!("{object}\n").as_bytes()) } else { Ok(()) }
    }

    /// Prints a line of text, unless JSON is asked for.
    ///
    /// # Errors
    ///
    /// As [`Output::object`].
    pub fn line(&self, line: &str) -> Result<()> {
        if self.as_json { Ok(()) } else { self.bytes(format!("{line}\n").as_bytes()) }
    }

    /// Prints bytes as they are.
    ///
    /// # Errors
    ///
    /// As [`Output::object`].
    pub fn bytes(&self, bytes: &[u8]) -> Result<()> {
        // Where both are on one terminal, progress makes room.
        if io::stdout().is_terminal() { self.counter.suspended(|| write(bytes)) } else { write(bytes) }
    }
}

fn write(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("writing to stdout"),
        _ => Ok(()),
    }
}
