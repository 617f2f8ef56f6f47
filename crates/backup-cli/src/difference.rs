//! What verify says of a namespace that is not what a dump holds.

use std::fmt;

use backup_console::{Problem, count};
use backup_format::{Content, DigestState};
use serde_json::{Value, json};

use crate::report::contents_table;

/// A dump and a namespace, side by side.
pub(crate) struct Difference {
    /// What was compared with the dump.
    pub(crate) what: String,
    /// What the manifest says.
    pub(crate) expected: Side,
    /// What was read.
    pub(crate) found: Side,
}

impl From<Difference> for Problem {
    fn from(difference: Difference) -> Self {
        let sides = [("expected", &difference.expected), ("found", &difference.found)];
        let fields = sides.into_iter().map(|(name, side)| (name.to_owned(), side.json())).collect();
        Self::Difference { text: difference.to_string(), fields }
    }
}

/// What one side holds.
pub(crate) struct Side {
    /// Digest and counts.
    pub(crate) state: DigestState,
    /// Counts per kind of partition; empty when the layout knows none.
    pub(crate) contents: Vec<Content>,
}

impl Side {
    fn json(&self) -> Value {
        let DigestState { partitions, entries, .. } = self.state;
        json!({
            "digest": self.state.digest(), "partitions": partitions, "entries": entries, "contents": self.contents,
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
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
