//! The result of a proof.

use backup_format::Anchor;
use serde::Serialize;

use crate::fence::Fence;
use crate::findings::{Finding, Note};
use crate::sweep::Counts;
use crate::tip::Tip;

/// All that a proof tells.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Program and version.
    pub tool: &'static str,
    /// Version of linera whose storage and worker were used.
    pub linera: &'static str,
    /// What was to be proven, as it was given.
    pub subject: String,
    /// Id of the dump; `None` for a namespace, and for a dump that was not found whole.
    pub dump: Option<String>,
    /// Id of the dump that a namespace was compared with.
    pub against_dump: Option<String>,
    /// Digest of the restored namespace; `None` when it could not be restored.
    pub digest: Option<String>,
    /// Layout of the dump or namespace.
    pub layout: Option<String>,
    /// What the reading of the namespace proves.
    pub consistency: Option<String>,
    /// What the proof takes as given.
    pub network: Option<Anchor>,
    /// BLAKE3 hash of the network description, which two validators of a network have in common.
    pub network_description: Option<String>,
    /// Whether the proof rests on a genesis, or a network description, that was given.
    pub anchored: bool,
    /// Whether the chains are fenced; `None` when that could not be found out.
    pub fence: Option<Fence>,
    /// What there is.
    pub counts: Counts,
    /// Damages and differences. Of one kind not more than the first 200.
    pub findings: Vec<Finding>,
    /// Number of findings, also of those left out.
    pub findings_total: usize,
    /// What could not be proven.
    pub not_proven: Vec<Note>,
    /// What is no damage, but worth a remark.
    pub remarks: Vec<Note>,
    /// The boots.
    pub scenarios: Vec<Scenario>,
}

impl Report {
    /// Returns true if all boots came to their end, as far as nothing was found.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.findings_total > 0 || self.scenarios.iter().all(|scenario| scenario.result == Scenario::OK)
    }
}

/// Which key a worker was booted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyChoice {
    /// No key.
    None,
    /// A key that was made for this.
    Random,
    /// The validator's own key.
    Own,
}

/// One boot of the worker.
#[derive(Clone, Debug, Serialize)]
pub struct Scenario {
    /// Which key it had.
    pub key: KeyChoice,
    /// The public key; `None` without a key.
    pub public_key: Option<String>,
    /// Chains for which the worker answered with the right tip.
    pub chains_answered: u64,
    /// Certificates, in the order given.
    pub certificates: Vec<Applied>,
    /// Tips before the certificates: of all chains if they are at most 100, or else of those that have certificates.
    pub tips_before: Vec<Tip>,
    /// The same tips after the certificates.
    pub tips_after: Vec<Tip>,
    /// Votes of those chains that the worker tells afterwards.
    pub votes: Vec<CastVote>,
    /// `ok`, or what went wrong.
    pub result: String,
}

impl Scenario {
    /// The result of a boot in which all was as it should be.
    pub const OK: &str = "ok";
}

/// A certificate, and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Applied {
    /// The file.
    pub file: String,
    /// The chain.
    pub chain: String,
    /// The height of the block.
    pub height: u64,
    /// Hash of the block.
    pub block: String,
    /// `applied`, or what went wrong.
    pub result: String,
}

/// A vote that a worker has cast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CastVote {
    /// Public key of the validator; `None` when the vote is by none that is known here.
    pub validator: Option<String>,
    /// The chain.
    pub chain: String,
    /// The height that was voted for.
    pub height: u64,
    /// The round.
    pub round: String,
    /// What was voted for: a confirmed or validated block, or a timeout.
    pub kind: String,
}
