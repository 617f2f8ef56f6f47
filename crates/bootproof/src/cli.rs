//! The program around a proof.

use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Result;
use backup_console::{Interruption, PageFile, Report as Printed, Session};
use backup_repository::time_text;
use backup_sources::Engines;

use crate::args::{Args, parse};
use crate::attest::Attesting;
use crate::page::{is_page, page};
use crate::run::prove_until;
use crate::subject::Subject;
use crate::text::describe;

/// Runs the program `bootproof`: parses its arguments, prints the report, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let engines = Engines::built_in();
    let parse = || parse(&engines, std::env::args_os());
    backup_console::run(&engines, parse, |args, session, interruption| work(&args, &session, interruption))
}

fn work(args: &Args, session: &Session, interruption: Interruption) -> Result<Printed> {
    let places = Subject::new(args, session)?.places(args)?;
    let page_file = args.html.as_ref().map(|path| PageFile::new(path, is_page, places)).transpose()?;
    let attesting = Attesting::begin(args, session)?;
    let report = prove_until(args, session, interruption)?;
    if let Some(file) = page_file {
        file.write(&page(&report, &time_text(SystemTime::now())))?;
    }
    let mut printed = describe(&report);
    attesting.attest(&report, &mut printed)?;
    Ok(printed)
}
