//! What can go wrong with a namespace in ScyllaDB or Cassandra, and what it means.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use backup_format::{EngineError, ErrorClass, FormatError, ObjectId};
use backup_layout::LayoutError;

use crate::obstacle::Obstacle;

/// An error of a namespace in ScyllaDB or Cassandra.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CqlError {
    /// A text that is no address.
    #[error("{text:?} is no address of a namespace: {problem}")]
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
    /// A call from outside of an async runtime.
    #[error(
        "{address}: no tokio runtime is running here, and the driver needs one with time and I/O enabled"
    )]
    NoRuntime {
        /// Address of the namespace.
        address: String,
    },
    /// A user without a password, or the other way round.
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
    /// No server answers, or none lets us in.
    #[error("connecting to {address}{}", obstacle.advice())]
    Connect {
        /// Address of the namespace.
        address: String,
        /// What is in the way.
        obstacle: Obstacle,
        /// What the driver says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A request that failed, also when it was repeated.
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
        /// Whether trying again later may help.
        class: ErrorClass,
        /// What the server or the driver says. Of several errors it is the one that tells most.
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
    /// A namespace that is not there.
    #[error("no table {table} in keyspace {keyspace}{hint}")]
    NoTable {
        /// The keyspace.
        keyspace: String,
        /// The table.
        table: String,
        /// A table of a similar name, as `; there is a table x`; empty when there is none.
        hint: String,
    },
    /// A table of another kind.
    #[error("{address} is no table of linera: {problem}")]
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
    /// A partition that its owner changes faster than it can be read.
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
    /// Rows that do not follow the layout, or a layout that cannot be told.
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
    /// A share that this snapshot did not make.
    #[error("{address}: a share is not one of its own")]
    Share {
        /// Address of the namespace.
        address: String,
        /// What is wrong with its token.
        source: Box<FormatError>,
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
    /// A namespace that was not restored to its end.
    #[error("{address} is half restored from dump {dump}; restore that dump again, or drop the table")]
    HalfRestored {
        /// Address of the namespace.
        address: String,
        /// Id of the dump.
        dump: String,
    },
    /// A target that is there already.
    #[error(
        "restore target {address} exists; restore to another name, or drop the table first, even if it is empty: \
         deleted rows may still hide new ones"
    )]
    TargetExists {
        /// Address of the namespace.
        address: String,
    },
    /// A target with a restore of another dump.
    #[error(
        "{address} holds a restore of another dump, which was not completed; complete it by restoring dump {dump} \
         again, or drop the table"
    )]
    OtherRestore {
        /// Address of the namespace.
        address: String,
        /// Id of its dump.
        dump: String,
    },
    /// A restore of the same dump that was begun in another way.
    #[error("{address} was begun with {what} {found}, not {expected}; go on with that, or drop the table")]
    OtherPlan {
        /// Address of the namespace.
        address: String,
        /// What differs: layout or order.
        what: &'static str,
        /// What was asked for now.
        expected: String,
        /// What it was begun with.
        found: String,
    },
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
        /// Whose clock.
        clock: &'static str,
        /// What it says, in microseconds since 1970.
        now: i64,
    },
    /// A unit that did not bring as many entries as announced.
    #[error("restoring page {page}: expected {expected} entries, found {found}")]
    UnitEntries {
        /// Id of the page.
        page: ObjectId,
        /// Number announced.
        expected: u64,
        /// Number written.
        found: u64,
    },
    /// A restore that was to be completed before all of it was written.
    #[error("completing the restore of {address}: expected {expected} entries, {found} were written")]
    Incomplete {
        /// Address of the namespace.
        address: String,
        /// Number planned.
        expected: u64,
        /// Number written.
        found: u64,
    },
    /// A call in a state of the restore that does not allow it.
    #[error("restore of {address}: {problem}")]
    Stage {
        /// Address of the namespace.
        address: String,
        /// What is not possible, and what to do.
        problem: &'static str,
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
    /// Returns what the error means for whoever called.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Connect { obstacle, .. } => obstacle.class(),
            Self::Request { class, .. } => *class,
            Self::Layout { source, .. } | Self::Entry { source, .. } => source.class(),
            Self::Unsteady { .. } => ErrorClass::Transient,
            Self::Order { .. } | Self::NoValue { .. } => ErrorClass::Damaged,
            Self::ForeignTable { .. }
            | Self::Partitioner { .. }
            | Self::HalfRestored { .. }
            | Self::TargetExists { .. }
            | Self::OtherRestore { .. }
            | Self::OtherPlan { .. }
            | Self::NoLayout { .. }
            | Self::Timestamp { .. } => ErrorClass::Refused,
            Self::Address { .. }
            | Self::UnknownLevel { .. }
            | Self::NoRuntime { .. }
            | Self::Login { .. }
            | Self::Certificates { .. }
            | Self::Answer { .. }
            | Self::NoTable { .. }
            | Self::Share { .. }
            | Self::Scratch { .. }
            | Self::UnitEntries { .. }
            | Self::Incomplete { .. }
            | Self::Stage { .. }
            | Self::Task { .. } => ErrorClass::Failed,
        }
    }

    /// Tells whether the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.class() == ErrorClass::Transient
    }
}

impl From<CqlError> for EngineError {
    fn from(error: CqlError) -> Self {
        Self::new(error.class(), error)
    }
}
