//! The contract between engines and pumps.
//!
//! An engine implements three small traits: [`DatabaseBackup`] opens, [`Snapshot`] reads, [`RestoreSink`] with its
//! [`RestoreWriter`]s writes. All are object-safe. Pumps, which move entries between an engine and a repository,
//! know nothing else of it.

mod database;
mod error;
mod restore;
mod snapshot;

pub use database::{DatabaseBackup, SourceInfo};
pub use error::{EngineError, ErrorClass};
pub use restore::{RestoreMarker, RestorePlan, RestoreSink, RestoreUnit, RestoreWriter};
pub use snapshot::{EntryStream, Estimate, Parts, Share, Snapshot};
