//! The command line: the commands, and what those that write dumps share.

use backup_console::{ConsoleArgs, ReadArgs, SignArgs};
use backup_repository::{BackupOptions, Compression, Progress};
use clap::{Args, Parser, Subcommand};

use crate::commands::{
    backup, completions, copy, diff, digest, export, fence, finish, forget, get, import, init, inspect, key,
    list, ls, metrics, native_backup, native_restore, probe, prune, repair, restore, sign, stats, unforget,
    verify,
};
use crate::origin;

/// Back up, verify, restore and move the databases of blockchain validators.
#[derive(Debug, Parser)]
#[command(name = "kvbackup", version, after_help = "--help, instead of -h, says more.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) console: ConsoleArgs,
}

impl AsRef<ConsoleArgs> for Cli {
    fn as_ref(&self) -> &ConsoleArgs {
        &self.console
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(init::InitArgs),
    Backup(backup::BackupArgs),
    Finish(finish::FinishArgs),
    Restore(restore::RestoreArgs),
    Verify(verify::VerifyArgs),
    Digest(digest::DigestArgs),
    List(list::ListArgs),
    Metrics(metrics::MetricsArgs),
    #[cfg(feature = "report")]
    Report(crate::commands::report::ReportArgs),
    Forget(forget::ForgetArgs),
    Unforget(unforget::UnforgetArgs),
    Prune(prune::PruneArgs),
    Stats(stats::StatsArgs),
    Copy(copy::CopyArgs),
    Probe(probe::ProbeArgs),
    Repair(repair::RepairArgs),
    Fence(fence::FenceArgs),
    Inspect(inspect::InspectArgs),
    Diff(diff::DiffArgs),
    Ls(ls::LsArgs),
    Get(get::GetArgs),
    Key(key::KeyArgs),
    Sign(sign::SignDumpsArgs),
    Import(import::ImportArgs),
    Export(export::ExportArgs),
    NativeBackup(native_backup::NativeBackupArgs),
    NativeRestore(native_restore::NativeRestoreArgs),
    Completions(completions::CompletionsArgs),
}

impl Command {
    /// Returns true if the same command, after it was interrupted, resumes where it stopped.
    pub(crate) fn resumes(&self) -> bool {
        matches!(
            self,
            Self::Backup(_)
                | Self::Copy(_)
                | Self::Fence(_)
                | Self::Finish(_)
                | Self::Import(_)
                | Self::Prune(_)
                | Self::Restore(_)
        )
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
    #[command(flatten)]
    pub(crate) shrink: ShrinkArgs,
    /// Dump although the clock of this machine is behind the time of a dump that is there
    #[arg(long)]
    allow_clock_behind: bool,
    /// Store no segment as a patch of one of the dump before; in a repository of version 1 there are none anyway
    #[arg(long)]
    whole: bool,
    /// Read and encode everything, and write nothing
    ///
    /// Counts of objects are exact for a repository that exists: a new one draws the salt that decides where segments end.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) sign: SignArgs,
    /// A remark for the manifest; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_annotation)]
    annotate: Vec<(String, String)>,
}

impl WriteArgs {
    /// Returns what the backup pump needs.
    pub(crate) fn options(self, read: &ReadArgs, progress: Progress) -> BackupOptions {
        BackupOptions {
            compression: self.codec,
            workers: read.workers(),
            limits: read.limits(),
            tool: crate::TOOL.to_owned(),
            origin: self.origin,
            annotations: self.annotate.into_iter().collect(),
            allow_implausible: self.allow_implausible,
            max_shrink_percent: self.shrink.percent(),
            allow_clock_behind: self.allow_clock_behind,
            whole: self.whole,
            dry_run: self.dry_run,
            progress,
            ..BackupOptions::default()
        }
    }
}

/// How much smaller than the dump before it a dump may be.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct ShrinkArgs {
    /// How many percent fewer entries than the dump before it, of the same namespace and layout, a dump may hold; 100
    /// allows all [default: 20]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(..=100))]
    max_shrink: Option<u8>,
}

impl ShrinkArgs {
    pub(crate) fn is_given(self) -> bool {
        self.max_shrink.is_some()
    }

    pub(crate) fn percent(self) -> u8 {
        self.max_shrink.unwrap_or(BackupOptions::MAX_SHRINK_PERCENT)
    }
}

fn parse_annotation(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// Examples, which the help shows at its end.
pub(crate) const EXAMPLES: &str = "
Examples:
  kvbackup backup rocksdb:/var/lib/linera/validator_0 /backup/validator --origin 02ab...
  kvbackup verify /backup/validator --level 2
  kvbackup restore /backup/validator rocksdb:/var/lib/copy/validator_0
  kvbackup verify /backup/validator --against rocksdb:/var/lib/copy/validator_0";

#[cfg(test)]
mod tests {
    use super::parse_annotation;

    #[test]
    fn annotations_have_a_name_and_perhaps_no_value() {
        assert_eq!(parse_annotation("ticket=4=2"), Ok(("ticket".into(), "4=2".into())));
        assert_eq!(parse_annotation("empty="), Ok(("empty".into(), String::new())));
        assert!(parse_annotation("=x").is_err() && parse_annotation("x").is_err());
    }
}
