#![doc = include_str!("../README.md")]
#![warn(clippy::indexing_slicing, clippy::unwrap_used)]
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

pub mod cql;
mod error;
mod journal;
mod layout;
pub mod rocksdb;
mod shape;
mod split;
mod words;

pub use error::LayoutError;
pub use journal::{Journal, JournalKey, Overlay};
pub use layout::Layout;
