//! Decoding bytes that may be damaged.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Error, Result};
use linera_views::ViewError;
use serde::de::DeserializeOwned;

/// Decodes BCS. linera panics on some bytes, like blobs of a type that they are not: that is an error here.
///
/// # Errors
///
/// A text that says what is wrong with the bytes.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(|| bcs::from_bytes(bytes))) {
        Ok(decoded) => decoded.map_err(|error| format!("{} bytes that do not decode: {error}", bytes.len())),
        Err(_) => Err(format!("{} bytes that linera cannot decode", bytes.len())),
    }
}

/// Separates what is in the database from failures to read it: `Ok` holds what linera says of bad content.
///
/// # Errors
///
/// When RocksDB or the system failed.
pub fn content_error(error: ViewError) -> Result<String> {
    let error = Error::from(error);
    let failed = error.chain().any(|cause| {
        cause.is::<rocksdb::Error>() || cause.is::<std::io::Error>() || cause.is::<tokio::task::JoinError>()
    });
    if failed { Err(error) } else { Ok(format!("{error:#}")) }
}
