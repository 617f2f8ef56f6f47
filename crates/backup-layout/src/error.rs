//! What can be wrong between rows and entries.

use backup_format::{ErrorClass, FormatError};

/// An error of a layout: rows that do not follow it, or a layout that cannot be detected.
///
/// None of these goes away by trying again, but for [`LayoutError::Index`], whose source knows. Root keys and keys
/// are in hex, long ones shortened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// A name that no layout has.
    #[error("unknown layout {name:?}; expected linera-0.15, linera-0.16 or plain")]
    UnknownName {
        /// The name.
        name: String,
    },
    /// A database without rows.
    #[error(
        "cannot tell the layout of a database without rows; name it with ?layout=linera-0.15, linera-0.16 or plain"
    )]
    Empty,
    /// A database that no layout fits, or more than one.
    #[error(
        "cannot tell the layout: {seen}; if you know it, name it with ?layout=linera-0.15, linera-0.16 or plain"
    )]
    Undetectable {
        /// What the sampled rows look like.
        seen: String,
    },
    /// A database in a layout that is known but not supported.
    #[error("unsupported layout: {seen}; {next}")]
    Unsupported {
        /// What the sampled rows look like, and which layout that is.
        seen: &'static str,
        /// What to do next.
        next: &'static str,
    },
    /// A database that is surely not in the layout that was asked for.
    #[error(
        "the rows are in layout {found}, not in {asked}; leave out ?layout={asked}, or say ?layout={found}"
    )]
    WrongLayout {
        /// Name of the layout that was asked for.
        asked: &'static str,
        /// Name of the layout that the rows have.
        found: &'static str,
    },
    /// A row whose key is empty, where every key has a first byte that tells what the row is.
    #[error("a row with an empty key in layout {layout}, where keys start with 00 (data) or 01 (index)")]
    EmptyRowKey {
        /// Name of the layout.
        layout: &'static str,
    },
    /// A row whose key starts with an unknown byte.
    #[error(
        "row {row_key}: its key starts with neither 00 (data) nor 01 (index) as layout {layout} has it; \
         is it the right layout?"
    )]
    ForeignRow {
        /// Name of the layout.
        layout: &'static str,
        /// The row's key.
        row_key: String,
    },
    /// A row of `linera-0.16` whose root key has no valid length.
    #[error("row {row_key}: cannot read the length of its root key as layout linera-0.16 has it")]
    LengthPrefix {
        /// The row's key.
        row_key: String,
        /// What is wrong with it.
        source: FormatError,
    },
    /// A row of `linera-0.15` whose root key nothing tells.
    #[error(
        "row {row_key}: cannot tell where its root key ends: no root key of the index is a prefix of it, \
         and it has none of the shapes of linera 0.15"
    )]
    UnknownRootKey {
        /// The row's key.
        row_key: String,
    },
    /// Two root keys of `linera-0.15` whose rows cannot be distinguished.
    #[error(
        "root key {shorter} is a prefix of root key {longer}: in layout linera-0.15 their rows cannot be \
         distinguished; ?layout=plain copies the rows as they are"
    )]
    NestedRootKeys {
        /// The shorter root key.
        shorter: String,
        /// The longer root key.
        longer: String,
    },
    /// An index that does not give its root keys in ascending order.
    #[error("reading the index of root keys: {found} comes after {previous}; expected ascending root keys")]
    IndexOrder {
        /// The root key before it.
        previous: String,
        /// The root key.
        found: String,
    },
    /// An index that cannot be read.
    #[error("reading the index of root keys after {previous}")]
    Index {
        /// The last root key read before.
        previous: String,
        /// The engine's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row whose key has no room for the number of its segment.
    #[error(
        "root key {root_key}: stored key {stored_key} has {found} bytes; expected at least 4, \
         the number of its segment"
    )]
    NoSegmentNumber {
        /// The root key.
        root_key: String,
        /// What follows the root key in the row's key.
        stored_key: String,
        /// Its length in bytes.
        found: usize,
    },
    /// A segment 0 that does not say how many segments follow.
    #[error(
        "entry root_key={root_key} key={key}: segment 0 starts with {found}; expected the number of segments, \
         4 bytes and at least 1"
    )]
    NoSegmentCount {
        /// The root key.
        root_key: String,
        /// The key.
        key: String,
        /// The first bytes of the segment, up to 4.
        found: String,
    },
    /// A split value of which a segment is not where it must be.
    #[error(
        "entry root_key={root_key} key={key}: segment {segment} of {count} is missing; \
         the value is damaged, take it from another copy of the database"
    )]
    MissingSegment {
        /// The root key.
        root_key: String,
        /// The key.
        key: String,
        /// Number of the missing segment, from 0.
        segment: u32,
        /// Number of segments that segment 0 announces.
        count: u32,
    },
    /// A partition of a table whose key starts with an unknown byte.
    #[error(
        "partition {partition_key}: its key does not start with 00 as layout {layout} has it; is it the right layout?"
    )]
    ForeignPartition {
        /// Name of the layout.
        layout: &'static str,
        /// The partition key.
        partition_key: String,
    },
    /// A row with an empty key that is no sentinel.
    #[error(
        "root key {root_key}: the row with the empty key has {found} bytes; linera keeps an empty value there"
    )]
    SentinelValue {
        /// The root key.
        root_key: String,
        /// Length of its value in bytes.
        found: usize,
    },
    /// An entry with an empty key in a layout that keeps a sentinel there.
    #[error(
        "root key {root_key}: an entry with an empty key, which layout linera-0.16 cannot hold in a table"
    )]
    EmptyKey {
        /// The root key.
        root_key: String,
    },
    /// A header of a journal that does not say how many blocks there are.
    #[error(
        "root key {root_key}: the header of its journal is {found}; expected the number of blocks, 4 bytes \
         little-endian and at least 1"
    )]
    JournalHeader {
        /// The root key.
        root_key: String,
        /// The header's value.
        found: String,
    },
    /// A block of a journal that is not there.
    #[error(
        "root key {root_key}: block {block} of the {count} blocks of its journal is missing; linera cannot load the \
         partition either, take it from another copy of the database"
    )]
    JournalBlockMissing {
        /// The root key.
        root_key: String,
        /// Number of the first missing block, from 0.
        block: u32,
        /// Number of blocks that the header announces.
        count: u32,
    },
    /// A block of a journal that is no list of operations.
    #[error("root key {root_key}: cannot read block {block} of its journal")]
    JournalBlock {
        /// The root key.
        root_key: String,
        /// Number of the block, from 0.
        block: u32,
        /// What is wrong with it.
        source: FormatError,
    },
    /// An operation that linera writes into no journal.
    #[error(
        "root key {root_key}: block {block} of its journal has an operation on key or prefix {key}: {problem}"
    )]
    JournalKey {
        /// The root key.
        root_key: String,
        /// Number of the block, from 0.
        block: u32,
        /// The key or the prefix.
        key: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A journal that needs more memory than it may take.
    #[error(
        "root key {root_key}: its journal needs more than the limit of {limit} bytes of memory; raise the limit"
    )]
    JournalTooLong {
        /// The root key.
        root_key: String,
        /// The ceiling in bytes.
        limit: u64,
    },
    /// An entry of which a part is above its ceiling.
    #[error("{0}")]
    TooLong(FormatError),
}

impl LayoutError {
    /// Returns what the error means for the caller.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::UnknownName { .. } | Self::Index { .. } | Self::IndexOrder { .. } => ErrorClass::Failed,
            Self::Empty
            | Self::Undetectable { .. }
            | Self::Unsupported { .. }
            | Self::WrongLayout { .. }
            | Self::NestedRootKeys { .. }
            | Self::JournalTooLong { .. }
            | Self::EmptyKey { .. }
            | Self::TooLong(_) => ErrorClass::Refused,
            Self::EmptyRowKey { .. }
            | Self::ForeignRow { .. }
            | Self::LengthPrefix { .. }
            | Self::UnknownRootKey { .. }
            | Self::NoSegmentNumber { .. }
            | Self::NoSegmentCount { .. }
            | Self::MissingSegment { .. }
            | Self::ForeignPartition { .. }
            | Self::SentinelValue { .. }
            | Self::JournalHeader { .. }
            | Self::JournalBlockMissing { .. }
            | Self::JournalBlock { .. }
            | Self::JournalKey { .. } => ErrorClass::Damaged,
        }
    }
}
