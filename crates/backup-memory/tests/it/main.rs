//! Tests of namespaces in memory.

mod conformance;
mod database;
mod error;
mod restore;
mod snapshot;
