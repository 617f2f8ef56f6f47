//! `completions`: what a shell needs to complete command lines.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Cli;
use crate::report::Report;

/// Print the completion script of a shell
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  kvbackup completions bash > /etc/bash_completion.d/kvbackup")]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs) -> Report {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "kvbackup", &mut script);
    let script = String::from_utf8_lossy(&script);
    let mut report = Report::default();
    report.field("completions", &script);
    report.text(&script);
    report
}
