#![doc = include_str!("../README.md")]

pub mod cql;
mod error;
mod journal;
mod layout;
pub mod rocksdb;
mod shape;
mod split;

pub use error::LayoutError;
pub use journal::{Journal, JournalKey, Overlay};
pub use layout::Layout;
