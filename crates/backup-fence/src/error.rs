//! What can go wrong with a fence.

use std::io;

use backup_format::{EngineError, ErrorClass};

use crate::bytes::ChainId;
use crate::report::Report;

/// An error of a fence. Unless it says otherwise, nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FenceError {
    /// The engine failed. What was written until then stays: a chain is fenced or not, and a second run does the rest.
    #[error("{doing}")]
    Engine {
        /// What was being done.
        doing: &'static str,
        /// The engine's error.
        source: EngineError,
    },
    /// The rows are of a layout in which nobody has tried a fence.
    #[error(
        "reading the chains: expected layout linera-0.15, found {found}; the rows of a fence are known for linera-0.15 alone"
    )]
    Layout {
        /// Name of the layout.
        found: String,
    },
    /// A row is not what linera 0.15 writes.
    #[error("chain {chain}: the {row} row: expected {expected}, found {found}")]
    Row {
        /// The chain.
        chain: ChainId,
        /// tip, seed or vote.
        row: &'static str,
        /// What the row should be.
        expected: &'static str,
        /// Its bytes.
        found: String,
    },
    /// The database does not say of which network it is.
    #[error(
        "reading the network description, key 77 of root key 05: expected a name and a hash, found {found}; this is no \
         database of a validator"
    )]
    NoNetwork {
        /// Its bytes.
        found: String,
    },
    /// The survey is of another network.
    #[error(
        "the survey is of network {expected}, and the database of network {found}; take the survey of this network"
    )]
    OtherNetwork {
        /// Hash of the genesis configuration in the survey.
        expected: String,
        /// Hash of the genesis configuration in the database.
        found: String,
    },
    /// Some chains cannot be fenced. The report counts and names them.
    #[error("{}", .0.refusal())]
    Chains(Box<Report>),
    /// The chain that is to be thawed is not as it must be for that.
    #[error("thawing chain {chain}: expected {expected}, found {found}")]
    NoThaw {
        /// The chain.
        chain: ChainId,
        /// What a thaw needs.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A chain was to be named by 64 hex digits.
    #[error("expected the id of a chain, 64 hex digits; found {found:?}")]
    NotAChain {
        /// The text, or its start.
        found: String,
    },
    /// The survey cannot be read.
    #[error("reading the survey, line {line}")]
    Read {
        /// Number of the line, from 1 on.
        line: u64,
        /// The cause.
        source: io::Error,
    },
    /// A line of the survey is not what it should be.
    #[error("reading the survey, line {line}: expected {expected}, found {found}; make a new survey")]
    Survey {
        /// Number of the line, from 1 on.
        line: u64,
        /// What the line should be.
        expected: String,
        /// What it is.
        found: String,
    },
}

impl FenceError {
    /// Returns what the error means for the caller.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Engine { source, .. } => source.class(),
            Self::Read { .. } => ErrorClass::Failed,
            Self::Row { .. } | Self::NoNetwork { .. } => ErrorClass::Damaged,
            _ => ErrorClass::Refused,
        }
    }

    pub(crate) fn engine(doing: &'static str) -> impl Fn(EngineError) -> Self {
        move |source| Self::Engine { doing, source }
    }
}
