//! Where the tests run.

use std::path::PathBuf;

/// Holds the tables of all tests, and is made anew by each run.
pub const KEYSPACE: &str = "kvbackup_cluster";
pub const REPLICAS: u32 = 3;

/// Returns the addresses of the three nodes.
pub fn hosts() -> String {
    hosts_of("trio")
}

/// Returns the addresses of a cluster that xtask started.
pub fn hosts_of(cluster: &str) -> String {
    match std::fs::read_to_string(folder(cluster).join("uri")) {
        Ok(uri) => uri.trim().to_owned(),
        Err(_) => panic!(
            "these tests need the clusters trio and secured, and {cluster} does not run: start them with `cargo xtask cql \
             start --name trio --nodes 3` and `cargo xtask cql start --name secured --secured`, or run `cargo xtask test-all \
             --only cluster`, which starts them"
        ),
    }
}

/// Returns the folder of a cluster.
pub fn folder(cluster: &str) -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    target.parent().unwrap().join("cql/named").join(cluster)
}
