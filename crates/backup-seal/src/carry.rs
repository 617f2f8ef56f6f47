//! How a secret is carried: to whom it goes, and by whom it is opened.

use std::fmt::Debug;

use zeroize::Zeroizing;

use crate::error::SealError;

/// Longest file that carries a secret, and longest secret, in bytes.
pub(crate) const CARRIED_BYTES_MAX: usize = 64 << 10;

/// Those who may read a secret.
pub trait Recipients: Debug + Send + Sync {
    /// Wraps a secret of at most 64 KiB, so that any one of them can unwrap it. The result has at most 64 KiB.
    ///
    /// # Errors
    ///
    /// [`SealError::TooLong`], and what the implementation says.
    fn wrap(&self, secret: &[u8]) -> Result<Vec<u8>, SealError>;
}

/// The secret keys of those who may read.
pub trait Identities: Debug + Send + Sync {
    /// Unwraps what was wrapped for the recipient of any one of them. Both sides have at most 64 KiB.
    ///
    /// # Errors
    ///
    /// [`SealError::NoIdentity`] when it was wrapped for others, and what the implementation says.
    fn unwrap(&self, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError>;
}
