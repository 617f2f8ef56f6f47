//! `completions`: what a shell needs to complete command lines.

use backup_console::Report;
use backup_sources::Engines;
use clap::Args;
use clap_complete::Shell;

use crate::command_line;

/// Print the completion script of a shell
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  kvbackup completions bash > /etc/bash_completion.d/kvbackup")]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs, engines: &Engines) -> Report {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command_line::command(engines), "kvbackup", &mut script);
    let script = String::from_utf8_lossy(&script);
    let mut report = Report::default();
    report.field("completions", &script);
    report.text(&script);
    report
}
