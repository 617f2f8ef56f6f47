//! What is printed of the content of dumps.

use schemars::JsonSchema;

use super::nullable::Nullable;

#[derive(JsonSchema)]
pub struct Diff {
    /// `summary`
    pub r#type: String,
    /// the first dump: `dump`, `namespace`, `finished`, `digest`, `partitions`, `entries`
    pub before: DiffSide,
    /// the same of the second dump; or `source`, the namespace
    pub after: DiffAfter,
    /// whether nothing differs
    pub equal: bool,
    /// whether only the digests were compared, because the dumps are in different orders
    pub by_digest: bool,
    /// partitions that differ: `added`, `removed` and `changed`, as numbers
    pub partitions: Changes,
    /// the same of entries
    pub entries: Changes,
    /// for each kind of partition that differs `kind` (`null` in layouts without kinds), `partitions`, `entries`, `bytes_before`, `bytes_after`
    pub kinds: Vec<DiffKind>,
    /// pages that were read
    pub pages_read: u64,
    /// segments that were read
    pub segments_read: u64,
    /// bytes of these before compression
    pub bytes_read: u64,
    /// pages that both have, and of which nothing was read
    pub pages_skipped: u64,
    /// segments beneath other pages that both have, and that were not read
    pub segments_skipped: u64,
    /// entries beneath what was not read
    pub entries_skipped: u64,
}

/// A dump that is compared; what is sealed is null.
#[derive(JsonSchema)]
pub struct DiffSide {
    pub dump: String,
    pub namespace: String,
    pub finished: String,
    pub digest: Nullable<String>,
    pub partitions: Nullable<u64>,
    pub entries: Nullable<u64>,
}

/// A dump, or the namespace that it is compared with.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum DiffAfter {
    Dump(DiffSide),
    Namespace { source: String },
}

/// Numbers of what differs.
#[derive(JsonSchema)]
pub struct Changes {
    pub added: u64,
    pub removed: u64,
    pub changed: u64,
}

/// What differs in a kind of partition.
#[derive(JsonSchema)]
pub struct DiffKind {
    pub kind: Nullable<String>,
    pub partitions: Changes,
    pub entries: Changes,
    pub bytes_before: u64,
    pub bytes_after: u64,
}

#[derive(JsonSchema)]
pub struct DiffPartition {
    /// `partition`
    pub r#type: String,
    /// `added`, `removed` or `changed`
    pub change: String,
    /// its kind; `null` in layouts without kinds
    pub kind: Nullable<String>,
    /// its root key as hex digits
    pub root_key: String,
    /// what the root key means in the layout of the first dump
    pub words: Nullable<String>,
    /// its entries that differ: `added`, `removed` and `changed`, as numbers
    pub entries: Changes,
    /// bytes of keys and values of these entries in the first dump
    pub bytes_before: u64,
    /// the same in the second one
    pub bytes_after: u64,
    /// the next height of a chain whose tip differs; may be missing
    pub next_height_before: Option<Nullable<u64>>,
    /// the same after; may be missing
    pub next_height_after: Option<Nullable<u64>>,
}

#[derive(JsonSchema)]
pub struct DiffEntry {
    /// `entry`
    pub r#type: String,
    /// `added`, `removed` or `changed`
    pub change: String,
    /// the kind of its partition
    pub kind: Nullable<String>,
    /// the root key of its partition as hex digits
    pub root_key: String,
    /// its key as hex digits
    pub key: String,
    /// what the key means, where it tells
    pub words: Nullable<String>,
    /// bytes of its value in the first dump; `null` if it is not there
    pub bytes_before: Nullable<u64>,
    /// the same in the second one
    pub bytes_after: Nullable<u64>,
}

#[derive(JsonSchema)]
pub struct Ls {
    /// `summary`
    pub r#type: String,
    /// the id of the dump
    pub dump: String,
    /// partitions that were listed
    pub partitions: u64,
    /// their entries
    pub entries: u64,
    /// their bytes before compression
    pub bytes: u64,
    /// as of `diff`
    pub pages_read: u64,
    /// as of `diff`
    pub segments_read: u64,
    /// as of `diff`
    pub bytes_read: u64,
    /// pages of which nothing was read
    pub pages_skipped: u64,
    /// segments beneath other pages that were not read
    pub segments_skipped: u64,
    /// entries beneath what was not read
    pub entries_skipped: u64,
}

#[derive(JsonSchema)]
pub struct LsPartition {
    /// `partition`
    pub r#type: String,
    /// its kind
    pub kind: Nullable<String>,
    /// its root key as hex digits
    pub root_key: String,
    /// what the root key means
    pub words: Nullable<String>,
    /// its entries
    pub entries: u64,
    /// its bytes before compression
    pub bytes: u64,
}

#[derive(JsonSchema)]
pub struct Get {
    /// `summary`
    pub r#type: String,
    /// the id of the dump
    pub dump: String,
    /// the kind of the partition
    pub kind: Nullable<String>,
    /// its root key as hex digits
    pub root_key: String,
    /// what the root key means
    pub words: Nullable<String>,
    /// entries that were printed
    pub entries: u64,
    /// as of `ls`
    pub pages_read: u64,
    /// as of `ls`
    pub segments_read: u64,
    /// as of `ls`
    pub bytes_read: u64,
    /// as of `ls`
    pub pages_skipped: u64,
    /// as of `ls`
    pub segments_skipped: u64,
    /// as of `ls`
    pub entries_skipped: u64,
}

#[derive(JsonSchema)]
pub struct GetEntry {
    /// `entry`
    pub r#type: String,
    /// its key as hex digits
    pub key: String,
    /// what the key means, where it tells
    pub words: Nullable<String>,
    /// its value as hex digits
    pub value: String,
}
