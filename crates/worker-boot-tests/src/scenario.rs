//! With which key a restored validator starts.

use std::fmt;

use anyhow::{Context, Result};
use linera_base::crypto::ValidatorSecretKey;
use validator_network::{Genesis, keys};

/// The number of a key that no network here has.
const STRANGER: u64 = u64::MAX;

/// With which key a restored validator starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// It has none: it follows, and cannot vote.
    NoKey,
    /// It has one that is not of the committee: its votes count for nothing.
    MismatchedKey,
    /// It has the one of the validator that was backed up, whose database has moved on since: its votes count.
    StaleBackupOwnKey,
}

impl Scenario {
    /// All scenarios.
    pub const ALL: [Self; 3] = [Self::NoKey, Self::MismatchedKey, Self::StaleBackupOwnKey];

    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoKey => "no_key",
            Self::MismatchedKey => "mismatched_key",
            Self::StaleBackupOwnKey => "stale_backup_own_key",
        }
    }

    /// Returns the key; `None` when the validator is to start without one.
    ///
    /// # Errors
    ///
    /// When linera takes the number of a key for no key.
    pub fn key(self, genesis: &Genesis) -> Result<Option<ValidatorSecretKey>> {
        match self {
            Self::NoKey => Ok(None),
            Self::MismatchedKey => keys::secret_key(STRANGER).map(Some),
            Self::StaleBackupOwnKey => genesis.key(0).context("there are no validators").map(Some),
        }
    }

    /// Returns what comes of a proposal, once the validator has caught up.
    pub fn vote(self) -> Vote {
        match self {
            Self::NoKey => Vote::None,
            Self::MismatchedKey => Vote::Stranger,
            Self::StaleBackupOwnKey => Vote::Member,
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

/// What a worker answers to a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    /// No vote.
    None,
    /// A vote that is well signed, but not by a member of the committee, and makes no quorum.
    Stranger,
    /// A vote of a member of the committee, which makes a quorum with two others.
    Member,
}

impl fmt::Display for Vote {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::None => "none",
            Self::Stranger => "of a stranger",
            Self::Member => "of a member",
        })
    }
}
