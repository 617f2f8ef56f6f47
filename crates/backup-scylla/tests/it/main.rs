//! Tests of the crate on a real server: `cargo xtask cql start` starts one.

mod amending;
mod conformance;
mod engine;
mod place;
mod reading;
mod restoring;
mod support;
mod writers;
