//! What is printed of dumps that are made and restored.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::nullable::Nullable;

#[derive(JsonSchema)]
pub struct Dump {
    /// its id; `null` in a dry run, which makes none
    pub dump: Nullable<String>,
    /// the id of its root page; `null` in a dry run
    pub root: Nullable<String>,
    /// the digest of its content. Missing where it is sealed and no identity opens it
    pub digest: Option<String>,
    /// the name of the namespace
    pub namespace: String,
    /// `engine`, `engine_version`, `layout`, and perhaps `origin`: the validator's public key
    pub source: Source,
    /// the order of its entries: FORMAT.md, section 7
    pub order: u64,
    /// its partitions; as `digest`
    pub partitions: Option<u64>,
    /// its entries; as `digest`
    pub entries: Option<u64>,
    /// bytes of its segments before compression
    pub plain_bytes: u64,
    /// its segments
    pub segments: u64,
    /// its pages
    pub pages: u64,
    /// when the backup began
    pub started: String,
    /// when it ended
    pub finished: String,
    /// `point_in_time`, `causal` or `fuzzy`
    pub consistency: String,
    /// for each kind of partition `kind`, `partitions`, `entries`, `plain_bytes`; empty for layout `plain`; as `digest`
    pub contents: Option<Vec<Content>>,
    /// remarks: texts by name; as `digest`
    pub annotations: Option<BTreeMap<String, String>>,
    /// program and version that made it
    pub tool: String,
    /// its place among the dumps of its namespace; may be missing
    pub sequence: Option<u64>,
    /// ids of the dumps that it follows; may be missing
    pub previous: Option<Vec<String>>,
    /// true for the last dump of a namespace, which `backup --last` makes; may be missing
    pub last: Option<bool>,
}

/// Where a dump comes from.
#[derive(JsonSchema)]
pub struct Source {
    pub engine: String,
    pub engine_version: String,
    pub layout: String,
    /// The validator's public key.
    pub origin: Option<String>,
}

/// What a namespace holds of a kind of partition.
#[derive(JsonSchema)]
pub struct Content {
    pub kind: String,
    pub partitions: u64,
    pub entries: u64,
    pub plain_bytes: u64,
}

#[derive(JsonSchema)]
pub struct Signed {
    /// the id of the key that its signature names: 16 hex digits; `null` if there is none
    pub signed_by: Nullable<String>,
    /// `good` (by a trusted key), `unchecked` (no keys are trusted), `none`, or `unreadable`
    pub signature: String,
}

#[derive(JsonSchema)]
pub struct Attested {
    /// the newest attestation that all of it was read, or else of its structure. It has `proven` (`structure`, `content`, `restored` or `boot`), `time`, `tool`, and `signed_by` and `signature` as of a dump. `network` has `name`, `genesis_config`, `genesis_committee` and `admin_chain`, or is `null`. `not_proven` has texts
    pub verified: Nullable<Attestation>,
    /// the same of the newest attestation that it boots
    pub boot_proven: Nullable<Attestation>,
}

/// What somebody attests of a dump.
#[derive(JsonSchema)]
pub struct Attestation {
    pub proven: String,
    pub time: String,
    pub tool: String,
    pub signed_by: Nullable<String>,
    pub signature: String,
    pub network: Nullable<Network>,
    pub not_proven: Vec<String>,
}

/// The network of a validator that booted on a dump.
#[derive(JsonSchema)]
pub struct Network {
    pub name: String,
    pub genesis_config: String,
    pub genesis_committee: String,
    pub admin_chain: String,
}

/// What a node remembers of the last dump.
#[derive(JsonSchema)]
pub struct Sketch {
    pub file: String,
    pub bytes: u64,
}

#[derive(JsonSchema)]
pub struct Backup {
    /// objects that the repository did not have
    pub new_objects: u64,
    /// packs that were written
    pub new_packs: u64,
    /// bytes of these packs and of the manifest
    pub stored_bytes: u64,
    /// the sketch that was written for the next backup: `file`, `bytes`; `null` if none was
    pub sketch: Nullable<Sketch>,
    /// whether nothing was written
    pub dry_run: bool,
    /// the difference to the dump before: `dump`, `entries`, `partitions`, `plain_bytes` (perhaps negative), and `new` and `gone` with `segments`, `entries`, `plain_bytes`, or `null`
    pub since: Nullable<Since>,
    /// texts
    pub warnings: Vec<String>,
    /// the id of the key that it is signed with
    pub signed_by: Nullable<String>,
    /// `import` only: partitions without entries; may be missing
    pub dropped_partitions: Option<u64>,
}

/// The difference to the dump before; what is sealed is missing.
#[derive(JsonSchema)]
pub struct Since {
    pub dump: String,
    pub entries: Option<i64>,
    pub partitions: Option<i64>,
    pub plain_bytes: i64,
    pub new: Nullable<SegmentCount>,
    pub gone: Nullable<SegmentCount>,
}

/// What lies in segments.
#[derive(JsonSchema)]
pub struct SegmentCount {
    pub segments: u64,
    pub entries: u64,
    pub plain_bytes: u64,
}

#[derive(JsonSchema)]
pub struct Share {
    /// name of the job
    pub job: String,
    /// `I/N`
    pub share: String,
    /// ranges of this share
    pub ranges: u64,
    /// those that an earlier run had read
    pub ranges_reused: u64,
    /// entries of this share
    pub entries: u64,
    /// objects that the repository did not have
    pub new_objects: u64,
    /// packs that were written
    pub new_packs: u64,
    /// bytes of these packs
    pub stored_bytes: u64,
    /// texts
    pub warnings: Vec<String>,
}

#[derive(JsonSchema)]
pub struct Finish {
    /// name of the job
    pub job: String,
}

#[derive(JsonSchema)]
pub struct Restore {
    /// the namespace
    pub target: String,
    /// its layout
    pub target_layout: String,
    /// whether nothing was written
    pub dry_run: bool,
    /// texts: what `--require` asked for
    pub required: Vec<String>,
    /// pages that an earlier run had written
    pub pages_resumed: u64,
    /// user and group that the files were given to, as numbers; may be missing
    pub owner: Option<String>,
    /// what `--for-key` means for this dump; may be missing
    pub scenario: Option<String>,
    /// what to mind where `--for-key` is not given; may be missing
    pub caution: Option<String>,
}

#[derive(JsonSchema)]
pub struct Export {
    /// the file
    pub file: String,
    /// its length
    pub file_bytes: u64,
}

#[derive(JsonSchema)]
pub struct ManPages {
    /// where the pages are
    pub directory: String,
    /// how many were written
    pub pages: u64,
}

#[derive(JsonSchema)]
pub struct Native {
    /// number of the backup
    pub id: u64,
    /// its files
    pub files: u64,
    /// their bytes
    pub bytes: u64,
    /// when the backup was made
    pub made: String,
    /// `native-backup` only; may be missing
    pub directory: Option<String>,
    /// `native-restore` only; may be missing
    pub target: Option<String>,
    /// `native-restore` only: what to mind; may be missing
    pub caution: Option<String>,
}
