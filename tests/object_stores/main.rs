//! The program `kvbackup` on real servers: versitygw for S3, Azurite for Azure Blob Storage, both with TLS and a CA of their own.

#[expect(dead_code, reason = "other tests of the program use all of it")]
#[path = "../cli/program.rs"]
mod program;

mod azure;
mod died;
mod place;
mod post_quantum;
mod refused;
mod year;
