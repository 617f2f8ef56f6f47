#![doc = include_str!("../README.md")]
#![warn(clippy::indexing_slicing, clippy::unwrap_used)]

mod address;
mod amend;
mod client;
mod database;
mod error;
mod exclusive;
mod lookup;
mod marker;
mod obstacle;
mod options;
mod ordered;
mod page_size;
mod pages;
mod partition;
mod plan;
mod proof;
mod range;
mod replication;
mod restore;
mod retry;
mod route;
mod rows;
mod sample;
mod shared;
mod snapshot;
mod source;
mod spill;
mod table;
mod target;
mod translator;
mod unit;
mod window;

pub use address::CqlAddress;
pub use database::CqlNamespace;
pub use error::CqlError;
pub use obstacle::Obstacle;
pub use options::{ConsistencyLevel, CqlOptions, Password, RESTORED_AT};
