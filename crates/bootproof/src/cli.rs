//! The program around a proof.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::args::Args;
use crate::report::Report;
use crate::run::prove_until;
use crate::signals;
use crate::text::text;

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const FOUND: u8 = 3;

/// Runs the program `bootproof`: parses its arguments, prints the report, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Where it cannot be written there is nobody to tell.
            drop(error.print());
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    if let Err(problem) = args.check() {
        drop(writeln!(io::stderr(), "error: {problem}"));
        return ExitCode::from(USAGE);
    }
    match prove_until(&args, signals::listen).and_then(|report| print(&args, &report).map(|()| report)) {
        Ok(report) if report.findings_total > 0 => ExitCode::from(FOUND),
        Ok(report) if report.is_complete() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(FAILED),
        Err(error) => {
            drop(writeln!(io::stderr(), "error: {error:#}"));
            ExitCode::from(FAILED)
        }
    }
}

fn print(args: &Args, report: &Report) -> Result<()> {
    let text = if args.json {
        let json = serde_json::to_string(report).context("encoding the report")?;
        format!("{json}\n")
    } else {
        text(report)
    };
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader that went away has what it wanted.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("writing to stdout"),
        _ => Ok(()),
    }
}
