//! The number from which everything random in a test derives.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

const VARIABLE: &str = "KVBACKUP_SEED";

/// Returns the seed of this process: what the environment variable `KVBACKUP_SEED` says, or another number each time.
///
/// Every check prints it on standard error, so that a failed test tells how to repeat it.
///
/// # Panics
///
/// If the variable is set to something that is no decimal number below 2^64.
#[must_use]
pub fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| match std::env::var(VARIABLE) {
        Ok(text) => {
            text.parse().unwrap_or_else(|_| panic!("{VARIABLE} is {text:?}; expected a number below 2^64"))
        }
        Err(_) => RandomState::new().hash_one(VARIABLE),
    })
}

/// Prints how to run a test again with the same seed.
pub(crate) fn announce(what: &str) {
    eprintln!("{what}: repeat with {VARIABLE}={}", seed());
}
