//! What a command prints when it is done: one JSON object, or lines for people.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::{Context, Result};
use backup_format::{Content, EngineError, FormatError, Manifest, ObjectId};
use backup_layout::LayoutError;
use backup_repository::{Dump, RepositoryError, Signed};
use backup_sources::{Engines, SourceError};
use indicatif::{HumanBytes, HumanCount, HumanDuration};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::exit::Exit;
use crate::problem::Problem;
use crate::table::table;

/// Width of the labels of lines for people.
const LABEL: usize = 13;

/// Fields of a manifest that tell nothing about a dump, or are long and of no use without it.
const UNREPORTED: [&str; 4] = ["format", "version", "requires", "lthash"];

/// The result of a command, in both forms.
#[derive(Debug, Default)]
pub(crate) struct Report {
    fields: Map<String, Value>,
    text: String,
    timed: bool,
    /// What makes the run fail, although there is something to print.
    pub(crate) failure: Option<Problem>,
}

impl Report {
    /// Adds a field of the JSON object.
    pub(crate) fn field(&mut self, name: &str, value: impl Serialize) {
        let value = serde_json::to_value(value).expect("reports hold only texts, numbers, lists and maps");
        self.fields.insert(name.to_owned(), value);
    }

    /// Adds a line for people.
    pub(crate) fn line(&mut self, label: &str, text: impl std::fmt::Display) {
        writeln!(self.text, "{label:<LABEL$}{text}").expect("a String takes everything");
    }

    /// Adds text for people as it is.
    pub(crate) fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Says how long the command took when it is printed.
    pub(crate) fn timed(mut self) -> Self {
        self.timed = true;
        self
    }

    /// Adds a dump: fields with the manifest's names, and lines that tell the most of it.
    pub(crate) fn dump(&mut self, id: ObjectId, manifest: &Manifest) {
        self.line("dump", id);
        self.unmade_dump(manifest);
        self.field("dump", id);
        self.field("root", manifest.root);
    }

    /// Adds a dump that was not made: it has no id, and its root page is nowhere.
    pub(crate) fn unmade_dump(&mut self, manifest: &Manifest) {
        for (name, value) in manifest_fields(manifest) {
            self.fields.insert(name, value);
        }
        self.field("dump", Value::Null);
        self.field("root", Value::Null);
        self.line("digest", manifest.digest);
        let source = &manifest.source;
        self.line("namespace", format_args!("{} ({})", manifest.namespace, engine_and_layout(source)));
        self.line("content", content(manifest));
        self.line("consistency", manifest.consistency);
        if let Some(origin) = &source.origin {
            self.line("origin", origin);
        }
    }

    /// Says who signed a dump.
    pub(crate) fn signed(&mut self, signed: Signed) {
        self.field("signed_by", signed_by(signed));
        self.field("signature", signature(signed));
        self.line("signature", signed_text(signed));
    }

    /// Adds a table of kinds for people, unless the layout knows none.
    pub(crate) fn with_contents(mut self, contents: Vec<Content>) -> Self {
        if !contents.is_empty() {
            self.text.push('\n');
            self.text.push_str(&contents_table(&contents, 0));
            self.text.push('\n');
        }
        self
    }

    /// Prints to stdout. A reader that went away is no error.
    pub(crate) fn print(mut self, as_json: bool, took: Duration) -> Result<()> {
        let text = if as_json {
            let seconds = (took.as_secs_f64() * 1e3).round() / 1e3;
            self.field("seconds", seconds);
            format!("{}\n", Value::Object(self.fields))
        } else {
            if self.timed {
                self.line("time", time(took));
            }
            self.text
        };
        print(&text)
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
    let value = serde_json::to_value(manifest).expect("a manifest has only texts, numbers, lists and maps");
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

/// Writes text to stdout. A reader that went away is no error: it has what it wanted.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("writing to stdout"),
        _ => Ok(()),
    }
}

/// Writes an error to stderr: one JSON object on one line, or its text and its causes.
/// What a server answered is shown only when `verbose`.
pub(crate) fn print_error(error: &anyhow::Error, (as_json, verbose): (bool, bool), engines: &Engines) {
    let exit = Exit::of(error);
    let causes = causes(error, verbose);
    let text = if as_json {
        let mut fields = error.downcast_ref().map_or_else(Map::new, Problem::fields);
        fields.insert("error".to_owned(), json!(error.to_string()));
        fields.insert("causes".to_owned(), json!(causes));
        fields.insert("exit_code".to_owned(), json!(exit.code()));
        if let Some(advice) = advice(error, engines) {
            fields.insert("advice".to_owned(), json!(advice));
        }
        Value::Object(fields).to_string()
    } else {
        let lines = causes.iter().map(|cause| format!("\n  caused by: {cause}"));
        let advice = advice(error, engines).map(|advice| format!("\n  {advice}")).unwrap_or_default();
        format!("error: {error}{}{advice}", lines.collect::<String>())
    };
    // Where stderr cannot be written to there is nobody left to tell.
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Names the option that helps, when there is one.
fn advice(error: &anyhow::Error, engines: &Engines) -> Option<&'static str> {
    error.chain().find_map(|cause| {
        if let Some(advice) = engine_error(cause).and_then(|error| engines.advice(error)) {
            return Some(advice);
        }
        // Engines keep it in a box, which is a link of the chain itself.
        let layout = cause.downcast_ref::<Box<LayoutError>>().map(|error| &**error);
        let format = match layout.or_else(|| cause.downcast_ref()) {
            Some(LayoutError::TooLong(error)) => Some(error),
            _ => cause.downcast_ref::<FormatError>(),
        };
        if format.is_some_and(FormatError::asks_for_higher_limit) {
            return Some("--max-value SIZE raises the limit");
        }
        match cause.downcast_ref::<RepositoryError>()? {
            error @ RepositoryError::Store { problem, .. } if !problem.is_empty() => {
                Some(match error.is_transient() {
                    true => {
                        "--store-patience TIME waits longer for a store; --verbose shows what it answered"
                    }
                    false => "--verbose shows what the store answered",
                })
            }
            RepositoryError::NoLatest { .. } | RepositoryError::Uncertain { .. } => {
                Some("--dump ID names a dump; `kvbackup list` shows their ids")
            }
            RepositoryError::ConfigLost { .. } => {
                Some("kvbackup repair REPO puts it back; --from COPY names another copy of the repository")
            }
            RepositoryError::Sign { source: None, .. } => Some("--sign-key FILE names the key to sign with"),
            RepositoryError::MissingDump { .. } => {
                Some("`kvbackup forget REPO --missing ID` accepts that a dump is lost")
            }
            RepositoryError::Shrunk { .. } => Some("--max-shrink PERCENT allows it"),
            RepositoryError::ClockBehind { .. } => Some("--allow-clock-behind allows it"),
            _ => None,
        }
    })
}

fn engine_error<'e>(cause: &'e (dyn std::error::Error + 'static)) -> Option<&'e EngineError> {
    match cause.downcast_ref::<SourceError>() {
        Some(SourceError::Engine(error) | SourceError::Open { source: error, .. }) => Some(error),
        _ => cause.downcast_ref(),
    }
}

/// Returns the causes of an error, without those whose text the error before them has taken in.
fn causes(error: &anyhow::Error, verbose: bool) -> Vec<String> {
    let mut said = error.to_string();
    let mut causes = Vec::new();
    let is_explained = |cause: &(dyn std::error::Error + 'static)| {
        let error = cause.downcast_ref::<RepositoryError>();
        matches!(error, Some(RepositoryError::Store { problem, .. }) if !problem.is_empty())
    };
    // The error itself stands first, and does not count as a cause.
    let last = error.chain().position(is_explained).filter(|_| !verbose).unwrap_or(usize::MAX);
    for cause in error.chain().take(last.saturating_add(1)).skip(1) {
        let text = cause.to_string();
        if !said.contains(&text) {
            causes.push(text.clone());
            said = text;
        }
    }
    causes
}

/// Names engine, version and layout.
pub(crate) fn engine_and_layout(source: &backup_format::Source) -> String {
    let parts = [&source.engine, &source.engine_version];
    let engine: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).map(String::as_str).collect();
    format!("{}, layout {}", engine.join(" "), source.layout)
}

/// Says how much a dump holds.
pub(crate) fn content(manifest: &Manifest) -> String {
    let (entries, partitions) = (count(manifest.entries, "entry"), count(manifest.partitions, "partition"));
    format!("{entries} in {partitions}, {}", bytes(manifest.plain_bytes))
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

/// Writes a number with its noun in the singular or plural.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let noun = match (number, noun.strip_suffix('y')) {
        (1, _) => noun.to_owned(),
        (_, Some(stem)) => format!("{stem}ies"),
        (_, None) => format!("{noun}s"),
    };
    format!("{} {noun}", HumanCount(number))
}

/// Writes a number of bytes in a unit that people read.
pub(crate) fn bytes(number: u64) -> String {
    HumanBytes(number).to_string()
}

fn time(took: Duration) -> String {
    if took < Duration::from_secs(100) {
        format!("{:.1} s", took.as_secs_f64())
    } else {
        HumanDuration(took).to_string()
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_cause_that_the_error_before_it_quotes_is_not_repeated() {
        let error = anyhow!("no such file").context("opening x: no such file").context("backing up");
        assert_eq!(causes(&error, false), ["opening x: no such file"]);
    }

    #[test]
    fn numbers_have_their_nouns_in_the_right_form() {
        assert_eq!(count(1, "entry"), "1 entry");
        assert_eq!(count(1_234, "entry"), "1,234 entries");
        assert_eq!(count(0, "pack"), "0 packs");
    }
}
