//! The command line: what all commands share, and the texts that explain it.

use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use backup_format::Limits;
use backup_layout::Layout;
use backup_repository::{BackupOptions, Compression, Progress};
use backup_sources::{Opening, parse_layout, parse_rate, parse_size, parse_time};
use clap::{Args, Parser, Subcommand};

use crate::commands::{
    backup, completions, copy, digest, export, fence, finish, forget, import, init, inspect, list,
    native_backup, native_restore, probe, prune, repair, restore, stats, unforget, verify,
};
use crate::origin;
use crate::problem::Problem;

/// Back up, verify, restore and move the databases of blockchain validators.
#[derive(Debug, Parser)]
#[command(name = "kvbackup", version, after_help = "--help, instead of -h, says more.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Print one JSON object on stdout instead of text; errors become one JSON object on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show no progress
    #[arg(long, short, global = true, conflicts_with = "progress")]
    pub(crate) quiet: bool,
    /// Show also what the server of an object store answered, word by word
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    /// How long to wait for an object store that does not answer, like 30m or 0 [default: 10m]
    #[arg(long, value_name = "TIME", value_parser = parse_patience, default_value = "10m")]
    #[arg(hide_default_value = true, hide_short_help = true, global = true)]
    pub(crate) store_patience: Duration,
    /// Write at most so many bytes a second to a repository, like 2MiB; one pack passes at once
    #[arg(long, value_name = "RATE", value_parser = parse_rate, hide_short_help = true, global = true)]
    pub(crate) limit_upload: Option<NonZeroU64>,
    /// Read at most so many bytes a second from a repository, like 2MiB
    #[arg(long, value_name = "RATE", value_parser = parse_rate, hide_short_help = true, global = true)]
    pub(crate) limit_download: Option<NonZeroU64>,
    /// Show progress also where stderr is no terminal, as a line every 5 seconds
    #[arg(long, global = true)]
    pub(crate) progress: bool,
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
    Forget(forget::ForgetArgs),
    Unforget(unforget::UnforgetArgs),
    Prune(prune::PruneArgs),
    Stats(stats::StatsArgs),
    Copy(copy::CopyArgs),
    Probe(probe::ProbeArgs),
    Repair(repair::RepairArgs),
    Fence(fence::FenceArgs),
    Inspect(inspect::InspectArgs),
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

/// How namespaces and dumps are read, for all commands that do.
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
            max_shrink_percent: self.shrink.percent(),
            allow_clock_behind: self.allow_clock_behind,
            whole: self.whole,
            dry_run: self.dry_run,
            progress,
            ..BackupOptions::default()
        }
    }
}

fn parse_patience(text: &str) -> Result<Duration, String> {
    if text == "0" { Ok(Duration::ZERO) } else { parse_time(text) }
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

/// A layout, or `auto`.
#[derive(Clone, Copy, Debug)]
struct LayoutChoice(Option<Layout>);

fn parse_choice(text: &str) -> Result<LayoutChoice, String> {
    parse_layout(text).map(LayoutChoice)
}

/// The layout of a namespace.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct LayoutArgs {
    /// Layout of the namespace, the same as ?layout=NAME behind it: auto, linera-0.15, linera-0.16 or plain
    #[arg(long, value_name = "NAME", value_parser = parse_choice)]
    layout: Option<LayoutChoice>,
}

impl LayoutArgs {
    /// Adds layout and limits to the options of engines that were given.
    pub(crate) fn opening(&self, given: &Opening, read: &ReadArgs) -> Opening {
        given.clone().with_layout(self.named()).with_limits(read.limits())
    }

    /// Returns the layout that was named.
    pub(crate) fn named(&self) -> Option<Layout> {
        self.layout.and_then(|choice| choice.0)
    }
}

/// How a source is opened, beside the options of engines.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct SourceArgs {
    #[command(flatten)]
    layout: LayoutArgs,
}

impl SourceArgs {
    /// Returns what an engine needs to read.
    pub(crate) fn opening(&self, given: &Opening, read: &ReadArgs) -> Opening {
        self.layout.opening(given, read)
    }

    /// Refuses options about a namespace where none is opened.
    pub(crate) fn refuse(&self, given: &Opening, because: &str) -> Result<(), Problem> {
        let layout = self.layout.layout.map(|_| "layout");
        match layout.or_else(|| given.given().next()) {
            Some(option) => Err(Problem::Usage(format!("--{option} is about a namespace, {because}"))),
            None => Ok(()),
        }
    }
}

/// What the help says of places, after the schemes of the engines.
pub(crate) const PLACES: &str = "
REPO is where dumps lie: a directory, or a URL:
  s3://BUCKET/PREFIX  gs://BUCKET/PREFIX  az://CONTAINER/PREFIX
A directory whose name looks like a place elsewhere is written ./s3:name.

--dump ID names a dump by the first 4 to 64 digits of its id, which `list` shows; the default is latest, and is refused
where dumps of several namespaces or validators are, or two were made at the same time.
";

/// What the help says of exit codes and variables, and examples.
pub(crate) const EXIT_CODES: &str = "
Exit codes:
  0    done
  1    failed: no such file, disk full, network down
  2    the command line is wrong
  3    damage or a difference was found
  4    refused for safety: target not empty, implausible or much smaller namespace, unclear layout
  130  interrupted by SIGINT, SIGTERM or SIGHUP; backup, copy, fence, finish, import, prune and restore resume when the same command runs again

Environment variables:
  KVBACKUP_CQL_PASSWORD           password of USER in scylla://USER@HOST/.., unless --password-file names its file
  TMPDIR                          where scratch files go
  AWS_*                           credentials and settings for s3://, like AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION,
                                  AWS_ENDPOINT_URL, AWS_CA_BUNDLE; AWS_PROFILE names a profile with keys in ~/.aws
  GOOGLE_*, AZURE_*               the same for gs:// and az://
  KVBACKUP_INSTANCE_CREDENTIALS   true: take credentials from the cloud that this machine runs in
  SSL_CERT_FILE                   certificates to trust in place of the system's
  NO_COLOR                        no colours

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
