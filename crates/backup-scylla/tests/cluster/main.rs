//! Tests of the crate on clusters that are broken on purpose: three nodes of which some are killed,
//! and a server that wants a password and TLS. `cargo xtask test-all --only cluster` starts both
//! and runs these.

mod conformance;
#[path = "../it/engine.rs"]
mod engine;
mod hook;
mod killed;
mod place;
mod repository;
mod security;
mod stale;
#[path = "../it/support.rs"]
mod support;
mod trio;
