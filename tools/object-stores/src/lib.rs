#![doc = include_str!("../README.md")]

mod azure;
mod keys;
mod order;
mod process;
mod programs;
mod s3;

pub use azure::Azure;
pub use programs::Programs;
pub use s3::S3;

/// Variables that `kvbackup` needs to use a server, with their values.
pub type Variables = Vec<(&'static str, String)>;
