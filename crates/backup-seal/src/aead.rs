//! The two ways to seal.

use chacha20poly1305::aead::{AeadInPlace as _, KeyInit as _};
use chacha20poly1305::{Tag, XChaCha20Poly1305};

use crate::error::SealError;

/// Bytes of a nonce.
pub(crate) const NONCE_BYTES: usize = 24;
/// Bytes of a tag.
pub(crate) const TAG_BYTES: usize = 16;

/// How something is sealed. The numbers are those of the tables of packs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Aead {
    /// XChaCha20-Poly1305 of draft-irtf-cfrg-xchacha, for processors without instructions for AES.
    XChaCha20Poly1305 = 1,
    /// XAES-256-GCM of C2SP, for all others.
    XAes256Gcm = 2,
}

impl Aead {
    /// How much longer something sealed is, in bytes: a nonce of 24 and a tag of 16.
    pub const OVERHEAD: usize = NONCE_BYTES + TAG_BYTES;

    /// Returns the one of this number, or none if it is not known.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::XChaCha20Poly1305, Self::XAes256Gcm].into_iter().find(|aead| aead.number() == number)
    }

    /// Returns its number.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Returns the one that is faster on this processor: XAES-256-GCM where it has instructions for AES.
    #[must_use]
    pub fn fastest() -> Self {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        let has_aes = std::is_x86_feature_detected!("aes") && std::is_x86_feature_detected!("pclmulqdq");
        #[cfg(target_arch = "aarch64")]
        let has_aes = std::arch::is_aarch64_feature_detected!("aes");
        #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
        let has_aes = false;
        if has_aes { Self::XAes256Gcm } else { Self::XChaCha20Poly1305 }
    }
}

/// Encrypts in place with XChaCha20-Poly1305.
pub(crate) fn xchacha_seal(
    key: &[u8; 32],
    nonce: &[u8; NONCE_BYTES],
    context: &[u8],
    text: &mut [u8],
) -> Result<[u8; TAG_BYTES], SealError> {
    let cipher = XChaCha20Poly1305::new(key.into());
    let tag = cipher.encrypt_in_place_detached(nonce.into(), context, text);
    tag.map(Into::into).map_err(|_| SealError::Library { operation: "sealing" })
}

/// Decrypts in place with XChaCha20-Poly1305.
pub(crate) fn xchacha_open(
    key: &[u8; 32],
    nonce: &[u8; NONCE_BYTES],
    context: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_BYTES],
) -> Result<(), SealError> {
    let cipher = XChaCha20Poly1305::new(key.into());
    let opened = cipher.decrypt_in_place_detached(nonce.into(), context, text, Tag::from_slice(tag));
    opened.map_err(|_| SealError::NotAuthentic)
}
