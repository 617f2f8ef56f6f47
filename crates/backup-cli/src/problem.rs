//! What the program itself finds wrong.

use backup_format::{Content, DigestState};
use serde_json::{Map, Value, json};

use crate::exit::Exit;
use crate::report::{contents_table, count};

/// An error that comes from no library.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// Arguments that do not go together.
    #[error("{0}")]
    Usage(String),
    /// A limit of this process that is too low to begin.
    #[error("{0}")]
    Limit(String),
    /// Something that would endanger data.
    #[error("{0}")]
    Refused(String),
    /// Damage that was listed, and is no reason to stop.
    #[error("{0}")]
    Damage(String),
    /// A namespace that is not what a dump holds.
    #[error("{0}")]
    Difference(Box<Difference>),
    /// SIGINT, SIGTERM or SIGHUP.
    #[error("interrupted by {signal}; nothing that was there before is changed{}", again(*resumes))]
    Interrupted {
        /// Name of the signal.
        signal: &'static str,
        /// Whether the same command resumes where this one stopped.
        resumes: bool,
    },
}

fn again(resumes: bool) -> &'static str {
    if resumes { ", and running the same command again resumes where this stopped" } else { "" }
}

impl Problem {
    /// Returns how a run ends that ends with this.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Limit(_) => Exit::Failed,
            Self::Refused(_) => Exit::Refused,
            Self::Damage(_) | Self::Difference(_) => Exit::Damage,
            Self::Interrupted { .. } => Exit::Interrupted,
        }
    }

    /// Returns what else a JSON error object says.
    pub(crate) fn fields(&self) -> Map<String, Value> {
        let Self::Difference(difference) = self else { return Map::new() };
        let side = |side: &Side| {
            let DigestState { partitions, entries, .. } = side.state;
            json!({
                "digest": side.state.digest(), "partitions": partitions, "entries": entries, "contents": side.contents,
            })
        };
        let sides = [("expected", side(&difference.expected)), ("found", side(&difference.found))];
        sides.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// A dump and a namespace, side by side.
#[derive(Debug)]
pub(crate) struct Difference {
    /// What was compared with the dump.
    pub(crate) what: String,
    /// What the manifest says.
    pub(crate) expected: Side,
    /// What was read.
    pub(crate) found: Side,
}

/// What one side holds.
#[derive(Debug)]
pub(crate) struct Side {
    /// Digest and counts.
    pub(crate) state: DigestState,
    /// Counts per kind of partition; empty when the layout knows none.
    pub(crate) contents: Vec<Content>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} differs from the dump", self.what)?;
        for (name, side) in [("dump", &self.expected), ("found", &self.found)] {
            let DigestState { partitions, entries, .. } = side.state;
            let (entries, partitions) = (count(entries, "entry"), count(partitions, "partition"));
            write!(out, "\n  {name:<6}{}  {entries} in {partitions}", side.state.digest())?;
        }
        let different = |content: &&Content| !self.expected.contents.contains(content);
        let changed: Vec<_> = self.found.contents.iter().filter(different).cloned().collect();
        let kinds: Vec<_> = changed.iter().map(|content| content.kind.as_str()).collect();
        let gone = |content: &&Content| {
            kinds.contains(&content.kind.as_str())
                || !self.found.contents.iter().any(|c| c.kind == content.kind)
        };
        let before: Vec<_> = self.expected.contents.iter().filter(gone).cloned().collect();
        for (title, contents) in [("in the dump", before), ("found", changed)] {
            if !contents.is_empty() {
                write!(out, "\n  {title}, of the kinds that differ:\n{}", contents_table(&contents, 4))?;
            }
        }
        Ok(())
    }
}
