//! Where the tests run.

use std::path::Path;

/// Holds the tables of all tests, and is made anew by each run.
pub const KEYSPACE: &str = "kvbackup_test";
pub const REPLICAS: u32 = 1;

/// Returns the servers' addresses: those of `SCYLLA_URI`, or of the server that xtask started.
pub fn hosts() -> String {
    if let Ok(uri) = std::env::var("SCYLLA_URI") {
        return uri;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    match std::fs::read_to_string(target.join("cql/uri")) {
        Ok(uri) => uri.trim().to_owned(),
        Err(_) => panic!(
            "these tests need a CQL server, and there is none: run `cargo xtask cql start` before them, or \
             `cargo xtask test -p backup-scylla`, which starts one; or name a server in SCYLLA_URI"
        ),
    }
}
