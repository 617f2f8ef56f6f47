//! What stands on a command line, looked at before it is parsed: which command, which options, and how many arguments.

use std::ffi::{OsStr, OsString};

use clap::builder::OsStringValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

/// A command line whose values were not looked at.
pub(crate) struct Given {
    /// The command, and the command below it.
    path: Vec<String>,
    matches: ArgMatches,
}

impl Given {
    /// Reads a command line. Returns `None` where help is asked for, or where something is wrong with more than values and what is missing:
    /// parsing says what.
    pub(crate) fn read(command: &Command, words: &[OsString]) -> Option<Self> {
        let mut matches = lenient(command.clone()).try_get_matches_from(words).ok()?;
        let mut path = Vec::new();
        while let Some((name, below)) = matches.remove_subcommand() {
            path.push(name);
            matches = below;
        }
        Some(Self { path, matches })
    }

    /// Returns the names of the command, and of the command below it.
    pub(crate) fn path(&self) -> &[String] {
        &self.path
    }

    /// Returns the command that is meant.
    pub(crate) fn command<'a>(&self, root: &'a Command) -> &'a Command {
        self.path.iter().fold(root, |command, name| command.find_subcommand(name).unwrap_or(command))
    }

    /// Returns true if an option or argument of this id stands on the command line.
    pub(crate) fn has(&self, id: &str) -> bool {
        let is_known = self.matches.try_contains_id(id).unwrap_or(false);
        is_known && self.matches.value_source(id) == Some(ValueSource::CommandLine)
    }

    /// Returns the value of an option or argument, if it stands there.
    pub(crate) fn value(&self, id: &str) -> Option<&OsStr> {
        self.has(id).then(|| self.matches.get_one::<OsString>(id).map(OsString::as_os_str))?
    }
}

/// Takes any text for any value, and lets everything be missing.
fn lenient(command: Command) -> Command {
    let lenient_argument = |argument: Arg| match argument.get_action() {
        ArgAction::Set | ArgAction::Append => {
            argument.required(false).value_parser(OsStringValueParser::new())
        }
        _ => argument,
    };
    command.mut_args(lenient_argument).mut_subcommands(lenient)
}
