#![doc = include_str!("../README.md")]

mod args;
mod command_line;
mod commands;
mod exit;
mod keys;
mod limits;
mod location;
mod memory;
mod origin;
mod owner;
mod places;
mod problem;
mod progress;
mod quote;
mod report;
mod repository;
mod scenario;
mod session;
mod signals;
mod table;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
pub use backup_sources::Engines;
use clap::error::{ContextKind, ContextValue};

use crate::args::Command;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::progress::Meter;
use crate::report::Report;
use crate::session::Session;

/// Program and version, for manifests.
pub(crate) const TOOL: &str = concat!("kvbackup ", env!("CARGO_PKG_VERSION"));

/// How long work that was interrupted may take to end.
const REST: Duration = Duration::from_secs(20);

/// Runs the program with these engines: parses the command line of the process, and does what it says.
///
/// On Linux with glibc the program starts itself anew once, to keep its memory small.
#[must_use]
pub fn run(engines: &Engines) -> ExitCode {
    memory::keep_small();
    limits::raise_open_files();
    let started = Instant::now();
    let (cli, opening) = match command_line::parse(engines) {
        Ok(parsed) => parsed,
        Err(error) => return explain(engines, error).into(),
    };
    let as_json = cli.json;
    let verbose = cli.verbose;
    let meter = Meter::start(cli.quiet, cli.progress);
    let (progress, patience) = (meter.progress(), cli.store_patience);
    let rates = (cli.limit_upload, cli.limit_download);
    let begun = limits::check_address_space().map_err(anyhow::Error::from);
    let trust = begun.and_then(|()| keys::trusted(&cli.trust));
    let run = |trust| {
        let session = Session { engines: engines.clone(), opening, progress, patience, trust, rates };
        run_command(cli.command, session, meter)
    };
    let result = trust.and_then(run).and_then(|mut report| {
        let failure = report.failure.take();
        report.print(as_json, started.elapsed())?;
        failure.map_or(Ok(()), |problem| Err(problem.into()))
    });
    match result {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            report::print_error(&error, (as_json, verbose), engines);
            Exit::of(&error).into()
        }
    }
}

/// Runs a command until it is done, or until a signal comes.
fn run_command(command: Command, session: Session, meter: Meter) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the threads of this program")?;
    let signal = signals::listen()?;
    let resumes = command.resumes();
    let result = runtime.block_on(async {
        tokio::select! {
            result = commands::run(command, &session) => result,
            Ok(signal) = signal => Err(Problem::Interrupted { signal, resumes }.into()),
        }
    });
    runtime.shutdown_timeout(REST);
    drop(meter);
    result
}

/// Returns the first argument that is no text.
fn not_utf8() -> Option<std::ffi::OsString> {
    std::env::args_os().find(|argument| argument.to_str().is_none())
}

/// Prints help, version, or what is wrong with the command line.
fn explain(engines: &Engines, mut error: clap::Error) -> Exit {
    if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) {
        let shown = match engines.names_namespace(value) {
            true => backup_sources::without_password(value),
            false => backup_repository::shown_location(value),
        };
        error.insert(ContextKind::InvalidValue, ContextValue::String(shown));
    }
    if let (clap::error::ErrorKind::InvalidUtf8, Some(argument)) = (error.kind(), not_utf8()) {
        let text = format!("argument {argument:?} is not UTF-8, and only paths may be other than that");
        error = clap::Error::raw(clap::error::ErrorKind::InvalidUtf8, format!("{text}\n"));
    }
    if !error.use_stderr() {
        return match report::print(&error.render().to_string()) {
            Ok(()) => Exit::Done,
            Err(_) => Exit::Failed,
        };
    }
    if std::env::args_os().any(|argument| argument == "--json") {
        let text = error.render().to_string();
        let text = text.trim_start_matches("error: ").trim_end().to_owned();
        report::print_error(&Problem::Usage(text).into(), (true, false), engines);
    } else {
        // Where stderr cannot be written to, nothing else can report it.
        drop(error.print());
    }
    Exit::Usage
}
