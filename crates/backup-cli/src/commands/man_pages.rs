//! `man-pages`: the manual, one page a command.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use backup_console::Report;
use backup_sources::Engines;
use clap::Args;

use crate::command_line;

/// Write the manual pages, one for each command, into a directory
///
/// The directory is made if it is not there. Pages of the same names in it are replaced.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  kvbackup man-pages /usr/local/share/man/man1")]
pub(crate) struct ManPagesArgs {
    /// The directory
    directory: PathBuf,
}

pub(crate) fn run(args: &ManPagesArgs, engines: &Engines) -> Result<Report> {
    let directory = &args.directory;
    let pages = write(directory, engines)
        .with_context(|| format!("writing manual pages into {}", directory.display()))?;
    let mut report = Report::default();
    report.field("directory", directory.display().to_string());
    report.field("pages", pages);
    report.line("pages", format_args!("{}: {pages}", directory.display()));
    Ok(report.timed())
}

/// Writes the pages, and returns how many there are.
fn write(directory: &Path, engines: &Engines) -> Result<u64> {
    fs::create_dir_all(directory)?;
    // The pages of `help` would say nothing.
    let mut command = command_line::command(engines).disable_help_subcommand(true);
    command.build();
    write_pages(&command, directory)
}

fn write_pages(command: &clap::Command, directory: &Path) -> Result<u64> {
    let page = clap_mangen::Man::new(command.clone());
    page.generate_to(directory)?;
    let below = command.get_subcommands().filter(|command| !command.is_hide_set());
    below.map(|command| write_pages(command, directory)).try_fold(1, |sum, pages| Ok(sum + pages?))
}
