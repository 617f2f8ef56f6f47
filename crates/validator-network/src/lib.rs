#![doc = include_str!("../README.md")]

#[cfg(feature = "scylla")]
pub mod cql;
pub mod generate;
mod genesis;
pub mod keys;
mod network;
mod node;
mod opened;
pub mod places;
#[cfg(feature = "rocksdb")]
pub mod rocksdb;
pub mod runtime;
mod tip;
mod votes;
pub mod worker;

pub use genesis::{Genesis, VALIDATORS};
pub use network::Network;
pub use node::Node;
pub use opened::Opened;
pub use tip::{Tip, Tips};
pub use votes::{Signed, certify, confirm, validate};
