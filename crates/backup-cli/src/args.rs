//! The command line: what all commands share, and the texts that explain it.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use backup_format::Limits;
use backup_layout::Layout;
use backup_repository::{BackupOptions, Compression, Progress};
use clap::{Args, Parser, Subcommand};

use crate::commands::{
    backup, completions, digest, export, finish, import, inspect, list, native_backup, native_restore,
    restore, verify,
};
#[cfg(feature = "scylla")]
use crate::cql::CqlSourceArgs;
use crate::engine::EngineOptions;
use crate::locator::{LayoutChoice, parse_layout};
use crate::origin;
use crate::problem::Problem;
use crate::units::parse_size;

/// Back up, verify, restore and move the databases of blockchain validators.
#[derive(Debug, Parser)]
#[command(name = "kvbackup", version, after_long_help = HELP, after_help = "--help, instead of -h, tells more.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Print one JSON object on stdout instead of text; errors become one JSON object on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show no progress
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Backup(backup::BackupArgs),
    Finish(finish::FinishArgs),
    Restore(restore::RestoreArgs),
    Verify(verify::VerifyArgs),
    Digest(digest::DigestArgs),
    List(list::ListArgs),
    Inspect(inspect::InspectArgs),
    Import(import::ImportArgs),
    Export(export::ExportArgs),
    NativeBackup(native_backup::NativeBackupArgs),
    NativeRestore(native_restore::NativeRestoreArgs),
    Completions(completions::CompletionsArgs),
}

impl Command {
    /// Tells whether the same command, when it was interrupted, goes on where it stopped.
    pub(crate) fn goes_on(&self) -> bool {
        matches!(self, Self::Backup(_) | Self::Finish(_) | Self::Import(_) | Self::Restore(_))
    }
}

/// How namespaces and dumps are read, whatever for.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct ReadArgs {
    /// Threads that work at the same time [default: one for each core]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<NonZeroUsize>,
    /// Longest value to accept, in bytes or like 300MiB, at most 500MiB; a dump with longer values than the default
    /// needs this also when it is read [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_value: Option<usize>,
}

impl ReadArgs {
    /// Returns the ceilings on what is read.
    pub(crate) fn limits(&self) -> Limits {
        self.max_value.map_or_else(Limits::default, |bytes| Limits::default().with_value_bytes_max(bytes))
    }
}

/// How a dump is written.
#[derive(Args, Clone, Debug)]
pub(crate) struct WriteArgs {
    /// The validator's public key, for the manifest: 66 hex digits (secp256k1), or ed25519: and 64 hex digits
    #[arg(long, value_name = "VALIDATOR_PUBLIC_KEY", value_parser = origin::parse)]
    origin: Option<String>,
    /// How new objects are stored: none, zstd or zstd:LEVEL with a level up to 22
    #[arg(long, value_name = "CODEC", default_value_t)]
    codec: Compression,
    /// Dump also what does not seem to be a validator's namespace, or is empty
    #[arg(long)]
    pub(crate) allow_implausible: bool,
    /// Read and encode everything, and write nothing
    ///
    /// Counts of objects are exact for a repository that exists: a new one draws the salt that decides where segments end.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// A remark for the manifest; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_annotation)]
    annotate: Vec<(String, String)>,
}

impl WriteArgs {
    /// Returns what the backup pump needs.
    pub(crate) fn options(self, read: &ReadArgs, progress: Progress) -> BackupOptions {
        BackupOptions {
            compression: self.codec,
            workers: read.workers,
            limits: read.limits(),
            tool: crate::TOOL.to_owned(),
            origin: self.origin,
            annotations: self.annotate.into_iter().collect(),
            allow_implausible: self.allow_implausible,
            dry_run: self.dry_run,
            progress,
            ..BackupOptions::default()
        }
    }
}

fn parse_annotation(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// The layout of a namespace.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct LayoutArgs {
    /// Layout of the namespace, the same as ?layout=NAME behind it: auto, linera-0.15, linera-0.16 or plain
    #[arg(long, value_name = "NAME", value_parser = parse_layout)]
    layout: Option<LayoutChoice>,
}

impl LayoutArgs {
    /// Returns what an engine needs to write.
    pub(crate) fn options(&self, read: &ReadArgs) -> EngineOptions {
        EngineOptions { layout: self.layout, limits: read.limits(), ..EngineOptions::default() }
    }

    /// Returns the layout that was named.
    pub(crate) fn named(&self) -> Option<Layout> {
        self.layout.and_then(|choice| choice.0)
    }
}

/// How a source is opened.
#[derive(Args, Clone, Debug)]
pub(crate) struct SourceArgs {
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    log: LogArgs,
    #[cfg(feature = "scylla")]
    #[command(flatten)]
    cql: CqlSourceArgs,
}

/// How a source with a write-ahead log is opened.
#[derive(Args, Clone, Debug)]
pub(crate) struct LogArgs {
    /// RocksDB: where the database keeps its write-ahead log, if that is not its own directory
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    wal_dir: Option<PathBuf>,
    /// RocksDB: accept a database without its write-ahead log, like a restored native backup; the latest writes are missing
    /// if it had one
    #[arg(long, hide_short_help = true)]
    allow_missing_log: bool,
}

impl LogArgs {
    /// Returns what an engine needs for a backup of its own.
    pub(crate) fn options(&self) -> EngineOptions {
        EngineOptions {
            wal_dir: self.wal_dir.clone(),
            allow_missing_log: self.allow_missing_log,
            ..EngineOptions::default()
        }
    }
}

impl SourceArgs {
    /// Returns what an engine needs to read.
    pub(crate) fn options(&self, read: &ReadArgs) -> EngineOptions {
        EngineOptions {
            layout: self.layout.layout,
            limits: read.limits(),
            #[cfg(feature = "scylla")]
            cql: self.cql.clone().into(),
            ..self.log.options()
        }
    }

    /// Refuses options about a namespace where none is opened.
    pub(crate) fn refuse(&self, read: &ReadArgs, because: &str) -> Result<(), Problem> {
        match self.options(read).first() {
            Some(option) => Err(Problem::Usage(format!("{option} is about a namespace, {because}"))),
            None => Ok(()),
        }
    }
}

const HELP: &str = "\
SOURCE is a namespace that is read, also while a validator has it open:
  rocksdb:DIR/NAMESPACE           a RocksDB directory with its write-ahead log
  rocksdb-backup:DIR[#ID]         a directory of RocksDB's BackupEngine, the latest backup or number ID
  scylla://[USER@]HOST[:PORT][,HOST[:PORT]..]/KEYSPACE/TABLE
                                  a table of ScyllaDB or Apache Cassandra; the same with cql://
  ...?layout=NAME                 its layout, instead of telling it from the rows

TARGET is a namespace that is written; it must be empty or carry this restore's marker:
  rocksdb:DIR/NAMESPACE           a new RocksDB directory
  scylla://..                     a table that does not exist yet
  memory:                         a rehearsal: restored, read back and compared, then gone

REPO is where dumps lie: a directory, or a URL where the program is built for it:
  s3://BUCKET/PREFIX  gs://BUCKET/PREFIX  az://CONTAINER/PREFIX

--dump ID names a dump by the first 4 to 64 digits of its id, which `list` shows; the default is latest, and is refused
where dumps of several namespaces or validators are, or a clock was wrong.

Exit codes:
  0    done
  1    failed: no such file, disk full, network down
  2    the command line is wrong
  3    damage or a difference was found
  4    refused for safety: target not empty, implausible namespace, unclear layout
  130  interrupted by SIGINT or SIGTERM; backup, finish, import and restore go on when the same command runs again

Environment variables:
  KVBACKUP_CQL_PASSWORD           password of USER in scylla://USER@HOST/.., unless --password-file names its file
  TMPDIR                          where scratch files go
  AWS_*, GOOGLE_*, AZURE_*        credentials and settings of object stores, as their own tools read them
  NO_COLOR                        no colours

Examples:
  kvbackup backup rocksdb:/var/lib/linera/validator_0 /backup/validator --origin 02ab...
  kvbackup verify /backup/validator --level 2
  kvbackup restore /backup/validator rocksdb:/var/lib/copy/validator_0
  kvbackup verify /backup/validator --against rocksdb:/var/lib/copy/validator_0";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn only_what_goes_on_after_an_interruption_says_so() {
        let lines = [
            (&["backup", "rocksdb:db/x", "repo"][..], true),
            (&["finish", "repo", "--job", "j"], true),
            (&["import", "x.bcs", "repo"], true),
            (&["restore", "repo", "memory:"], true),
            (&["verify", "repo"], false),
            (&["export", "repo", "x.bcs"], false),
            (&["native-backup", "rocksdb:db/x", "engine"], false),
            (&["native-restore", "engine", "rocksdb:db/x"], false),
        ];
        for (line, goes_on) in lines {
            let cli = Cli::try_parse_from([&["kvbackup"], line].concat()).unwrap();
            let problem = Problem::Interrupted { signal: "SIGINT", goes_on: cli.command.goes_on() };
            assert_eq!(problem.to_string().contains("goes on where this stopped"), goes_on, "{line:?}");
        }
    }

    #[test]
    fn annotations_have_a_name_and_perhaps_no_value() {
        assert_eq!(parse_annotation("ticket=4=2"), Ok(("ticket".into(), "4=2".into())));
        assert_eq!(parse_annotation("empty="), Ok(("empty".into(), String::new())));
        assert!(parse_annotation("=x").is_err() && parse_annotation("x").is_err());
    }
}
