//! The command line.

use std::path::PathBuf;

use backup_repository::DumpChoice;
use clap::Parser;

use crate::subject::{Subject, repository};

/// Proves, or refutes, that a dump boots
///
/// A dump is restored into a scratch directory, a namespace is copied there. linera's own storage is opened on it, and
/// every chain is loaded and checked. Then linera's own worker is booted without a key, with a random key, and with the
/// validator's own key if it is given. Neither the dump nor the namespace is written to.
#[derive(Clone, Debug, Parser)]
#[command(name = "bootproof", version, after_help = NOTES, after_long_help = HELP)]
pub struct Args {
    /// A repository (a directory or a URL), or a namespace: rocksdb:DIR/NAMESPACE or scylla://[USER@]HOST[:PORT]/KEYSPACE/TABLE
    #[arg(value_name = "REPO|NAMESPACE")]
    pub subject: Subject,
    /// The dump: `latest`, or the first 4 to 64 digits of its id [default: latest]
    #[arg(long, value_name = "ID")]
    pub dump: Option<DumpChoice>,
    /// For a NAMESPACE: the repository with the dump that it must be equal to
    #[arg(long, value_name = "REPO", value_parser = repository)]
    pub against_dump: Option<String>,
    /// A certificate to apply, as BCS of a ConfirmedBlockCertificate; may be repeated, and the order counts
    #[arg(long = "cert", value_name = "FILE")]
    pub certificates: Vec<PathBuf>,
    /// The validator's own secret key: 64 hex digits, or the JSON string that linera writes
    #[arg(long, value_name = "FILE")]
    pub own_key: Option<PathBuf>,
    /// Where scratch files go, which take the room of the database [default: the system's temporary directory]
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,
    /// Accept a RocksDB directory without its write-ahead log, like a restored native backup
    #[arg(long)]
    pub allow_missing_log: bool,
    /// For a NAMESPACE scylla://USER@..: the file with the user's password
    #[cfg(feature = "scylla")]
    #[arg(long, value_name = "FILE")]
    pub cql_password_file: Option<PathBuf>,
    /// For a NAMESPACE scylla://..: connect with TLS to servers whose certificates a CA in this file (PEM) signed
    #[cfg(feature = "scylla")]
    #[arg(long, value_name = "FILE")]
    pub cql_ca_file: Option<PathBuf>,
    /// The database was begun by a linera without indices of heights and events: old blocks may lack them
    #[arg(long)]
    pub upgraded: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
    /// Print no progress
    #[arg(long, short)]
    pub quiet: bool,
}

impl Args {
    /// Checks what the parser cannot.
    ///
    /// # Errors
    ///
    /// A text that says which options do not go together.
    pub fn check(&self) -> Result<(), String> {
        let is_dump = matches!(self.subject, Subject::Repository(_));
        if is_dump && self.against_dump.is_some() {
            return Err(
                "--against-dump goes with a NAMESPACE; a dump is compared with its own manifest".to_owned()
            );
        }
        if !is_dump && self.dump.is_some() && self.against_dump.is_none() {
            return Err("--dump goes with a REPO, or with --against-dump REPO".to_owned());
        }
        if self.allow_missing_log && !matches!(self.subject, Subject::RocksDb(_)) {
            return Err("--allow-missing-log goes with a NAMESPACE rocksdb:DIR/NAMESPACE".to_owned());
        }
        self.check_cql()
    }

    #[cfg(feature = "scylla")]
    fn check_cql(&self) -> Result<(), String> {
        let Subject::Cql(address) = &self.subject else {
            return match self.cql_password_file.is_some() || self.cql_ca_file.is_some() {
                true => {
                    Err("--cql-password-file and --cql-ca-file go with a NAMESPACE scylla://..".to_owned())
                }
                false => Ok(()),
            };
        };
        match self.cql_password_file.is_some() == address.user().is_some() {
            true => Ok(()),
            false => {
                Err("a user in scylla://USER@.. goes with --cql-password-file FILE, and the other way round"
                    .to_owned())
            }
        }
    }

    #[cfg(not(feature = "scylla"))]
    fn check_cql(&self) -> Result<(), String> {
        Ok(())
    }
}

const NOTES: &str = "\
Exit codes: 0 nothing was found; 3 damage or a difference was found; 1 it could not be done; 2 wrong usage.
--help shows examples, and says what is proven and what is not.";

const HELP: &str = "\
Examples:
  bootproof /backup/validator
      restores the latest dump, checks all of it, and boots a worker without a key and with a random one
  bootproof /backup/validator --dump 3f2a0c11 --cert next.bcs --own-key server.key --json
      boots with the validator's own key, too, and applies the next certificate in each boot
  bootproof rocksdb:/var/lib/linera/validator_0 --against-dump /backup/validator
      copies a namespace, also while a validator has it open, checks it, and compares it with the latest dump
  bootproof scylla://127.0.0.1/kv/validator_0
      does so with a table of ScyllaDB or Apache Cassandra, which is read over CQL and never written to

What is proven when nothing is found:
  - the dump is restored bit by bit: the digest of the restored namespace is that of the manifest
  - every block below each chain's next height is there, hashes to its key, follows the block before it, and has a
    certificate that the committee of its epoch signed; the indices of heights and events, and both logs, agree
  - every blob hashes to its id, and those that blocks need are there; so are the events that blocks published
  - each chain's execution state (balances and all) hashes, from its content, to what the last block's certified header
    says; hashes that are stored beside the content, which linera trusts, are computed again
  - no message is lost between two chains of this database: it waits in the outbox, waits in the inbox, or was received
  - linera's worker boots, reports the same tips, and continues to the blocks of the certificates given

What is not proven, and why:
  - that the network description and its first committee are the right ones: compare them with another validator's
  - that the dump is recent; a validator that boots from an old dump with its own key may sign twice
  - the consensus state of each chain (votes, locks, rounds, pending proposals) and what the worker keeps for itself
    (exported heights, synchronization trackers, expected events, block exporters): only the dump's digest covers it
  - execution states where the committee's policy does not hash the content (FLAG_ZERO_HASH and the like), and chains
    that are not initialized; each is listed under not_proven
  - certificates whose blocks run applications: this program has no Wasm or EVM runtime, and ends with exit code 1

A database of layout linera-0.15 is expected; others are refused.

Exit codes:
  0  nothing was found
  1  it could not be done: no such dump, disk full, another layout
  2  the command line is wrong
  3  damage or a difference was found";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(arguments: &[&str]) -> Args {
        Args::try_parse_from([&["bootproof"], arguments].concat()).unwrap()
    }

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn options_that_do_not_go_together_are_refused() {
        assert!(parse(&["/backup", "--against-dump", "/other"]).check().is_err());
        assert!(parse(&["/backup", "--allow-missing-log"]).check().is_err());
        assert!(parse(&["rocksdb:/db/ns", "--dump", "latest"]).check().is_err());
        assert!(parse(&["rocksdb:/db/ns", "--dump", "latest", "--against-dump", "/backup"]).check().is_ok());
        assert!(parse(&["/backup", "--dump", "3f2a"]).check().is_ok());
    }

    #[cfg(feature = "scylla")]
    #[test]
    fn options_of_one_kind_of_namespace_are_refused_with_another() {
        let table = "scylla://host/kv/ns";
        assert!(parse(&[table]).check().is_ok());
        assert!(parse(&[table, "--allow-missing-log"]).check().is_err());
        assert!(parse(&[table, "--cql-password-file", "f"]).check().is_err());
        assert!(parse(&["scylla://user@host/kv/ns"]).check().is_err());
        assert!(parse(&["scylla://user@host/kv/ns", "--cql-password-file", "f"]).check().is_ok());
        assert!(parse(&[table, "--cql-ca-file", "f"]).check().is_ok());
        assert!(parse(&["rocksdb:/db/ns", "--cql-ca-file", "f"]).check().is_err());
    }
}
