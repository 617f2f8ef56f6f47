//! What reports say of dumps.

use backup_console::{Report, bytes, count};
use backup_format::{Content, Inventory, Manifest, ObjectId};
use backup_repository::{Dump, RepositoryError, Signed};
use indicatif::HumanCount;
use serde_json::{Map, Value, json};

use crate::table::table;

/// Fields of a manifest that tell nothing about a dump, or are long and of no use without it.
const UNREPORTED: [&str; 5] = ["format", "version", "requires", "lthash", "sealed"];

/// Adds a dump to a report: fields with the manifest's names, and lines that tell the most of it.
pub(crate) fn add_dump(report: &mut Report, id: ObjectId, manifest: &Manifest) {
    report.line("dump", id);
    add_unmade_dump(report, manifest);
    report.field("dump", id);
    report.field("root", manifest.root);
}

/// Adds a dump that was not made: it has no id, and its root page is nowhere.
pub(crate) fn add_unmade_dump(report: &mut Report, manifest: &Manifest) {
    report.fields(manifest_fields(manifest));
    report.field("dump", Value::Null);
    report.field("root", Value::Null);
    match &manifest.inventory {
        Some(inventory) => report.line("digest", inventory.digest),
        None => report.line("digest", "sealed: --identity names what opens it"),
    }
    let source = &manifest.source;
    report.line("namespace", format_args!("{} ({})", manifest.namespace, engine_and_layout(source)));
    report.line("content", content(manifest));
    report.line("consistency", manifest.consistency);
    if let Some(origin) = &source.origin {
        report.line("origin", origin);
    }
    if manifest.last {
        report.line("last dump", "nothing opens the namespace after it");
    }
}

/// Says who signed a dump.
pub(crate) fn add_signed(report: &mut Report, signed: Signed) {
    report.field("signed_by", signed_by(signed));
    report.field("signature", signature(signed));
    report.line("signature", signed_text(signed));
}

/// Adds a table of kinds for people, unless the layout knows none.
pub(crate) fn add_contents(report: &mut Report, contents: &[Content]) {
    if !contents.is_empty() {
        report.text(&format!("\n{}\n", contents_table(contents, 0)));
    }
}

/// Returns the id of the key that a signature names.
pub(crate) fn signed_by(signed: Signed) -> Option<String> {
    match signed {
        Signed::By(key) | Signed::Unchecked(key) => Some(key.to_string()),
        _ => None,
    }
}

/// Returns true if there is a signature of some key.
pub(crate) fn is_signed(signed: Option<Signed>) -> bool {
    signed.and_then(signed_by).is_some()
}

/// Returns what is known of a signature as one word.
pub(crate) fn signature(signed: Signed) -> &'static str {
    match signed {
        Signed::By(_) => "good",
        Signed::Unchecked(_) => "unchecked",
        Signed::Unreadable => "unreadable",
        _ => "none",
    }
}

/// Says who signed a dump.
pub(crate) fn signed_text(signed: Signed) -> String {
    match signed {
        Signed::By(key) => format!("signed by {key}"),
        Signed::Unchecked(key) => format!("says {key}, not checked: --trust names keys"),
        Signed::Unreadable => "what is there is none, and was not checked".to_owned(),
        _ => "unsigned".to_owned(),
    }
}

/// Returns the fields of a manifest that reports show.
pub(crate) fn manifest_fields(manifest: &Manifest) -> Map<String, Value> {
    let mut shown = manifest.clone();
    if shown.inventory.is_some() {
        shown.sealed = None;
    }
    let value = serde_json::to_value(shown).expect("a manifest has only texts, numbers, lists and maps");
    let Value::Object(mut fields) = value else { return Map::new() };
    fields.retain(|name, _| !UNREPORTED.contains(&name.as_str()));
    for name in ["started", "finished"] {
        if let Some(Value::String(time)) = fields.get_mut(name) {
            *time = to_the_second(time);
        }
    }
    fields
}

/// Leaves the fraction out of a time of a manifest: many programs take none.
pub(crate) fn to_the_second(time: &str) -> String {
    time.split_once('.').map_or_else(|| time.to_owned(), |(seconds, _)| format!("{seconds}Z"))
}

/// Returns a dump as it is listed: its id and the fields of its manifest.
pub(crate) fn dump_as_json(dump: &Dump) -> Value {
    let mut fields = manifest_fields(&dump.manifest);
    fields.insert("dump".to_owned(), json!(dump.id));
    Value::Object(fields)
}

/// Writes an error with its causes on one line.
pub(crate) fn full_text(error: &RepositoryError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// Names engine, version and layout.
pub(crate) fn engine_and_layout(source: &backup_format::Source) -> String {
    let parts = [&source.engine, &source.engine_version];
    let engine: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).map(String::as_str).collect();
    format!("{}, layout {}", engine.join(" "), source.layout)
}

/// Says how much a dump holds.
pub(crate) fn content(manifest: &Manifest) -> String {
    let size = bytes(manifest.plain_bytes);
    match &manifest.inventory {
        Some(Inventory { entries, partitions, .. }) => {
            format!("{} in {}, {size}", count(*entries, "entry"), count(*partitions, "partition"))
        }
        None => format!("sealed, {size}"),
    }
}

/// Writes a table of kinds, indented, the largest first.
pub(crate) fn contents_table(contents: &[Content], indent: usize) -> String {
    let mut contents: Vec<_> = contents.iter().collect();
    contents.sort_by_key(|content| std::cmp::Reverse(content.plain_bytes));
    let header = ["kind", "partitions", "entries", "bytes"].map(str::to_owned);
    let rows = contents.into_iter().map(|content| {
        [
            content.kind.clone(),
            HumanCount(content.partitions).to_string(),
            HumanCount(content.entries).to_string(),
            bytes(content.plain_bytes),
        ]
    });
    table(std::iter::once(header).chain(rows).collect(), indent, 1)
}
