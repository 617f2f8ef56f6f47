#![doc = include_str!("../README.md")]
#![warn(clippy::indexing_slicing, clippy::unwrap_used)]

mod amend;
mod batch;
mod contents;
mod database;
mod error;
mod options;
mod restore;
mod snapshot;

pub use batch::WriteBatch;
pub use database::MemoryNamespace;
pub use error::Error;
pub use options::Options;
