//! A run of a program, from its command line to its exit code.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use backup_sources::{Engines, Opening};
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::args::ConsoleArgs;
use crate::errors::print_error;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::progress::Meter;
use crate::report::{self, Report};
use crate::session::Session;
use crate::signals::{self, Interruption};
use crate::{limits, memory};

/// Runs a program with these engines: parses its command line, does the work, and prints what came of it.
///
/// `parse` returns the arguments and the options of engines, as [`parse`](crate::parse) does. Progress is shown until `work` has
/// returned. A signal interrupts it as [`Interruption::or`] says; a second signal ends the process at once.
///
/// On Linux with glibc the program starts itself anew once, to keep its memory small.
#[must_use]
pub fn run<A: AsRef<ConsoleArgs>>(
    engines: &Engines,
    parse: impl FnOnce() -> Result<(A, Opening), clap::Error>,
    work: impl FnOnce(A, Session, Interruption) -> Result<Report>,
) -> ExitCode {
    memory::keep_small();
    limits::raise_open_files();
    let started = Instant::now();
    let (args, opening) = match parse() {
        Ok(parsed) => parsed,
        Err(error) => return explain(engines, error).into(),
    };
    let ConsoleArgs { json, quiet, verbose, progress, .. } = *args.as_ref();
    let meter = Meter::start(quiet, progress);
    let begun = limits::check_address_space().map_err(anyhow::Error::from);
    let session = begun.and_then(|()| Session::new(engines, opening, args.as_ref(), &meter));
    let result = session.and_then(|session| work(args, session, signals::listen()?));
    drop(meter);
    let result = result.and_then(|mut report| {
        let failure = report.failure.take();
        report.print(json, started.elapsed())?;
        failure.map_or(Ok(()), |problem| Err(problem.into()))
    });
    match result {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            print_error(&error, (json, verbose), engines);
            Exit::of(&error).into()
        }
    }
}

/// Returns the first argument that is no text.
fn not_utf8() -> Option<std::ffi::OsString> {
    std::env::args_os().find(|argument| argument.to_str().is_none())
}

/// Prints help, version, or what is wrong with the command line.
fn explain(engines: &Engines, error: clap::Error) -> Exit {
    let error = without_secrets(engines, error);
    if !error.use_stderr() {
        return match report::print(&error.render().to_string()) {
            Ok(()) => Exit::Done,
            Err(_) => Exit::Failed,
        };
    }
    if std::env::args_os().any(|argument| argument == "--json") {
        let text = error.render().to_string();
        let text = text.trim_start_matches("error: ").trim_end().to_owned();
        print_error(&Problem::Usage(text).into(), (true, false), engines);
    } else {
        // Where stderr cannot be written to, nothing else can report it.
        drop(error.print());
    }
    Exit::Usage
}

/// Hides passwords in what is wrong, and names an argument that is no text.
fn without_secrets(engines: &Engines, mut error: clap::Error) -> clap::Error {
    if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) {
        let shown = match engines.names_namespace(value) {
            true => backup_sources::without_password(value),
            false => backup_repository::shown_location(value),
        };
        error.insert(ContextKind::InvalidValue, ContextValue::String(shown));
    }
    if let (ErrorKind::InvalidUtf8, Some(argument)) = (error.kind(), not_utf8()) {
        let text = format!("argument {argument:?} is not UTF-8, and only paths may be other than that");
        return clap::Error::raw(ErrorKind::InvalidUtf8, format!("{text}\n"));
    }
    error
}
