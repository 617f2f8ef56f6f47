//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use backup_console::{
    AttestArgs, CommandLine, ConsoleArgs, DumpArgs, ENVIRONMENT, REPOSITORIES, ReadArgs, RepositoryLocation,
    SourceArgs, exit_codes, sources, with_engines,
};
use backup_sources::{Engines, Opening, Role};
use clap::{CommandFactory, Parser};

use crate::claims::{NOT_PROVEN, PROVEN, list};

/// Proves, or refutes, that a dump boots
///
/// A dump is restored into a scratch directory, a namespace is copied there. linera's own storage is opened on it, and
/// every chain is loaded and checked. Then linera's own worker is booted without a key, with a random key, and with the
/// validator's own key if it is given. Neither the dump nor the namespace is written to.
///
/// With a key to sign, or --attest, a proof in which nothing was found is attested in the repository of the dump. `kvbackup list` shows
/// that, and `kvbackup restore --require boot-proven` asks for it.
#[derive(Clone, Debug, Parser)]
#[command(name = "bootproof", version, after_help = NOTES)]
pub struct Args {
    /// A repository, or a namespace like rocksdb:DIR/NAMESPACE or scylla://HOST/KEYSPACE/TABLE
    #[arg(value_name = "REPO|SOURCE")]
    pub(crate) place: OsString,
    #[command(flatten)]
    pub(crate) dump: DumpArgs,
    /// For a SOURCE: the repository with the dump that it must be equal to
    #[arg(id = "other_repository", long = "against-dump", value_name = "REPO")]
    pub(crate) against_dump: Option<RepositoryLocation>,
    /// A certificate to apply, as BCS of a ConfirmedBlockCertificate; may be repeated, and the order counts
    #[arg(long = "cert", value_name = "FILE")]
    pub(crate) certificates: Vec<PathBuf>,
    /// The validator's own secret key: 64 hex digits, or the JSON string that linera writes
    #[arg(long, value_name = "FILE")]
    pub(crate) own_key: Option<PathBuf>,
    /// Where scratch files go, which take the room of the database [default: the system's temporary directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) scratch: Option<PathBuf>,
    /// Hold the database against this genesis, a genesis configuration as linera writes it, and not against what it says itself
    #[arg(long, value_name = "FILE", conflicts_with = "network_description")]
    pub(crate) genesis: Option<PathBuf>,
    /// Expect this hash of the network description, which `bootproof` shows, and other validators should know
    #[arg(long, value_name = "HASH", value_parser = parse_hash)]
    pub(crate) network_description: Option<String>,
    /// Write a page about the proof to this file, which must not lie in what is proven
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) attest: AttestArgs,
    /// The database was begun by a linera without indices of heights and events: old blocks may lack them
    #[arg(long)]
    pub(crate) upgraded: bool,
    #[command(flatten)]
    pub(crate) open: SourceArgs,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    #[command(flatten)]
    console: ConsoleArgs,
}

impl AsRef<ConsoleArgs> for Args {
    fn as_ref(&self) -> &ConsoleArgs {
        &self.console
    }
}

fn parse_hash(text: &str) -> Result<String, String> {
    let is_hash = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash { Ok(text.to_ascii_lowercase()) } else { Err("expected 64 hex digits".to_owned()) }
}

/// Parses a command line, whose first word is the name of the program: returns its arguments, and the options of engines.
///
/// # Errors
///
/// Those of `clap`, also where help or version was asked for.
pub fn parse(
    engines: &Engines,
    words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<(Args, Opening), clap::Error> {
    let command = Args::command().after_long_help(long_help(engines));
    let command = with_engines(command, engines, Some(Role::Source));
    backup_console::parse(
        CommandLine { command, role: |matches| Some((Role::Source, matches)), engines },
        words,
    )
}

fn long_help(engines: &Engines) -> String {
    let codes = exit_codes(DONE, REFUSED, "");
    let (proven, not_proven) = (list(PROVEN), list(NOT_PROVEN));
    format!(
        "{HELP}\n\nWhat is proven when nothing is found:\n{proven}\nWhat is not proven, and why:\n{not_proven}\n{LAYOUTS}\n\n{}\
         {REPOSITORIES}{codes}{}",
        sources(engines),
        ENVIRONMENT.trim_end()
    )
}

/// What exit code 0 means.
const DONE: &str = "nothing was found";
/// What exit code 4 means.
const REFUSED: &str = "another layout, places that lie in each other";

const NOTES: &str = "\
Exit codes: 0 nothing was found; 1 failed; 2 wrong usage; 3 damage or a difference was found; 4 refused; 130 interrupted.
--help shows examples and the options of engines, and says what is proven and what is not.";

const HELP: &str = "\
Examples:
  bootproof /backup/validator
      restores the latest dump, checks all of it, and boots a worker without a key and with a random one
  bootproof /backup/validator --sign-key operator.key --html proof.html
      attests in the repository that it boots, and writes a page about it
  bootproof /backup/stranger --genesis genesis.json
      proves a dump of somebody who is not trusted: all rests on this genesis, and each chain must come from it
  bootproof /backup/validator --dump 3f2a0c11 --cert next.bcs --own-key server.key --json
      boots with the validator's own key, too, and applies the next certificate in each boot
  bootproof rocksdb:/var/lib/linera/validator_0 --against-dump /backup/validator
      copies a namespace, also while a validator has it open, checks it, and compares it with the latest dump
  bootproof scylla://127.0.0.1/kv/validator_0
      does so with a table of ScyllaDB or Apache Cassandra, which is read over CQL and never written to";

const LAYOUTS: &str = "A database of layout linera-0.15 is expected; others are refused.";

/// Parses a command line for a test, without progress.
#[cfg(test)]
pub(crate) fn session(words: &[&str]) -> Result<(Args, backup_console::Session), clap::Error> {
    let engines = Engines::built_in();
    let (args, opening) = parse(&engines, [&["bootproof"], words].concat())?;
    let meter = backup_console::Meter::start(true, false);
    let session = backup_console::Session::new(&engines, opening, args.as_ref(), &meter).unwrap();
    Ok((args, session))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        let command = with_engines(Args::command(), &Engines::built_in(), Some(Role::Source));
        command.debug_assert();
    }

    #[test]
    fn what_names_no_source_and_no_repository_is_refused() {
        for bad in ["", "rocksdb:", "memory:", "scylla:x/y", "cql://host/kv", "scylla://me:secret@host/kv/ns"]
        {
            assert!(session(&[bad]).is_err(), "{bad}");
        }
        for namespace in ["rocksdb:/db/ns", "scylla://host/kv/ns", "cql://host/kv/ns"] {
            assert!(session(&["rocksdb:/db/ns", "--against-dump", namespace]).is_err(), "{namespace}");
        }
    }

    #[test]
    fn all_options_of_sources_are_taken() {
        for (_, option) in Engines::built_in().options(Role::Source) {
            let name = format!("--{}", option.name());
            let line = match option.kind() {
                backup_sources::Kind::Flag => vec!["rocksdb:/db/ns", &name],
                backup_sources::Kind::Text(_) => vec!["rocksdb:/db/ns", &name, "all"],
                backup_sources::Kind::Time => vec!["rocksdb:/db/ns", &name, "30s"],
                _ => vec!["rocksdb:/db/ns", &name, "3"],
            };
            let (_, session) = session(&line).unwrap();
            assert_eq!(session.opening.given().collect::<Vec<_>>(), [option.name()]);
        }
    }
}
