#![doc = include_str!("../README.md")]

mod database;
mod engine;
mod error;
mod marker;
mod plan;
mod reader;
mod restore;
mod snapshot;
mod writer;

pub use database::{ViewsDatabase, ViewsNamespace};
pub use error::ViewsError;
