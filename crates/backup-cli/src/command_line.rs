//! The whole command line: the commands, with the schemes and options of the engines.

use std::ffi::{OsStr, OsString};

use backup_sources::{EngineOption, Engines, Kind, Opening, Role, Scheme};
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};

use crate::args::{Cli, EXIT_CODES, PLACES};
use crate::location::RepositoryLocation;

/// Parses the command line of this process, and the options of engines in it.
pub(crate) fn parse(engines: &Engines) -> Result<(Cli, Opening), clap::Error> {
    parse_from(engines, std::env::args_os())
}

fn parse_from(
    engines: &Engines,
    line: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<(Cli, Opening), clap::Error> {
    let mut command = command(engines);
    let matches = command.try_get_matches_from_mut(line)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    let opening = match matches.subcommand() {
        // The commands below it open the namespace.
        Some((name @ "fence", below)) => match below.subcommand() {
            Some((_, matches)) => opening(engines, role(name), matches),
            None => Ok(Opening::default()),
        },
        Some((name, matches)) => opening(engines, role(name), matches),
        None => Ok(Opening::default()),
    };
    let opening = opening.map_err(|text| command.error(clap::error::ErrorKind::InvalidValue, text))?;
    Ok((cli, opening))
}

/// Builds the command line for these engines.
pub(crate) fn command(engines: &Engines) -> Command {
    let mut command = Cli::command().after_long_help(long_help(engines));
    let names: Vec<_> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(&name, |command| {
            if !command.has_subcommands() {
                return with_options(command, engines, &name);
            }
            let below: Vec<_> =
                command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
            below.into_iter().fold(command, |command, each| {
                command.mut_subcommand(each, |command| with_options(command, engines, &name))
            })
        });
    }
    command
}

/// Adds the options of engines that a command takes, and makes it check its places.
fn with_options(command: Command, engines: &Engines, name: &str) -> Command {
    let command = with_places(command, engines);
    let options = role(name).map(|role| engines.options(role)).unwrap_or_default();
    command.args(options.into_iter().map(|(title, option)| argument(title, option)))
}

/// Returns what a command opens namespaces for, `None` if it opens none.
fn role(command: &str) -> Option<Role> {
    match command {
        "backup" | "digest" | "fence" | "inspect" | "verify" => Some(Role::Source),
        "restore" => Some(Role::Target),
        "native-backup" => Some(Role::Native),
        _ => None,
    }
}

/// Makes a command check its places while it is parsed.
fn with_places(command: Command, engines: &Engines) -> Command {
    // In place: an argument that is taken out and put back would change its position.
    command.mut_args(|argument| {
        let engines = engines.clone();
        match argument.get_id().as_str() {
            "source" | "against" => argument.value_parser(checked(engines, check_source)),
            "target" => argument.value_parser(checked(engines, check_target)),
            "place" => argument.value_parser(checked(engines, check_place)),
            "repository" | "target_repository" | "other_repository" => {
                argument.value_parser(checked(engines, check_repository).map(RepositoryLocation::from))
            }
            _ => argument,
        }
    })
}

fn checked(
    engines: Engines,
    check: fn(&Engines, &OsStr) -> Result<(), String>,
) -> impl TypedValueParser<Value = OsString> {
    OsStringValueParser::new().try_map(move |text| check(&engines, &text).map(|()| text))
}

fn check_source(engines: &Engines, text: &OsStr) -> Result<(), String> {
    engines.source(text).map(drop).map_err(|error| error.to_string())
}

fn check_target(engines: &Engines, text: &OsStr) -> Result<(), String> {
    engines.target(text).map(drop).map_err(|error| error.to_string())
}

fn check_place(engines: &Engines, text: &OsStr) -> Result<(), String> {
    let check = if engines.names_namespace(text) { check_source } else { check_repository };
    check(engines, text)
}

fn check_repository(engines: &Engines, text: &OsStr) -> Result<(), String> {
    if text.is_empty() {
        return Err("expected a directory or a URL".to_owned());
    }
    if engines.names_namespace(text) {
        return Err(format!(
            "this names a namespace, where a repository is expected: a directory or a URL (a directory of that name is \
             written ./{})",
            backup_sources::without_password(&text.to_string_lossy())
        ));
    }
    backup_repository::check_location(text).map_err(|error| error.to_string())
}

fn argument(title: &'static str, option: &'static EngineOption) -> Arg {
    let argument = Arg::new(option.name()).long(option.name()).help(option.help());
    let argument = argument.help_heading(title).hide_short_help(true);
    if let Kind::Flag = option.kind() {
        return argument.action(ArgAction::SetTrue);
    }
    let parser = OsStringValueParser::new().try_map(|value| option.check(&value).map(|()| value));
    argument.value_name(option.value_name()).value_parser(parser)
}

fn opening(engines: &Engines, role: Option<Role>, matches: &ArgMatches) -> Result<Opening, String> {
    let mut opening = Opening::default();
    for (_, option) in role.map(|role| engines.options(role)).unwrap_or_default() {
        let value = match option.kind() {
            Kind::Flag => matches.get_flag(option.name()).then(OsString::new),
            _ => matches.get_one::<OsString>(option.name()).cloned(),
        };
        if let Some(value) = value {
            opening = opening.with_value(option, value).map_err(|error| error.to_string())?;
        }
    }
    Ok(opening)
}

fn long_help(engines: &Engines) -> String {
    let list = |help: fn(&Scheme) -> Option<&'static str>| {
        engines.schemes().filter_map(|scheme| Some(line(scheme.form(), help(scheme)?))).collect::<String>()
    };
    format!(
        "SOURCE is a namespace that is read, also while a validator has it open:\n{}{}\n\
         TARGET is a namespace that is written; it must be empty or carry this restore's marker:\n{}{PLACES}{EXIT_CODES}",
        list(Scheme::source),
        line("...?layout=NAME", "its layout, which is detected otherwise"),
        list(Scheme::target),
    )
}

/// Writes a form and its explanation, below each other where they do not fit beside each other.
fn line(form: &str, help: &str) -> String {
    const WIDTH: usize = 32;
    match form.len() < WIDTH {
        true => format!("  {form:<WIDTH$}{help}\n"),
        false => format!("  {form}\n  {:WIDTH$}{help}\n", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[&str]) -> Result<(Cli, Opening), clap::Error> {
        parse_from(&Engines::built_in(), [&["kvbackup"], line].concat())
    }

    #[test]
    fn the_command_line_is_sound() {
        command(&Engines::built_in()).debug_assert();
    }

    #[cfg(feature = "rocksdb")]
    #[test]
    fn only_what_resumes_after_an_interruption_says_so() {
        let lines = [
            (&["backup", "rocksdb:db/x", "repo"][..], true),
            (&["finish", "repo", "--job", "j"], true),
            (&["import", "x.bcs", "repo"], true),
            (&["copy", "repo", "other"], true),
            (&["restore", "repo", "memory:"], true),
            (&["verify", "repo"], false),
            (&["export", "repo", "x.bcs"], false),
            (&["native-backup", "rocksdb:db/x", "engine"], false),
            (&["native-restore", "engine", "rocksdb:db/x"], false),
        ];
        for (line, resumes) in lines {
            let cli = parse(line).unwrap().0;
            let problem =
                crate::problem::Problem::Interrupted { signal: "SIGINT", resumes: cli.command.resumes() };
            assert_eq!(problem.to_string().contains("resumes where this stopped"), resumes, "{line:?}");
        }
    }

    #[test]
    fn options_of_engines_are_taken_by_the_commands_that_open_a_namespace() {
        for (_, option) in Engines::built_in().options(Role::Source) {
            let name = format!("--{}", option.name());
            let line = match option.kind() {
                Kind::Flag => vec!["verify", "repo", &name],
                Kind::Text(_) => vec!["verify", "repo", &name, "all"],
                Kind::Time => vec!["verify", "repo", &name, "30s"],
                _ => vec!["verify", "repo", &name, "3"],
            };
            let (_, opening) = parse(&line).unwrap();
            assert_eq!(opening.given().collect::<Vec<_>>(), [option.name()]);
            assert!(parse(&["list", "repo", &name]).is_err());
        }
    }

    #[test]
    fn a_namespace_is_not_taken_for_a_repository() {
        for bad in ["rocksdb:/db/ns", "cql://db/kv/t", "memory:", ""] {
            assert!(parse(&["list", bad]).is_err(), "{bad}");
        }
        for good in ["./rocksdb:x", "s3://bucket/prefix", "/a://b"] {
            assert!(parse(&["list", good]).is_ok(), "{good}");
        }
    }

    #[test]
    fn the_help_names_all_schemes() {
        let help = long_help(&Engines::built_in());
        for scheme in Engines::built_in().schemes() {
            assert!(help.contains(scheme.form()), "{help}");
        }
    }
}
