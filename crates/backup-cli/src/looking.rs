//! What the commands share that look into dumps: layouts, root keys in hex, and what was read.

use std::str::FromStr;

use backup_console::{Problem, ReadArgs, Report, Session, bytes, count};
use backup_format::Manifest;
use backup_layout::{Layout, cql};
use backup_repository::{LookCount, LookOptions};
use serde_json::Value;

/// Bytes that are given as hex digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HexBytes(pub(crate) Vec<u8>);

impl FromStr for HexBytes {
    type Err = String;

    /// Reads hex digits, of either case; none are no bytes.
    fn from_str(text: &str) -> Result<Self, String> {
        hex::decode(text)
            .map(Self)
            .map_err(|error| format!("expected hex digits, two for each byte: {error}"))
    }
}

/// Returns the layout of a dump; `plain`, which knows no kinds, for one that this version does not know.
pub(crate) fn layout_of(manifest: &Manifest) -> Layout {
    manifest.source.layout.parse().unwrap_or(Layout::Plain)
}

/// Returns how a dump is read.
pub(crate) fn options(manifest: &Manifest, read: &ReadArgs, session: &Session) -> LookOptions {
    LookOptions {
        limits: read.limits(),
        exclusive: exclusive(layout_of(manifest)),
        progress: session.progress.clone(),
    }
}

fn exclusive(layout: Layout) -> fn(&[u8]) -> bool {
    match layout {
        Layout::Linera015 => |root_key| cql::is_exclusive(Layout::Linera015, root_key),
        Layout::Linera016 => |root_key| cql::is_exclusive(Layout::Linera016, root_key),
        Layout::Plain => |_| false,
    }
}

/// Says what was read, in fields and in a line.
pub(crate) fn add_count(report: &mut Report, read: &LookCount) {
    report.field("pages_read", read.pages_read);
    report.field("segments_read", read.segments_read);
    report.field("bytes_read", read.bytes_read);
    report.field("pages_skipped", read.pages_skipped);
    report.field("segments_skipped", read.segments_skipped);
    report.field("entries_skipped", read.entries_skipped);
    let (segments, pages) = (count(read.segments_read, "segment"), count(read.pages_read, "page"));
    report.line("read", format_args!("{} in {segments} and {pages}", bytes(read.bytes_read)));
    let (segments, pages) = (count(read.segments_skipped, "segment"), count(read.pages_skipped, "page"));
    let entries = count(read.entries_skipped, "entry");
    report.line("not read", format_args!("{pages} and {segments} beside, with {entries}"));
}

/// Writes bytes as hex; none as a hyphen.
pub(crate) fn hex_or_none(bytes: &[u8]) -> String {
    if bytes.is_empty() { "-".to_owned() } else { hex::encode(bytes) }
}

/// Makes the object of a line.
pub(crate) fn typed(kind: &str, mut fields: Value) -> Value {
    fields["type"] = kind.into();
    fields
}

/// Keeps the first error of printing: the reading cannot be stopped.
#[derive(Default)]
pub(crate) struct Printed(Option<anyhow::Error>);

impl Printed {
    pub(crate) fn note(&mut self, result: anyhow::Result<()>) {
        if let (None, Err(error)) = (&self.0, result) {
            self.0 = Some(error);
        }
    }

    pub(crate) fn is_good(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn finish(self) -> anyhow::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// Says that two options need each other.
pub(crate) fn usage(text: &str) -> anyhow::Error {
    Problem::Usage(text.to_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_keys_are_hex_digits() {
        assert_eq!("00aB".parse(), Ok(HexBytes(vec![0, 0xab])));
        assert_eq!("".parse(), Ok(HexBytes(Vec::new())));
        for bad in ["0", "0g", "0x00", " 00"] {
            assert!(bad.parse::<HexBytes>().is_err(), "{bad}");
        }
        assert_eq!((hex_or_none(b""), hex_or_none(b"\x01")), ("-".to_owned(), "01".to_owned()));
    }
}
