//! Options that mean the same in all programs.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use backup_format::Limits;
use backup_layout::Layout;
use backup_repository::DumpChoice;
use backup_sources::{Opening, parse_layout, parse_rate, parse_size, parse_time};
use clap::Args;

use crate::problem::Problem;

/// What is printed, and how stores elsewhere are treated: for all commands of a program.
#[derive(Args, Clone, Debug)]
pub struct ConsoleArgs {
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
    /// Take only dumps that are signed by this key, written as it is or in a file of minisign; may be repeated [default: KVBACKUP_TRUST]
    #[arg(long, value_name = "FILE|KEY", global = true, hide_short_help = true)]
    pub(crate) trust: Vec<String>,
    /// Open what is encrypted with the age identity in this file, which only its owner may read; may be repeated [default: KVBACKUP_IDENTITY]
    #[arg(long, value_name = "FILE", global = true, hide_short_help = true)]
    pub(crate) identity: Vec<PathBuf>,
    /// Write to an encrypted repository with the key in this file, which only its owner may read [default: KVBACKUP_REPOSITORY_KEY]
    #[arg(long, value_name = "FILE", global = true, hide_short_help = true)]
    pub(crate) repository_key: Option<PathBuf>,
    /// Remember in this file which dumps were seen, and end with 3 when newer ones than there are were seen before [default: KVBACKUP_STATE]
    #[arg(long, value_name = "FILE", global = true, hide_short_help = true)]
    pub(crate) state: Option<PathBuf>,
    /// Write at most so many bytes a second to a repository, like 2MiB; one pack passes at once
    #[arg(long, value_name = "RATE", value_parser = parse_rate, hide_short_help = true, global = true)]
    pub(crate) limit_upload: Option<NonZeroU64>,
    /// Read at most so many bytes a second from a repository, like 2MiB
    #[arg(long, value_name = "RATE", value_parser = parse_rate, hide_short_help = true, global = true)]
    pub(crate) limit_download: Option<NonZeroU64>,
    /// Show progress also where stderr is no terminal, as a line every 5 seconds
    #[arg(long, global = true)]
    pub(crate) progress: bool,
    /// Show times in UTC, and not in the zone of this machine or of variable TZ; JSON is always in UTC
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) utc: bool,
}

fn parse_patience(text: &str) -> Result<Duration, String> {
    if text == "0" { Ok(Duration::ZERO) } else { parse_time(text) }
}

/// How namespaces and dumps are read, for all commands that do.
#[derive(Args, Clone, Copy, Debug)]
pub struct ReadArgs {
    /// Threads that work at the same time [default: one for each core]
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// Longest value to accept, in bytes or like 300MiB, at most 500MiB; a dump with longer values than the default
    /// needs this also when it is read [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_value: Option<usize>,
}

impl ReadArgs {
    /// Returns how many threads work at the same time; `None` for one for each core.
    #[must_use]
    pub fn workers(&self) -> Option<NonZeroUsize> {
        self.workers
    }

    /// Returns the ceilings on what is read.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.max_value.map_or_else(Limits::default, |bytes| Limits::default().with_value_bytes_max(bytes))
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
pub struct LayoutArgs {
    /// Layout of the namespace, the same as ?layout=NAME behind it: auto, linera-0.15, linera-0.16 or plain
    #[arg(long, value_name = "NAME", value_parser = parse_choice)]
    layout: Option<LayoutChoice>,
}

impl LayoutArgs {
    /// Adds layout and limits to the options of engines that were given.
    #[must_use]
    pub fn opening(&self, given: &Opening, read: &ReadArgs) -> Opening {
        given.clone().with_layout(self.named()).with_limits(read.limits())
    }

    /// Returns the layout that was named; `None` where none was, or `auto`.
    #[must_use]
    pub fn named(&self) -> Option<Layout> {
        self.layout.and_then(|choice| choice.0)
    }
}

/// How a source is opened, beside the options of engines.
#[derive(Args, Clone, Copy, Debug)]
pub struct SourceArgs {
    #[command(flatten)]
    layout: LayoutArgs,
}

impl SourceArgs {
    /// Returns what an engine needs to read: layout, limits, and the options of engines that were given.
    #[must_use]
    pub fn opening(&self, given: &Opening, read: &ReadArgs) -> Opening {
        self.layout.opening(given, read)
    }

    /// Refuses options about a namespace where none is opened. `because` continues the sentence: "and this is a repository".
    ///
    /// # Errors
    ///
    /// [`Problem::Usage`], which names the first such option.
    pub fn refuse(&self, given: &Opening, because: &str) -> Result<(), Problem> {
        let layout = self.layout.layout.map(|_| "layout");
        match layout.or_else(|| given.given().next()) {
            Some(option) => Err(Problem::Usage(format!("--{option} is about a namespace, {because}"))),
            None => Ok(()),
        }
    }
}

/// Which dump of a repository is meant.
#[derive(Args, Clone, Debug)]
pub struct DumpArgs {
    /// The dump: `latest`, or the first 4 to 64 digits of its id [default: latest]
    #[arg(long = "dump", value_name = "ID")]
    choice: Option<DumpChoice>,
}

impl DumpArgs {
    /// Returns true if the option was given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.choice.is_some()
    }

    /// Returns the dump that is meant: the latest, unless another one was named.
    #[must_use]
    pub fn choice(&self) -> DumpChoice {
        self.choice.clone().unwrap_or_default()
    }
}
