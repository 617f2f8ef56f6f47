//! Random bytes of the system.

use crate::error::SealError;

/// Fills it with random bytes.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), SealError> {
    getrandom::fill(bytes).map_err(|error| SealError::Random { problem: error.to_string() })
}
