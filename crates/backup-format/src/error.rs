//! What can be wrong with the bytes of a dump.

use crate::id::{Kind, ObjectId};

/// An error of the dump schema: malformed bytes, a broken limit, an unknown version.
///
/// None of these goes away by trying again: the bytes are as they are.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Bytes that do not follow the schema.
    #[error("malformed {object} at byte {offset}: {problem}")]
    Malformed {
        /// What was being parsed: segment, page, pack table, ...
        object: &'static str,
        /// Offset in that object's plaintext (in a pack: in the file).
        offset: u64,
        /// What was expected and what was found.
        problem: String,
    },
    /// A length above its ceiling, seen before anything was allocated for it.
    #[error("{object} at byte {offset}: {what} of {found} bytes is longer than the limit of {limit} bytes")]
    TooLong {
        /// What was being parsed or written.
        object: &'static str,
        /// Offset in that object's plaintext; 0 while writing.
        offset: u64,
        /// What is too long: root key, key, value, table, ...
        what: &'static str,
        /// Its length in bytes.
        found: u64,
        /// The ceiling in bytes.
        limit: u64,
    },
    /// An entry of the source whose value, key or root key is above its ceiling.
    #[error(
        "entry root_key={root_key} key={key}: its {what} of {found} bytes is longer than the limit of {limit} bytes{hint}"
    )]
    EntryTooLong {
        /// Root key in hex, shortened.
        root_key: String,
        /// Key in hex, shortened.
        key: String,
        /// root key, key or value.
        what: &'static str,
        /// Its length in bytes.
        found: u64,
        /// The ceiling in bytes.
        limit: u64,
        /// What to do next; may be empty.
        hint: &'static str,
    },
    /// Entries that do not strictly increase in the stated order.
    #[error("entries out of order {order}: root_key={root_key} key={key} does not come after {previous}")]
    OutOfOrder {
        /// Number of the order.
        order: u8,
        /// Root key in hex, shortened.
        root_key: String,
        /// Key in hex, shortened.
        key: String,
        /// The entry before it.
        previous: String,
    },
    /// A plaintext whose hash is not the id under which it was stored.
    #[error("{kind} {expected}: its content hashes to {found}; it was altered after it was written")]
    WrongId {
        /// Segment or page.
        kind: Kind,
        /// The id that refers to it.
        expected: ObjectId,
        /// The id of what was found.
        found: ObjectId,
    },
    /// A version of the format that this reader does not know.
    #[error(
        "{file}: format {format:?} version {version}; this program reads \"{expected}\" up to version {newest}"
    )]
    UnknownVersion {
        /// The file that says so.
        file: &'static str,
        /// The name of the format found there.
        format: String,
        /// The version found there.
        version: u64,
        /// The name of the format that was expected there.
        expected: &'static str,
        /// The latest version that this reader knows.
        newest: u64,
    },
    /// A requirement that this reader does not know.
    #[error("{file} requires {requirement:?}, which this version cannot read; use a newer one")]
    UnknownRequirement {
        /// The file that says so.
        file: &'static str,
        /// The first unknown requirement.
        requirement: String,
    },
    /// JSON that is not a config or manifest.
    #[error("{file} is not valid")]
    Json {
        /// The file.
        file: &'static str,
        /// What the JSON parser says.
        source: serde_json::Error,
    },
    /// A well-formed field with an impossible value.
    #[error("{file}: field {field} is {found}; expected {expected}")]
    Field {
        /// The file.
        file: &'static str,
        /// Name of the field.
        field: &'static str,
        /// What is there.
        found: String,
        /// What is accepted.
        expected: &'static str,
    },
    /// Reading or writing the stream of an upstream file, or of its scratch files.
    #[error("{doing} at byte {offset}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Offset in the stream.
        offset: u64,
        /// The cause.
        source: std::io::Error,
    },
}

impl FormatError {
    /// Returns true if this is about a value that higher [`Limits`](crate::Limits) would accept: nothing is wrong with it.
    #[must_use]
    pub fn asks_for_higher_limit(&self) -> bool {
        match self {
            Self::TooLong { what, found, .. } | Self::EntryTooLong { what, found, .. } => {
                *what == "value" && *found <= crate::limits::VALUE_BYTES_CEILING as u64
            }
            _ => false,
        }
    }

    /// Returns true if the same call may succeed later: only for errors of a stream, never for what bytes say.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == std::io::ErrorKind::Interrupted)
    }
}

/// Writes `bytes` as hex for an error message: whole up to 48 bytes, shortened in the middle above; empty as `(empty)`.
#[must_use]
pub fn show(bytes: &[u8]) -> String {
    const WHOLE: usize = 48;
    match bytes {
        [] => "(empty)".to_owned(),
        _ if bytes.len() <= WHOLE => hex::encode(bytes),
        _ => {
            let head = bytes.get(..WHOLE / 2).unwrap_or_default();
            let tail = bytes.get(bytes.len() - WHOLE / 4..).unwrap_or_default();
            format!("{}..{} ({} bytes)", hex::encode(head), hex::encode(tail), bytes.len())
        }
    }
}
