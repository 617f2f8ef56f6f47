#![doc = include_str!("../README.md")]

mod error;
mod layout;
pub mod rocksdb;
mod shape;
mod split;

pub use error::LayoutError;
pub use layout::Layout;
