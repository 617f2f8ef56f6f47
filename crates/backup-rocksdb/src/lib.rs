#![doc = include_str!("../README.md")]

mod database;
mod durable;
mod edit;
mod error;
mod handle;
mod index;
mod ingest;
mod manifest;
mod native;
mod options;
mod range;
mod restore;
mod sample;
mod scan;
mod secondary;
mod shares;
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
pub use worker::wait_for_threads;
