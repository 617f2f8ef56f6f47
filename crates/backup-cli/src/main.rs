//! The program `kvbackup`: backs up, verifies, restores and moves the namespaces of blockchain validators.

mod args;
mod commands;
#[cfg(feature = "scylla")]
mod cql;
mod engine;
mod exit;
mod locator;
mod memory;
mod origin;
mod problem;
mod progress;
mod report;
mod repository;
mod scenario;
mod signals;
mod units;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use clap::error::{ContextKind, ContextValue};

use crate::args::Cli;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::progress::Meter;
use crate::report::Report;

/// Program and version, for manifests.
pub(crate) const TOOL: &str = concat!("kvbackup ", env!("CARGO_PKG_VERSION"));

/// How long work that was interrupted may take to come to rest.
const REST: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    memory::keep_small();
    let started = Instant::now();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(error).into(),
    };
    let as_json = cli.json;
    let result = run(cli).and_then(|mut report| {
        let failure = report.failure.take();
        report.print(as_json, started.elapsed())?;
        failure.map_or(Ok(()), |problem| Err(problem.into()))
    });
    match result {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            report::print_error(&error, as_json);
            Exit::of(&error).into()
        }
    }
}

/// Runs a command until it is done, or until a signal comes.
fn run(cli: Cli) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the threads of this program")?;
    let meter = Meter::start(cli.quiet);
    let progress = meter.progress();
    let signal = signals::listen()?;
    let goes_on = cli.command.goes_on();
    let result = runtime.block_on(async {
        tokio::select! {
            result = commands::run(cli.command, progress) => result,
            Ok(signal) = signal => Err(Problem::Interrupted { signal, goes_on }.into()),
        }
    });
    // Threads that still write when the program ends could be cut off in the engine's own clean-up.
    let deadline = Instant::now() + REST;
    let left = || deadline.saturating_duration_since(Instant::now());
    // What is not done by then is left: nobody is told, since the command has its result.
    let _ = backup_repository::wait_for_workers(REST / 2);
    runtime.shutdown_timeout(left());
    engine::rest(left());
    drop(meter);
    result
}

/// Prints help, version, or what is wrong with the command line.
fn explain(mut error: clap::Error) -> Exit {
    if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) {
        let shown = locator::without_password(value);
        error.insert(ContextKind::InvalidValue, ContextValue::String(shown));
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
        report::print_error(&Problem::Usage(text).into(), true);
    } else {
        // Where stderr cannot be written to there is nobody left to tell.
        drop(error.print());
    }
    Exit::Usage
}
