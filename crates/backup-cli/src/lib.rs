#![doc = include_str!("../README.md")]

mod against;
mod args;
mod attested;
mod command_line;
mod commands;
mod diff_lines;
mod difference;
mod exposition;
mod fresh;
mod keep_args;
mod list_filter;
mod looking;
mod new_file;
mod origin;
mod outcome;
mod owner;
mod report;
mod repository;
mod require;
mod scenario;
mod state;
mod table;
mod textfile;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use backup_console::{Interruption, Report, Session};
pub use backup_sources::Engines;

use crate::args::Cli;

/// Program and version, for manifests.
pub(crate) const TOOL: &str = concat!("kvbackup ", env!("CARGO_PKG_VERSION"));

/// How long work that was interrupted may take to end.
const REST: Duration = Duration::from_secs(20);

/// Runs the program with these engines: parses the command line of the process, and does what it says.
///
/// On Linux with glibc the program starts itself anew once, to keep its memory small.
#[must_use]
pub fn run(engines: &Engines) -> ExitCode {
    let parse = || command_line::parse(engines, std::env::args_os());
    let recorder = |cli: &Cli, opening: &_| outcome::recorder(cli, engines, opening);
    backup_console::run_recorded(engines, parse, run_command, recorder)
}

/// Runs a command until it is done, or until a signal comes.
fn run_command(cli: Cli, session: Session, interruption: Interruption) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the threads of this program")?;
    let resumes = cli.command.resumes();
    let result = runtime.block_on(interruption.or(commands::run(cli.command, &session), resumes));
    runtime.shutdown_timeout(REST);
    result
}
