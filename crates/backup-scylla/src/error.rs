//! What can go wrong with a namespace in ScyllaDB or Cassandra, and what it means.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use backup_format::{ContractError, EngineError, ErrorClass};
use backup_layout::LayoutError;

use crate::obstacle::Obstacle;

/// An error of a namespace in ScyllaDB or Cassandra.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CqlError {
    /// A text that is not an address.
    #[error("{text:?} is not the address of a namespace: {problem}")]
    Address {
        /// The text, without a password.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A name that no consistency level has.
    #[error("unknown consistency level {name:?}; expected one, local_one, quorum, local_quorum or all")]
    UnknownLevel {
        /// The name.
        name: String,
    },
    /// A call from outside of a tokio runtime.
    #[error(
        "{address}: no tokio runtime is running here, and the driver needs one with time and I/O enabled"
    )]
    NoRuntime {
        /// Address of the namespace.
        address: String,
    },
    /// A user without a password, or a password without a user.
    #[error("{address}: {problem}")]
    Login {
        /// Address of the namespace.
        address: String,
        /// What is missing.
        problem: &'static str,
    },
    /// Certificates that cannot be used.
    #[error("reading certificates from {}", path.display())]
    Certificates {
        /// Their file.
        path: PathBuf,
        /// The cause.
        source: Box<dyn Error + Send + Sync>,
    },
    /// No server answers, or none accepts the connection.
    #[error("connecting to {address}{}", obstacle.advice())]
    Connect {
        /// Address of the namespace.
        address: String,
        /// What is in the way.
        obstacle: Obstacle,
        /// What the driver says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A request that failed, even when it was repeated.
    #[error("{doing} {address}: {tries} tries in {:.1} s", elapsed.as_secs_f32())]
    Request {
        /// What was being done.
        doing: &'static str,
        /// Address of the namespace.
        address: String,
        /// How often it was tried.
        tries: u32,
        /// How long.
        elapsed: Duration,
        /// Whether the error is transient.
        class: ErrorClass,
        /// What the server or the driver says. Of several errors, the one that says most of the
        /// cause.
        source: Box<dyn Error + Send + Sync>,
    },
    /// An answer that is not what was asked for.
    #[error("{doing} {address}: the answer is not understood")]
    Answer {
        /// What was being done.
        doing: &'static str,
        /// Address of the namespace.
        address: String,
        /// What the driver says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A namespace that is missing.
    #[error("no table {table} in keyspace {keyspace}{hint}")]
    NoTable {
        /// The keyspace.
        keyspace: String,
        /// The table.
        table: String,
        /// A table of a similar name, as `; there is a table x`; empty when there is none.
        hint: String,
    },
    /// A table with other columns than linera's.
    #[error("{address} is not a table of linera: {problem}")]
    ForeignTable {
        /// Address of the namespace.
        address: String,
        /// What is different.
        problem: String,
    },
    /// A cluster that places partitions by another rule.
    #[error("{address}: the servers use {partitioner}; only Murmur3Partitioner is supported")]
    Partitioner {
        /// Address of the namespace.
        address: String,
        /// Name of their partitioner.
        partitioner: String,
    },
    /// Partitions that do not come in the order of their tokens.
    #[error("reading {address}: partition {found} comes after {previous}, against the order of tokens")]
    Order {
        /// Address of the namespace.
        address: String,
        /// Partition key of the one before, in hex, shortened.
        previous: String,
        /// Partition key in hex, shortened.
        found: String,
    },
    /// A row without a value.
    #[error("reading {address}: row {key} of partition {partition_key} has no value")]
    NoValue {
        /// Address of the namespace.
        address: String,
        /// Partition key in hex, shortened.
        partition_key: String,
        /// Key in hex, shortened.
        key: String,
    },
    /// An exclusive partition that changes faster than it can be read.
    #[error(
        "reading {address}: partition {partition_key} was changed during each of {tries} readings; try again when the \
         validator is less busy"
    )]
    Unsteady {
        /// Address of the namespace.
        address: String,
        /// Partition key in hex, shortened.
        partition_key: String,
        /// How often it was read.
        tries: u32,
    },
    /// A journal that waits to be resolved: linera changes the partition when it loads it.
    #[error(
        "looking entries up in {address}: a journal waits in partition {partition_key}, and linera writes more rows when \
         it loads that; let the validator load it, without its key, stop it, and run this again"
    )]
    Journal {
        /// Address of the namespace.
        address: String,
        /// Partition key in hex, shortened.
        partition_key: String,
    },
    /// Rows that do not follow the layout, or a layout that cannot be detected.
    #[error("reading {address}")]
    Layout {
        /// Address of the namespace.
        address: String,
        /// What is wrong.
        source: Box<LayoutError>,
    },
    /// An entry that the target's layout cannot hold.
    #[error("writing to {address}")]
    Entry {
        /// Address of the namespace.
        address: String,
        /// What is wrong.
        source: Box<LayoutError>,
    },
    /// A scratch file that cannot be written or read.
    #[error("{doing} a scratch file in {}", path.display())]
    Scratch {
        /// What was being done.
        doing: &'static str,
        /// Its directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A restore of the same dump that was begun with another layout.
    #[error(
        "restoring into {address}: the restore was begun in layout {found}, not in {expected}; use that layout, or drop \
         the table"
    )]
    OtherLayout {
        /// Address of the namespace.
        address: String,
        /// The layout asked for now.
        expected: &'static str,
        /// The layout that it was begun with.
        found: String,
    },
    /// The comment of a table that says that it is half restored, and is not understood.
    #[error("{address} is half restored, but its comment is not understood: {comment:?}; drop the table")]
    Marker {
        /// Address of the namespace.
        address: String,
        /// The comment.
        comment: String,
    },
    /// An error that means the same in every engine.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// A restore without a layout.
    #[error("{address} cannot be restored to: its layout is not known; say which one it is to have")]
    NoLayout {
        /// Address of the namespace.
        address: String,
    },
    /// A timestamp for restored rows that would hide later writes.
    #[error(
        "{address}: restored rows cannot have timestamp {timestamp}: {clock} says {now}, and it must be before that; \
         rows from the future would hide what is written after the restore"
    )]
    Timestamp {
        /// Address of the namespace.
        address: String,
        /// The timestamp, in microseconds since 1970.
        timestamp: i64,
        /// The clock.
        clock: &'static str,
        /// What it says, in microseconds since 1970.
        now: i64,
    },
    /// A task that ended before its work was done.
    #[error("{doing} {address}: the task ended before its work was done")]
    Task {
        /// What it was doing.
        doing: &'static str,
        /// Address of the namespace.
        address: String,
    },
}

impl CqlError {
    /// Returns what the error means for the caller.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Connect { obstacle, .. } => obstacle.class(),
            Self::Request { class, .. } => *class,
            Self::Layout { source, .. } | Self::Entry { source, .. } => source.class(),
            Self::Contract(error) => error.class(),
            Self::Unsteady { .. } => ErrorClass::Transient,
            Self::Order { .. } | Self::NoValue { .. } => ErrorClass::Damaged,
            Self::ForeignTable { .. }
            | Self::Partitioner { .. }
            | Self::OtherLayout { .. }
            | Self::Marker { .. }
            | Self::Journal { .. }
            | Self::NoLayout { .. }
            | Self::Timestamp { .. } => ErrorClass::Refused,
            Self::Address { .. }
            | Self::UnknownLevel { .. }
            | Self::NoRuntime { .. }
            | Self::Login { .. }
            | Self::Certificates { .. }
            | Self::Answer { .. }
            | Self::NoTable { .. }
            | Self::Scratch { .. }
            | Self::Task { .. } => ErrorClass::Failed,
        }
    }

    /// Returns true if the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.class() == ErrorClass::Transient
    }
}

impl From<CqlError> for EngineError {
    fn from(error: CqlError) -> Self {
        match error {
            CqlError::Contract(error) => error.into(),
            error => Self::new(error.class(), error),
        }
    }
}
