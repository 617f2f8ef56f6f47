//! Any database that linera can open, as source of a backup and target of a restore.
//!
//! Everything goes through linera's own stores, from above all of its wrappers, so entries are what a worker sees.

mod database;
mod engine;
mod error;
mod marker;
mod plan;
mod reader;
mod restore;
mod snapshot;
mod writer;

pub use database::ViewsNamespace;
pub use error::ViewsError;
