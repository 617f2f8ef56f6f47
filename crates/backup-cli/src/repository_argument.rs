//! REPO where it is left out: named by an option, by the environment or by a profile.
//!
//! The number of arguments decides. Where all of them stand on the command line, REPO is the one in its place. Where one is missing, and REPO is
//! named elsewhere, the others keep their order. So no call that was good without a name elsewhere means something else with one.

use std::ffi::OsString;

use backup_sources::Engines;
use clap::error::ErrorKind;
use clap::{Arg, Command};

use crate::defaults::{Default, check_value};
use crate::given::Given;

/// Id of the option that names the repository.
pub(crate) const NAMED: &str = "named_repository";
/// The variable that names the repository.
pub(crate) const VARIABLE: &str = "KVBACKUP_REPOSITORY";
/// What the help of REPO says at its end.
const ELSEWHERE: &str = " [default: --repository, KVBACKUP_REPOSITORY or a profile]";

/// Returns the option that names the repository, for all commands.
pub(crate) fn option() -> Arg {
    Arg::new(NAMED)
        .long("repository")
        .value_name("REPO")
        .value_parser(clap::builder::OsStringValueParser::new())
        .help("The repository, where the argument is left out: a directory or a URL [default: KVBACKUP_REPOSITORY]")
        .global(true)
        .hide_short_help(true)
}

/// Says in the help of REPO that it may be named elsewhere.
pub(crate) fn explain(command: Command) -> Command {
    let explain = |argument: Arg| match (is_repository(&argument), argument.get_help().cloned()) {
        (true, Some(help)) => argument.help(format!("{help}{ELSEWHERE}")),
        _ => argument,
    };
    command.mut_args(explain).mut_subcommands(self::explain)
}

/// Returns true for the argument that a command calls REPO.
fn is_repository(argument: &Arg) -> bool {
    argument.is_positional() && matches!(argument.get_id().as_str(), "repository" | "place")
}

/// Puts the repository into a command line where its argument is left out: returns the command to parse it with.
///
/// # Errors
///
/// The repository is named twice, or the command takes none, or what is named is none.
pub(crate) fn fill_in(
    root: Command,
    words: &mut Vec<OsString>,
    given: &Given,
    (elsewhere, engines): (Option<Default<'_>>, &Engines),
) -> Result<Command, clap::Error> {
    let command = given.command(&root);
    let explicit =
        given.value(NAMED).map(|value| Default { value: value.to_owned(), named_by: "--repository".into() });
    let argument = command.get_positionals().find(|argument| is_repository(argument));
    let Some(argument) = argument else {
        return if explicit.is_some() {
            Err(usage("--repository: this command takes no repository"))
        } else {
            Ok(root)
        };
    };
    let has = |argument: &&Arg| given.has(argument.get_id().as_str());
    let left_out =
        command.get_positionals().count().saturating_sub(command.get_positionals().filter(has).count());
    if left_out == 0 && explicit.is_some() {
        return Err(usage(
            "the repository is named twice, by --repository and by an argument, or there is an argument too many; with --repository, leave \
             REPO out",
        ));
    }
    let Some(found) = explicit.or(elsewhere).filter(|_| left_out > 0) else { return Ok(root) };
    if engines.names_namespace(&found.value) {
        let shown = backup_sources::without_password(&found.value.to_string_lossy());
        return Err(usage(&format!(
            "{}: {shown} names a namespace, where a repository is expected: a directory or a URL",
            found.named_by
        )));
    }
    check_value(argument, &found.value)
        .map_err(|problem| usage(&format!("{}: {problem}", found.named_by)))?;
    // Where more is missing, the repository would be taken for that.
    if left_out == 1 {
        if !words.iter().any(|word| word == "--") {
            words.push("--".into());
        }
        words.push(found.value);
    }
    Ok(with_last(root, given.path()))
}

/// Makes REPO the last argument of a command, which usage does not show.
fn with_last(command: Command, path: &[String]) -> Command {
    if let Some((name, below)) = path.split_first() {
        return command.mut_subcommand(name, |command| with_last(command, below));
    }
    let all = command.get_positionals().count();
    let mut place = 0;
    command.mut_args(|argument| {
        if !argument.is_positional() {
            return argument;
        }
        if is_repository(&argument) {
            return argument.index(all).required(false).hide(true);
        }
        place += 1;
        argument.index(place)
    })
}

fn usage(text: &str) -> clap::Error {
    clap::Error::raw(ErrorKind::InvalidValue, format!("{text}\n"))
}
