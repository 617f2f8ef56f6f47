//! Tests of the crate behind a proxy that breaks what passes. They wait for most of their time, so
//! they are run when asked for: `cargo xtask test-all --only cluster`, or with a server `cargo test
//! -p backup-scylla --test faults`.

mod passing;
#[path = "../it/place.rs"]
mod place;
mod proxy;
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../it/support.rs"]
mod support;
