//! What is printed by commands that check.

use schemars::JsonSchema;

use super::dumps::{Content, Source};
use super::nullable::Nullable;

#[derive(JsonSchema)]
pub struct Verify {
    /// 1, 2 or 4
    pub level: u64,
    /// pages
    pub pages_checked: u64,
    /// packs that were read whole
    pub packs_read: u64,
    /// segments that were decoded
    pub segments_read: u64,
    /// whether content was read: not at level 1, and not where it is sealed and no identity opens it
    pub content_checked: bool,
    /// whether the digest was computed from the entries
    pub digest_recomputed: bool,
    /// `I/N`
    pub subset: Nullable<String>,
    /// the namespace that was compared; may be missing
    pub against: Option<String>,
    /// ids of the attestations that were left
    pub attestations: Vec<String>,
}

#[derive(JsonSchema)]
pub struct VerifyAll {
    /// 1 or 2
    pub level: u64,
    /// `I/N`
    pub subset: Nullable<String>,
    /// for each `dump`, `namespace`, `finished` (`null` if the manifest cannot be read), `good`, `signed_by`, `signature` (`null` if it is refused), `digest_recomputed`, `problem`
    pub dumps: Vec<VerifiedDump>,
    /// dumps that are not good
    pub dumps_bad: u64,
    /// packs that were read whole
    pub packs_read: u64,
    /// what is wrong with packs
    pub packs_bad: Vec<String>,
    /// texts: dumps that others came after, and that are neither there nor known to be forgotten
    pub missing: Vec<String>,
    /// segments that were decoded, each once
    pub segments_read: u64,
    /// ids of the attestations that were left
    pub attestations: Vec<String>,
}

/// What was found of a dump.
#[derive(JsonSchema)]
pub struct VerifiedDump {
    pub dump: String,
    pub namespace: Nullable<String>,
    pub finished: Nullable<String>,
    pub good: bool,
    pub signed_by: Nullable<String>,
    pub signature: Nullable<String>,
    pub digest_recomputed: bool,
    pub problem: Nullable<String>,
}

#[derive(JsonSchema)]
pub struct Fence {
    /// the name of the namespace
    pub namespace: String,
    /// chains that have entries
    pub chains: u64,
    /// chains whose next height is fenced
    pub fenced: u64,
    /// chains that stand above the survey: they had the fence, and are free to vote
    pub passed: u64,
    /// chains that are frozen
    pub frozen: u64,
    /// chains without a state
    pub without_state: u64,
    /// chains that are not fenced
    pub bare: u64,
    /// chains whose rows make a fence impossible or worthless
    pub refused: u64,
    /// the first 20 of these: `chain`, `problem`, `text`
    pub problems: Vec<FenceProblem>,
    /// whether no survey was given: then the fence protects on a condition that nobody checked
    pub conditional: bool,
    /// `fence raise` only: chains whose rows were written, or would be; may be missing
    pub written: Option<u64>,
    /// `fence raise` only: whether nothing was written; may be missing
    pub dry_run: Option<bool>,
    /// the condition, when it is conditional, and how many chains without a state were left; may be missing
    pub caution: Option<String>,
    /// the public key that the survey names; may be missing
    pub validator: Option<String>,
}

/// What is wrong with a chain.
#[derive(JsonSchema)]
pub struct FenceProblem {
    pub chain: String,
    pub problem: String,
    pub text: String,
}

#[derive(JsonSchema)]
pub struct FenceThaw {
    /// the name of the namespace
    pub namespace: String,
    /// the chain
    pub chain: String,
    /// whether nothing was written
    pub dry_run: bool,
    /// where the chain stands, and is fenced
    pub next_height: u64,
    /// where it stands in the survey
    pub expected_height: u64,
    /// what must be done first, when it stands below the survey; may be missing
    pub caution: Option<String>,
}

#[derive(JsonSchema)]
pub struct Digest {
    /// the digest of the content
    pub digest: String,
    /// its partitions
    pub partitions: u64,
    /// its entries
    pub entries: u64,
    /// the name of the namespace
    pub namespace: String,
    /// as in a dump
    pub source: Source,
    /// as in a dump
    pub contents: Vec<Content>,
    /// whether chains are fenced. `chains`, `fenced`, `passed`, `frozen`, `without_state`, `bare` (not fenced) and `refused` are what `fence status` counts without a survey. `null` for other layouts; `inspect` only; may be missing
    pub fence: Option<Nullable<FenceCounts>>,
}

/// Chains by their fences.
#[derive(JsonSchema)]
pub struct FenceCounts {
    pub chains: u64,
    pub fenced: u64,
    pub passed: u64,
    pub frozen: u64,
    pub without_state: u64,
    pub bare: u64,
    pub refused: u64,
}

#[derive(JsonSchema)]
pub struct Error {
    /// what went wrong
    pub error: String,
    /// texts
    pub causes: Vec<String>,
    /// 1 to 4, or 130
    pub exit_code: u64,
    /// the option that helps; may be missing
    pub advice: Option<String>,
    /// a difference found by `--against`: `digest`, `partitions`, `entries`, `contents` of the dump; may be missing
    pub expected: Option<Side>,
    /// the same of the namespace; may be missing
    pub found: Option<Side>,
}

/// What one side of a comparison holds.
#[derive(JsonSchema)]
pub struct Side {
    pub digest: String,
    pub partitions: u64,
    pub entries: u64,
    pub contents: Vec<Content>,
}
