//! The contract between engines and pumps.
//!
//! An engine implements [`DatabaseBackup`] to be read and [`RestoreTarget`] to be written. A [`Snapshot`] says what it
//! is, plans how it can be read, and reads ranges. A [`RestoreSink`] hands out [`RestoreWriter`]s and becomes a
//! [`Restored`] namespace, which is read back and published. An engine that implements [`AmendTarget`] also looks up single
//! entries and changes them in place. One that implements [`RetireTarget`] can be made unable to open a namespace again.
//!
//! All traits are object-safe, no method has a default, and no answer depends on an earlier call. Pumps, which
//! move entries between an engine and a repository, know nothing else of an engine.

mod amend;
mod error;
mod plan;
mod restore;
mod retire;
mod snapshot;

pub use amend::{AmendTarget, AmendedEntry, Amendment, FoundValues, Lookup};
pub use error::{ContractError, EngineError, ErrorClass};
pub use plan::{Range, ReadPlan};
pub use restore::{Restore, RestoreSink, RestoreTarget, RestoreUnit, RestoreWriter, Restored};
pub use retire::{RetireTarget, Retirement};
pub use snapshot::{DatabaseBackup, EntryStream, Snapshot, SourceInfo};
