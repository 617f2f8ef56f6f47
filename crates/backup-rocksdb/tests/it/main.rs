//! Tests of RocksDB namespaces, on real databases in temporary directories.

mod conformance;
mod damage;
mod error;
mod logs;
mod native;
mod reading;
mod restoring;
mod support;
mod writers;
