//! Keys that are the same in each run.

use anyhow::{Context, Result};
use linera_base::crypto::ValidatorSecretKey;
use serde_json::Value;

/// Makes a validator's secret key out of a number, which is the key: for tests alone.
///
/// # Errors
///
/// When the number is zero, which is no key.
pub fn secret_key(number: u64) -> Result<ValidatorSecretKey> {
    let text = Value::String(format!("{number:064x}"));
    serde_json::from_value(text).with_context(|| format!("making a secret key of {number}"))
}
