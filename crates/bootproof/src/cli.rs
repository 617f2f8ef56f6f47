//! The program around a proof.

use std::process::ExitCode;

use backup_sources::Engines;

use crate::args::parse;
use crate::run::prove_until;
use crate::text::describe;

/// Runs the program `bootproof`: parses its arguments, prints the report, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let engines = Engines::built_in();
    let parse = || parse(&engines, std::env::args_os());
    backup_console::run(&engines, parse, |args, session, interruption| {
        prove_until(&args, &session, interruption).map(|report| describe(&report))
    })
}
