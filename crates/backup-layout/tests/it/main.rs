//! Tests of the crate as its users see it.

mod cql;
mod error;
mod journal;
mod layout;
mod rocksdb;
mod support;
