#![doc = include_str!("../README.md")]
#![warn(clippy::indexing_slicing, clippy::unwrap_used)]

mod attestation;
mod codec;
mod config;
mod cut;
mod digest;
mod engine;
mod entry;
mod error;
mod fingerprint;
mod id;
mod inventory;
pub mod limits;
mod manifest;
mod manifest_file;
mod order;
pub mod pack;
mod page;
pub mod patch;
mod segment;
mod spent;
mod token;
mod tombstone;
pub mod upstream;

pub use attestation::{Anchor, Attestation, Proven};
pub use codec::{Reader, put_bytes, put_uleb, uleb_len};
pub use config::Config;
pub use cut::{Cut, Cutter, page_is_full};
pub use digest::{Digest, DigestBuilder, DigestState, LeafHasher, LtHash};
pub use engine::{
    AmendTarget, AmendedEntry, Amendment, ContractError, DatabaseBackup, EngineError, EntryStream,
    ErrorClass, FoundValues, Lookup, Range, ReadPlan, Restore, RestoreSink, RestoreTarget, RestoreUnit,
    RestoreWriter, Restored, RetireTarget, Retirement, Snapshot, SourceInfo,
};
pub use entry::{Entries, Entry, EntryBatch, Group, Run};
pub use error::{FormatError, show};
pub use fingerprint::{Fingerprint, SketchKey};
pub use id::{Keys, Kind, ObjectId};
pub use inventory::{Content, Inventory, SealedInventory};
pub use limits::Limits;
pub use manifest::{Consistency, Manifest, Source};
pub use order::{Order, OrderCheck, RING_PARTS, ReferenceOrder, ring_part};
pub use page::{Level, Page, Reference, clear_ids, read_clear_ids, split_clear_ids};
pub use segment::Segment;
pub use spent::Spent;
pub use token::token;
pub use tombstone::Tombstone;
