#![doc = include_str!("../README.md")]
#![warn(clippy::indexing_slicing, clippy::unwrap_used)]

mod amend;
mod database;
mod divide;
mod durable;
mod edit;
mod error;
mod frozen;
mod handle;
mod index;
mod info_log;
mod ingest;
mod logs;
mod manifest;
mod native;
mod options;
mod options_file;
mod range;
mod records;
mod restore;
mod retire;
mod sample;
mod scan;
mod scratch;
mod session;
mod snapshot;
mod sorter;
mod tables;
mod target;
mod unit;
mod view;
mod worker;

pub use database::RocksDbNamespace;
pub use error::RocksDbError;
pub use handle::Handle;
pub use native::{NativeBackup, native_list, native_restore, native_verify};
pub use options::RocksDbOptions;
pub use scratch::Scratch;
