//! A run of a program, from its command line to its exit code.

use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use anyhow::Result;
use backup_sources::{Engines, Opening};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use serde_json::Map;

use crate::args::ConsoleArgs;
use crate::ended::{Ended, Record};
use crate::errors::{print_error, remark};
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
    run_recorded(engines, parse, work, |_, _| Ok(None))
}

/// Does what [`run`] does, and has the end of the run recorded.
///
/// `recorder` returns what records it, `None` if nothing does. Its error ends the run before the work begins, and is not recorded. The record is
/// made after the report is printed, whatever came of the work. If that fails, a run that was good ends with the error of the
/// record. A run that failed keeps its own error and exit code, and says the other one in a line before it.
#[must_use]
pub fn run_recorded<A: AsRef<ConsoleArgs>>(
    engines: &Engines,
    parse: impl FnOnce() -> Result<(A, Opening), clap::Error>,
    work: impl FnOnce(A, Session, Interruption) -> Result<Report>,
    recorder: impl FnOnce(&A, &Opening) -> Result<Option<Record>>,
) -> ExitCode {
    memory::keep_small();
    limits::raise_open_files();
    let (started, now) = (SystemTime::now(), Instant::now());
    let (args, opening) = match parse() {
        Ok(parsed) => parsed,
        Err(error) => return explain(engines, error).into(),
    };
    let ConsoleArgs { json, quiet, verbose, progress, .. } = *args.as_ref();
    let shown = (json, verbose);
    let record = match recorder(&args, &opening) {
        Ok(record) => record,
        Err(error) => return fail(&error, shown, engines),
    };
    let meter = Meter::start(quiet, progress);
    let begun = limits::check_address_space().map_err(anyhow::Error::from);
    let session = begun.and_then(|()| Session::new(engines, opening, args.as_ref(), &meter));
    let result = session.and_then(|session| work(args, session, signals::listen()?));
    drop(meter);
    let mut fields = Map::new();
    let result = result.and_then(|mut report| {
        if record.is_some() {
            fields = report.copy_fields();
        }
        let failure = report.failure.take();
        report.print(json, now.elapsed())?;
        failure.map_or(Ok(()), |problem| Err(problem.into()))
    });
    let exit = result.as_ref().map_or_else(Exit::of, |()| Exit::Done);
    let recorded = record.map_or(Ok(()), |record| record(&Ended { exit, started, fields }));
    match (result, recorded) {
        (Ok(()), Ok(())) => Exit::Done.into(),
        (Ok(()), Err(error)) => fail(&error, shown, engines),
        (Err(error), recorded) => {
            if let Err(unrecorded) = recorded {
                remark(&format!("how the run ended is not recorded: {unrecorded:#}"));
            }
            fail(&error, shown, engines)
        }
    }
}

/// Prints an error; returns the exit code that it leads to.
fn fail(error: &anyhow::Error, shown: (bool, bool), engines: &Engines) -> ExitCode {
    print_error(error, shown, engines);
    Exit::of(error).into()
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
