//! The whole command line: the commands, with the schemes and options of the engines.

use std::ffi::OsString;

use backup_console::{CommandLine, ENVIRONMENT, REPOSITORIES, with_engines};
use backup_sources::{Engines, Opening, Role};
use clap::{ArgMatches, Command, CommandFactory};

use crate::args::{Cli, EXAMPLES};
use crate::defaults::{self, Environment};

/// What exit code 4 means.
const REFUSED: &str =
    "target not empty, implausible or much smaller namespace, unclear layout, not signed by a trusted key";
/// A variable that no other program reads.
const SIGN_KEY: &str =
    "  KVBACKUP_SIGN_KEY               file of the key to sign with, unless --sign-key names one\n";
/// What says where REPO is and what holds for every call.
const DEFAULTS: &str =
    "  KVBACKUP_REPOSITORY             REPO, where the argument is left out and --repository does not name it
  KVBACKUP_PROFILE                name of a profile, unless --profile names one
  KVBACKUP_PROFILE_FILE           file of profiles, unless --profile-file names one
";
/// Explains profiles.
const PROFILES: &str = "
REPO may be left out where --repository, KVBACKUP_REPOSITORY or a profile names it. An argument comes before all of them.

--profile NAME takes what is not given from a table of a TOML file, options by their long names:
  [node]                          for every command that has the option
  repository = \"/backup/validator\"
  trust = [\"/etc/kvbackup/node.key.pub\"]
  [node.forget]                   for `kvbackup forget` alone
  keep-daily = 7
The command line comes before the environment, and that before the profile. The file is the first that holds the profile of
$XDG_CONFIG_HOME/kvbackup/profiles.toml (~/.config without that variable) and /etc/kvbackup/profiles.toml, unless one is named.
It names files of keys and passwords, and holds none. Options that are for one call, like --dump and --allow-most, stand in no profile.
";
/// What follows an interruption.
const RESUMES: &str =
    "backup, copy, fence, finish, import, prune and restore resume when the same command runs again";

/// Parses a command line, and the options of engines in it. What does not stand there is taken from the environment or a profile.
pub(crate) fn parse(
    engines: &Engines,
    words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    environment: Environment<'_>,
) -> Result<(Cli, Opening), clap::Error> {
    let mut words: Vec<OsString> = words.into_iter().map(Into::into).collect();
    let command = defaults::fill_in(command(engines), &mut words, engines, environment)?;
    let line = CommandLine { command, role: opened, engines };
    backup_console::parse(line, words)
}

/// Builds the command line for these engines.
pub(crate) fn command(engines: &Engines) -> Command {
    let mut command = Cli::command().after_long_help(long_help(engines));
    let names: Vec<_> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(&name, |command| complete(command, engines, role(&name)));
    }
    defaults::with_options(command)
}

/// Completes a command, or the commands below it.
fn complete(command: Command, engines: &Engines, role: Option<Role>) -> Command {
    if !command.has_subcommands() {
        return with_engines(command, engines, role);
    }
    command.mut_subcommands(|below| with_engines(below, engines, role))
}

fn opened(matches: &ArgMatches) -> Option<(Role, &ArgMatches)> {
    let (name, matches) = matches.subcommand()?;
    let below = matches.subcommand().map(|(_, below)| below);
    Some((role(name)?, below.unwrap_or(matches)))
}

/// Returns what a command opens namespaces for, `None` if it opens none.
fn role(command: &str) -> Option<Role> {
    match command {
        "backup" | "diff" | "digest" | "fence" | "inspect" | "verify" => Some(Role::Source),
        "restore" => Some(Role::Target),
        "native-backup" => Some(Role::Native),
        _ => None,
    }
}

fn long_help(engines: &Engines) -> String {
    let codes = backup_console::exit_codes("done", REFUSED, RESUMES);
    let (sources, targets) = (backup_console::sources(engines), backup_console::targets(engines));
    format!("{sources}{targets}{REPOSITORIES}{PROFILES}{codes}{ENVIRONMENT}{SIGN_KEY}{DEFAULTS}{EXAMPLES}")
}

#[cfg(test)]
mod tests {
    use backup_console::Problem;
    use backup_sources::Kind;

    use super::*;

    fn parse(line: &[&str]) -> Result<(Cli, Opening), clap::Error> {
        super::parse(&Engines::built_in(), [&["kvbackup"], line].concat(), &|_| None)
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
            let problem = Problem::Interrupted { signal: "SIGINT", resumes: cli.command.resumes() };
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
}
