//! Command lines with the places and the options of engines.

use std::ffi::{OsStr, OsString};

use backup_sources::{EngineOption, Engines, Kind, Opening, Role};
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};

use crate::location::RepositoryLocation;

/// The command line of a program: what `clap` derives, completed by [`with_engines`].
pub struct CommandLine<'a> {
    /// All commands and options.
    pub command: Command,
    /// Returns the matches that hold the options of engines, and what namespaces are opened for; `None` where none are
    /// opened.
    pub role: fn(&ArgMatches) -> Option<(Role, &ArgMatches)>,
    /// The engines whose options are parsed.
    pub engines: &'a Engines,
}

/// Parses a command line, whose first word is the name of the program: returns its arguments, and the options of engines.
///
/// # Errors
///
/// Those of `clap`, also where help or version was asked for.
pub fn parse<A: FromArgMatches>(
    line: CommandLine<'_>,
    words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<(A, Opening), clap::Error> {
    let CommandLine { mut command, role, engines } = line;
    let matches = command.try_get_matches_from_mut(words)?;
    let args = A::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    let opening = match role(&matches) {
        Some((role, matches)) => opening(engines, role, matches),
        None => Ok(Opening::default()),
    };
    let opening = opening.map_err(|text| command.error(ErrorKind::InvalidValue, text))?;
    Ok((args, opening))
}

/// Makes a command check its places while it is parsed, and adds the options of engines for this role.
///
/// Arguments are recognized by their ids: `source`, `against`, `target`, `place` (a repository or a source), and
/// `repository`, `target_repository`, `other_repository`. Their types are `OsString` and [`RepositoryLocation`].
#[must_use]
pub fn with_engines(command: Command, engines: &Engines, role: Option<Role>) -> Command {
    // In place: an argument that is taken out and put back would change its position.
    let command = command.mut_args(|argument| {
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
    });
    let options = role.map(|role| engines.options(role)).unwrap_or_default();
    command.args(options.into_iter().map(|(title, option)| argument(title, option)))
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

fn opening(engines: &Engines, role: Role, matches: &ArgMatches) -> Result<Opening, String> {
    let mut opening = Opening::default();
    for (_, option) in engines.options(role) {
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    #[command(name = "program")]
    struct Program {
        place: OsString,
        #[arg(long)]
        other_repository: Option<RepositoryLocation>,
    }

    fn try_parse(words: &[&str]) -> Result<(Program, Opening), clap::Error> {
        let engines = Engines::built_in();
        let command =
            with_engines(<Program as clap::CommandFactory>::command(), &engines, Some(Role::Source));
        let line = CommandLine { command, role: |matches| Some((Role::Source, matches)), engines: &engines };
        parse(line, [&["program"], words].concat())
    }

    #[test]
    fn places_are_checked_while_they_are_parsed() {
        for good in ["/backup", "./rocksdb:x", "s3://bucket/prefix"] {
            assert_eq!(try_parse(&[good]).unwrap().0.place, good);
        }
        for bad in ["", "memory:", "rocksdb:", "scylla:x", "cql://host/kv"] {
            assert!(try_parse(&[bad]).is_err(), "{bad}");
        }
        let (program, _) = try_parse(&["/backup", "--other-repository", "/other"]).unwrap();
        assert_eq!(program.other_repository.unwrap().to_string(), "/other");
        for bad in ["rocksdb:/db/ns", "memory:", ""] {
            assert!(try_parse(&["/backup", "--other-repository", bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords_in_places_are_not_repeated() {
        let error = try_parse(&["/backup", "--other-repository", "cql://me:secret@db/kv/t"]).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("./cql://me:***@db/kv/t"), "{said}");
    }
}
