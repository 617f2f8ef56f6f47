//! What is printed of repositories.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::dumps::{Attested, Dump, Signed};
use super::nullable::Nullable;

#[derive(JsonSchema)]
pub struct Init {
    /// the id of the repository: 32 hex digits
    pub repository: String,
    /// its version
    pub version: u64,
    /// whether it is encrypted
    pub encrypted: bool,
    /// the file of its key; only where it is encrypted; may be missing
    pub repository_key_file: Option<String>,
    /// texts: the recipients of age; only where it is encrypted; may be missing
    pub recipients: Option<Vec<String>>,
}

#[derive(JsonSchema)]
pub struct KeyGenerate {
    /// the id of the key: 16 hex digits
    pub key: String,
    /// the public key, as `--trust` takes it
    pub public_key: String,
    /// the file of the secret key
    pub secret_file: String,
    /// the file of the public key
    pub public_file: String,
}

#[derive(JsonSchema)]
pub struct KeyGenerateAge {
    /// the recipient of age, as `init --recipient` takes it
    pub recipient: String,
    /// the file of the identity
    pub secret_file: String,
}

#[derive(JsonSchema)]
pub struct Keys {
    /// the id of the repository: 32 hex digits
    pub repository: String,
    /// texts: who can read what is written from now on
    pub recipients: Vec<String>,
    /// the file that was written, of `key recover`; may be missing
    pub repository_key_file: Option<String>,
    /// of `key recover`, as of a dump: who signed the key that is stored in the repository; may be missing
    pub signed_by: Option<Nullable<String>>,
    /// as `signed_by`; may be missing
    pub signature: Option<String>,
    /// data keys of the past that all recipients can open now, of `key add`, `remove` and `rotate`; `null` without an identity; may be missing
    pub shared_keys: Option<Nullable<u64>>,
    /// data keys of the past that the identities do not open, so they were left alone; as `shared_keys`; may be missing
    pub unread_keys: Option<Nullable<u64>>,
}

#[derive(JsonSchema)]
pub struct Sign {
    /// for each `dump`, `is_new`: whether a signature was written, and `signed_before`: the id of the key that the one before it named, or `null`
    pub dumps: Vec<SignedDump>,
    /// the id of the key
    pub signed_by: String,
}

/// A dump that was signed.
#[derive(JsonSchema)]
pub struct SignedDump {
    pub dump: String,
    pub is_new: bool,
    pub signed_before: Nullable<String>,
}

#[derive(JsonSchema)]
pub struct List {
    /// dumps in their order, only those that options let through. Each has the fields of a dump, who signed it, and what is attested of it. It always has `sequence` (0 if it has none) and `previous`. `future` is whether it claims to be of the future. `since` is the difference to the dump that it follows: `dump`, `entries`, `partitions`, `plain_bytes` (perhaps negative), or `null` where none is there
    pub dumps: Vec<ListedDump>,
    /// `dump` and `error` of manifests that are damaged
    pub damaged: Vec<Unusable>,
    /// the same for those of a later version
    pub unsupported: Vec<Unusable>,
    /// the same for those that no trusted key signed
    pub untrusted: Vec<Unusable>,
    /// texts, as of `verify --all`
    pub missing: Vec<String>,
    /// attestations that do not count: unreadable, of another repository or digest, or signed by no trusted key where keys are trusted
    pub attestations_ignored: u64,
    /// packs; only where there is no manifest; may be missing
    pub packs: Option<u64>,
    /// bytes of these; may be missing
    pub pack_bytes: Option<u64>,
}

/// A dump in its place among the others.
#[derive(JsonSchema)]
pub struct ListedDump {
    #[schemars(flatten)]
    pub dump: Dump,
    #[schemars(flatten)]
    pub signed: Signed,
    #[schemars(flatten)]
    pub attested: Attested,
    /// Whether it claims to be of the future.
    pub future: bool,
    pub since: Nullable<ListedSince>,
}

/// The difference to the dump that it follows; what is sealed is missing.
#[derive(JsonSchema)]
pub struct ListedSince {
    pub dump: String,
    pub entries: Option<i64>,
    pub partitions: Option<i64>,
    pub plain_bytes: i64,
}

/// A manifest that cannot be used.
#[derive(JsonSchema)]
pub struct Unusable {
    pub dump: String,
    pub error: String,
}

#[derive(JsonSchema)]
pub struct Metrics {
    /// for each sample `name`, `labels` (texts by name) and `value` (a number, perhaps with a fraction)
    pub metrics: Vec<Sample>,
    /// the file that they were written to
    pub textfile: Nullable<String>,
}

/// A sample of a metric.
#[derive(JsonSchema)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

#[derive(JsonSchema)]
pub struct Report {
    /// the file of the page
    pub out: String,
    /// its length
    pub page_bytes: u64,
    /// the worst of what is known: `no_fault_found`, `empty`, `refused`, `stale` or `damaged`
    pub state: String,
    /// dumps whose manifests are good
    pub dumps: u64,
    /// manifests that are damaged
    pub damaged: u64,
    /// those of a later version
    pub unsupported: u64,
    /// those that no trusted key signed
    pub untrusted: u64,
    /// dumps that others came after, and that are neither there nor known to be forgotten
    pub missing: u64,
    /// whether the page says what dumps take in packs
    pub measured: bool,
    /// for each namespace `namespace`, `origin`, and of its newest dump that is not of the future `dump`, `sequence`, `finished`, `verified` and `boot_proven` (times), `age_seconds` (`null` where there is none)
    pub newest: Vec<Newest>,
    /// dumps that the policy would keep; `null` without a policy, or if it could not be applied
    pub kept: Nullable<u64>,
    /// dumps that it would forget
    pub going: Nullable<u64>,
}

/// The newest dump of a namespace.
#[derive(JsonSchema)]
pub struct Newest {
    pub namespace: String,
    pub origin: Nullable<String>,
    pub dump: Nullable<String>,
    pub sequence: Nullable<u64>,
    pub finished: Nullable<String>,
    pub verified: Nullable<String>,
    pub boot_proven: Nullable<String>,
    pub age_seconds: Nullable<u64>,
}

#[derive(JsonSchema)]
pub struct Forget {
    /// whether nothing was changed
    pub dry_run: bool,
    /// `namespace`, `origin`, `layout`, and `dumps` with `dump`, `finished`, `goes` and `reasons`
    pub groups: Vec<ForgetGroup>,
    /// dumps that went
    pub forgotten: u64,
    /// dumps that stay
    pub kept: u64,
    /// ids of dumps that went by name, and that no trusted key signed; they are in no group
    pub untrusted: Vec<String>,
    /// ids of missing dumps that are accepted as lost
    pub accepted: Vec<String>,
}

/// Dumps that rules count together.
#[derive(JsonSchema)]
pub struct ForgetGroup {
    pub namespace: String,
    pub origin: Nullable<String>,
    pub layout: String,
    pub dumps: Vec<Verdict>,
}

/// What becomes of a dump.
#[derive(JsonSchema)]
pub struct Verdict {
    pub dump: String,
    pub finished: String,
    pub goes: bool,
    pub reasons: Vec<String>,
}

#[derive(JsonSchema)]
pub struct Prune {
    /// whether nothing was changed
    pub dry_run: bool,
    /// packs that were removed
    pub removed: PackCount,
    /// packs that are condemned and wait for the end of the grace
    pub waiting: PackCount,
    /// packs that were condemned now, because nothing in them must stay
    pub empty: PackCount,
    /// packs that were condemned now, after what must stay was copied
    pub repacked: PackCount,
    /// packs that stay
    pub left: PackCount,
    /// those of them that stay because they are younger than the grace
    pub young: PackCount,
    /// bytes of the objects that were copied
    pub copied_bytes: u64,
    /// bytes of objects in packs that stay which need not stay
    pub unused_bytes: u64,
    /// packs that cannot be read; they stay
    pub damaged: u64,
    /// dumps that are about to be published, or whose writers died
    pub stages: u64,
    /// stages that were removed
    pub stages_removed: u64,
    /// signatures of what is not there that were removed
    pub signatures_removed: u64,
    /// attestations that were removed: of no dump that is there, or made needless by newer ones of the same key
    pub attestations_removed: u64,
}

/// Packs and their bytes.
#[derive(JsonSchema)]
pub struct PackCount {
    pub packs: u64,
    pub bytes: u64,
}

#[derive(JsonSchema)]
pub struct Unforget {
    /// the fields of each forgotten dump
    pub forgotten: Vec<Dump>,
}

#[derive(JsonSchema)]
pub struct Stats {
    /// the fields of each dump, with three more. `reached` has all objects that it reaches, `own` those that no other dump reaches, and `new` those that no dump before it in the list reaches
    pub dumps: Vec<StatsDump>,
    /// packs
    pub packs: u64,
    /// bytes of packs
    pub pack_bytes: u64,
    /// all objects: `number`, `stored_bytes`, `plain_bytes`, as in `reached`, `own` and `new`
    pub objects: Objects,
    /// objects that no dump reaches
    pub unreferenced: Objects,
    /// segments that are stored as patches
    pub patches: Objects,
    /// the salts of packs of version 1
    pub salts: Objects,
    /// most patches that a segment is read from
    pub longest_chain: u64,
    /// objects that lie in another pack, too
    pub copies: Objects,
}

/// A dump, and what it takes.
#[derive(JsonSchema)]
pub struct StatsDump {
    #[schemars(flatten)]
    pub dump: Dump,
    pub reached: Objects,
    pub own: Objects,
    pub new: Objects,
}

/// Objects in packs.
#[derive(JsonSchema)]
pub struct Objects {
    pub number: u64,
    pub stored_bytes: u64,
    pub plain_bytes: u64,
}

#[derive(JsonSchema)]
pub struct Probe {
    /// the place
    pub repository: String,
    /// `rule`, `holds` (`null` if it was not checked) and `problem`
    pub rules: Vec<Rule>,
    /// files that could not be removed
    pub left: Vec<String>,
}

/// A rule of a store.
#[derive(JsonSchema)]
pub struct Rule {
    pub rule: String,
    pub holds: Nullable<bool>,
    pub problem: Nullable<String>,
}

#[derive(JsonSchema)]
pub struct Copy {
    /// what was read
    pub repository: String,
    /// what was written
    pub target: String,
    /// whether nothing was written
    pub dry_run: bool,
    /// whether packs are copied as they are
    pub whole: bool,
    /// `from`, `to` (`null` if it is not there) and `outcome`: `copied`, `would be copied`, `there` or `forgotten`
    pub dumps: Vec<CopiedDump>,
    /// packs that were written
    pub packs: u64,
    /// packs that were there
    pub packs_there: u64,
    /// bytes that were written
    pub stored_bytes: u64,
}

/// What became of a dump.
#[derive(JsonSchema)]
pub struct CopiedDump {
    pub from: String,
    pub to: Nullable<String>,
    pub outcome: String,
}

#[derive(JsonSchema)]
pub struct Repair {
    /// what was repaired
    pub repository: String,
    /// the other copy
    pub from: Nullable<String>,
    /// whether nothing was written
    pub dry_run: bool,
    /// where the config was taken from, if it had to be
    pub config_from: Nullable<String>,
    /// whether the second copy of the config was written
    pub config_copied: bool,
    /// whether `keys/repository.age` of an encrypted repository was written
    pub key_copied: bool,
    /// names of packs that were written
    pub packs: Vec<String>,
    /// ids of manifests that were written
    pub manifests: Vec<String>,
    /// `what` and `problem` of what remains wrong
    pub lost: Vec<Lost>,
}

/// What remains wrong.
#[derive(JsonSchema)]
pub struct Lost {
    pub what: String,
    pub problem: String,
}
