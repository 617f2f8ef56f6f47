//! What a backup found odd, and did not stop for.

use std::fmt;
use std::path::PathBuf;

use backup_format::ObjectId;

/// Something odd that an operator should know, although the dump is good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackupWarning {
    /// The own clock is behind that of an earlier dump.
    #[error(
        "the clock says {now}, and dump {dump:.12} that it was finished at {finished}: one of the two clocks was wrong. \
         The order of dumps does not rest on it"
    )]
    ClockBehind {
        /// The earlier dump.
        dump: ObjectId,
        /// When it was finished, as it says.
        finished: String,
        /// When this backup began.
        now: String,
    },
    /// Manifests cannot be read or are not trusted, so that the dump may follow more than it names.
    #[error(
        "{}: this dump does not follow what they may be, and is not compared with it; `list` names them",
        Unusable { damaged: *damaged, unsupported: *unsupported, untrusted: *untrusted }
    )]
    Unreadable {
        /// How many are damaged.
        damaged: usize,
        /// How many are of a later version.
        unsupported: usize,
        /// How many no trusted key signed.
        untrusted: usize,
    },
    /// The last dump of the namespace was there already.
    #[error("the namespace was retired when this dump was made, so nothing was read and nothing stored")]
    Retired {
        /// That dump.
        dump: ObjectId,
    },
    /// The pages of the dump before cannot be read; verify that dump.
    #[error("dump {dump:.12} cannot be read to compare this one with it: {problem}; verify it")]
    NotCompared {
        /// The dump before.
        dump: ObjectId,
        /// What was wrong.
        problem: String,
    },
    /// Pages or segments of the dump before cannot be read, so segments are stored whole that could be patches.
    #[error(
        "{count} pages or segments of dump {dump:.12} could not be read as bases of patches, and segments were stored whole \
         instead; verify that dump. The first: {problem}"
    )]
    NoBase {
        /// The dump before.
        dump: ObjectId,
        /// How many could not be read.
        count: u64,
        /// What was wrong with the first.
        problem: String,
    },
    /// The sketch of the dump before cannot be used.
    #[error("the sketch {} cannot be used: {problem}; {instead} instead. A new one is written", file.display())]
    UnusableSketch {
        /// Its file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What was done in its place.
        instead: &'static str,
    },
    /// Parts of the sketch of the dump before cannot be used, so segments are stored whole that could be patches.
    #[error(
        "{count} segments of the sketch {} could not be used as bases of patches, and segments were stored whole instead. A new one \
         is written. The first: {problem}",
        file.display()
    )]
    DamagedSketch {
        /// Its file.
        file: PathBuf,
        /// How many segments.
        count: u64,
        /// What was wrong with the first.
        problem: String,
    },
    /// The sketch of the new dump was not written.
    #[error("the sketch {} was not written: {problem}; the next backup cannot use it", file.display())]
    UnwrittenSketch {
        /// Its file.
        file: PathBuf,
        /// What went wrong.
        problem: String,
    },
}

/// How many manifests cannot be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unusable {
    /// Those that are damaged.
    pub damaged: usize,
    /// Those of a later version.
    pub unsupported: usize,
    /// Those that no trusted key signed.
    pub untrusted: usize,
}

impl fmt::Display for Unusable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let manifests = |number, what| match number {
            0 => None,
            1 => Some(format!("1 manifest is {what}")),
            _ => Some(format!("{number} manifests are {what}")),
        };
        let parts = [
            manifests(self.damaged, "damaged"),
            manifests(self.unsupported, "of a later version"),
            manifests(self.untrusted, "not signed by a trusted key"),
        ];
        out.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(" and "))
    }
}
