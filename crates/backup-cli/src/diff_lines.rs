//! What differs between two contents, as it is printed: line by line in JSON, and summed up in text.

use std::collections::BTreeMap;

use anyhow::Result;
use backup_console::{Output, Report, bytes, count};
use backup_fence::{ChainId, TIP_KEY, Tip};
use backup_format::show;
use backup_layout::Layout;
use backup_repository::{Change, ChangeCount, Changes, EntryChange, PartitionChange};
use indicatif::HumanCount;
use serde_json::{Value, json};

use crate::looking::{Printed, typed};
use crate::table::table;

/// What is shown beside the sums.
#[derive(Clone, Copy)]
pub(crate) struct Shown {
    /// The most partitions, and the most entries, that the text names.
    pub(crate) most: usize,
    /// Whether entries are shown.
    pub(crate) entries: bool,
}

/// Prints what differs, and sums it up by kind.
pub(crate) struct DiffLines {
    layout: Layout,
    shown: Shown,
    output: Output,
    printed: Printed,
    kinds: BTreeMap<&'static str, OfKind>,
    /// The next height of the chain whose entries come, before and after, if it differs.
    heights: Option<[Option<u64>; 2]>,
    lines: Vec<String>,
    /// Where the line of the partition goes whose entries come.
    begins: usize,
    entry_lines: usize,
    partitions_left_out: u64,
    entries_left_out: u64,
}

/// What differs in partitions of one kind.
#[derive(Default)]
struct OfKind {
    partitions: ChangeCount,
    entries: ChangeCount,
    bytes_before: u64,
    bytes_after: u64,
}

/// The kind of partitions in a layout that knows none.
const NO_KIND: &str = "-";

impl DiffLines {
    pub(crate) fn new(layout: Layout, shown: Shown, output: Output) -> Self {
        Self {
            layout,
            shown,
            output,
            printed: Printed::default(),
            kinds: BTreeMap::new(),
            heights: None,
            lines: Vec::new(),
            begins: 0,
            entry_lines: 0,
            partitions_left_out: 0,
            entries_left_out: 0,
        }
    }

    /// Adds the sums, and the partitions that are named.
    pub(crate) fn finish(self, report: &mut Report) -> Result<()> {
        self.printed.finish()?;
        let as_json = |(kind, of_kind): (&&str, &OfKind)| {
            json!({
                "kind": if *kind == NO_KIND { Value::Null } else { json!(kind) },
                "partitions": changes_as_json(&of_kind.partitions),
                "entries": changes_as_json(&of_kind.entries),
                "bytes_before": of_kind.bytes_before,
                "bytes_after": of_kind.bytes_after,
            })
        };
        report.field("kinds", self.kinds.iter().map(as_json).collect::<Vec<_>>());
        if self.kinds.is_empty() {
            return Ok(());
        }
        report.text(&format!("\n{}\n", sums(&self.kinds)));
        self.lines.iter().for_each(|line| report.text(&format!("{line}\n")));
        let left_out = [(self.partitions_left_out, "partition"), (self.entries_left_out, "entry")];
        for (number, noun) in left_out.into_iter().filter(|(number, _)| *number > 0) {
            report.text(&format!("{} more; --show N names more\n", count(number, noun)));
        }
        report.text("\n");
        Ok(())
    }

    /// Returns the number of partitions that were taken.
    fn partitions(&self) -> u64 {
        self.kinds.values().map(|of_kind| total(&of_kind.partitions)).fold(0, u64::saturating_add)
    }

    fn name(&self, root_key: &[u8]) -> String {
        self.layout.words(root_key).unwrap_or_else(|| format!("root key {}", show(root_key)))
    }

    fn entry_line(&self, change: &EntryChange<'_>) -> String {
        let mut line = format!("    {} key {}", sign(change.change()), show(change.key));
        if let Some(words) = self.layout.key_words(change.root_key, change.key) {
            line += &format!(" ({words})");
        }
        let size = |value: &[u8]| bytes(value.len() as u64);
        line += &match (change.before, change.after) {
            (Some(before), Some(after)) => format!("  {} > {}", size(before), size(after)),
            (before, after) => format!("  {}", size(before.or(after).unwrap_or_default())),
        };
        line
    }

    fn partition_line(&self, change: &PartitionChange<'_>) -> String {
        let ChangeCount { added, removed, changed } = change.entries;
        let counts =
            [("+", added), ("-", removed), ("~", changed)].into_iter().filter(|(_, number)| *number > 0);
        let counts: Vec<_> = counts.map(|(sign, number)| format!("{sign}{}", HumanCount(number))).collect();
        let mut line =
            format!("{} {}  {} entries", sign(change.change), self.name(change.root_key), counts.join(" "));
        if let Some([before, after]) = self.heights {
            let text =
                |height: Option<u64>| height.map_or_else(|| "none".to_owned(), |height| height.to_string());
            line += &format!(", next height {} > {}", text(before), text(after));
        }
        line
    }

    fn partition_object(&self, change: &PartitionChange<'_>) -> Value {
        let mut fields = json!({
            "change": name_of(change.change),
            "kind": self.layout.kind(change.root_key),
            "root_key": hex::encode(change.root_key),
            "words": self.layout.words(change.root_key),
            "entries": changes_as_json(&change.entries),
            "bytes_before": change.bytes_before,
            "bytes_after": change.bytes_after,
        });
        if let Some([before, after]) = self.heights {
            fields["next_height_before"] = json!(before);
            fields["next_height_after"] = json!(after);
        }
        typed("partition", fields)
    }

    fn entry_object(&self, change: &EntryChange<'_>) -> Value {
        let fields = json!({
            "change": name_of(change.change()),
            "kind": self.layout.kind(change.root_key),
            "root_key": hex::encode(change.root_key),
            "key": hex::encode(change.key),
            "words": self.layout.key_words(change.root_key, change.key),
            "bytes_before": change.before.map(<[u8]>::len),
            "bytes_after": change.after.map(<[u8]>::len),
        });
        typed("entry", fields)
    }
}

impl Changes for DiffLines {
    fn entry(&mut self, change: &EntryChange<'_>) {
        if let Some(heights) = heights(self.layout, change) {
            self.heights = Some(heights);
        }
        if !self.shown.entries || !self.printed.is_good() {
            return;
        }
        if self.output.is_json() {
            self.printed.note(self.output.object(&self.entry_object(change)));
        } else if self.entry_lines < self.shown.most && self.partitions() < self.shown.most as u64 {
            self.entry_lines += 1;
            self.lines.push(self.entry_line(change));
        } else {
            self.entries_left_out += 1;
        }
    }

    fn partition(&mut self, change: &PartitionChange<'_>) {
        let of_kind = self.kinds.entry(self.layout.kind(change.root_key).unwrap_or(NO_KIND)).or_default();
        of_kind.partitions.add(change.change);
        let ChangeCount { added, removed, changed } = change.entries;
        of_kind.entries.added = of_kind.entries.added.saturating_add(added);
        of_kind.entries.removed = of_kind.entries.removed.saturating_add(removed);
        of_kind.entries.changed = of_kind.entries.changed.saturating_add(changed);
        of_kind.bytes_before = of_kind.bytes_before.saturating_add(change.bytes_before);
        of_kind.bytes_after = of_kind.bytes_after.saturating_add(change.bytes_after);
        if self.output.is_json() {
            let printed = self.output.object(&self.partition_object(change));
            self.printed.note(printed);
        } else if self.partitions() <= self.shown.most as u64 {
            self.lines.insert(self.begins, self.partition_line(change));
            self.begins = self.lines.len();
        } else {
            self.partitions_left_out += 1;
        }
        self.heights = None;
    }
}

/// Decodes the next height of a chain, where the entry that tells it differs.
fn heights(layout: Layout, change: &EntryChange<'_>) -> Option<[Option<u64>; 2]> {
    if layout != Layout::Linera015 || change.key != TIP_KEY {
        return None;
    }
    let chain = ChainId::of_root_key(change.root_key)?;
    let height = |row: Option<&[u8]>| match row {
        None => Some(None),
        Some(row) => Tip::decode(chain, Some(row)).ok().map(|tip| Some(tip.next_height)),
    };
    Some([height(change.before)?, height(change.after)?])
}

fn total(count: &ChangeCount) -> u64 {
    count.added.saturating_add(count.removed).saturating_add(count.changed)
}

pub(crate) fn changes_as_json(count: &ChangeCount) -> Value {
    json!({ "added": count.added, "removed": count.removed, "changed": count.changed })
}

fn name_of(change: Change) -> &'static str {
    match change {
        Change::Added => "added",
        Change::Removed => "removed",
        Change::Changed => "changed",
    }
}

fn sign(change: Change) -> char {
    match change {
        Change::Added => '+',
        Change::Removed => '-',
        Change::Changed => '~',
    }
}

/// Writes the sums as a table.
fn sums(kinds: &BTreeMap<&'static str, OfKind>) -> String {
    let header =
        ["kind", "partitions +", "-", "~", "entries +", "-", "~", "bytes before", "after"].map(str::to_owned);
    let rows = kinds.iter().map(|(kind, of_kind)| {
        let OfKind { partitions, entries, bytes_before, bytes_after } = of_kind;
        let number = |number: u64| HumanCount(number).to_string();
        [
            (*kind).to_owned(),
            number(partitions.added),
            number(partitions.removed),
            number(partitions.changed),
            number(entries.added),
            number(entries.removed),
            number(entries.changed),
            bytes(*bytes_before),
            bytes(*bytes_after),
        ]
    });
    table(std::iter::once(header).chain(rows).collect(), 0, 1)
}
