//! Public keys.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

use crate::error::SignError;
use crate::text::{self, UNTRUSTED, malformed, take};

const WHAT: &str = "public key";
const ALGORITHM: &str = "Ed";
/// Bytes of a public key in base64.
const BYTES: usize = 42;

/// The id of a key: 8 random bytes, which say nothing about the key itself. Shown as minisign does: 16 upper-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&format!("{:016X}", u64::from_le_bytes(self.0)))
    }
}

/// A public key. As text it is minisign's line of 56 characters, which begins with `RW`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    key: [u8; 32],
}

impl PublicKey {
    pub(crate) fn new(id: KeyId, key: [u8; 32]) -> Self {
        Self { id, key }
    }

    /// Returns its id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Returns the 32 bytes of the Ed25519 key.
    #[must_use]
    pub fn bytes(&self) -> [u8; 32] {
        self.key
    }

    /// Reads a `.pub` file: a comment and a key.
    ///
    /// # Errors
    ///
    /// [`SignError::Malformed`] or [`SignError::Algorithm`].
    pub fn decode(file: &[u8]) -> Result<Self, SignError> {
        let [first, key] = text::lines(WHAT, file)?;
        text::comment(WHAT, first, UNTRUSTED)?;
        key.parse()
    }

    /// Returns the content of its `.pub` file.
    #[must_use]
    pub fn encode(&self) -> String {
        format!("{UNTRUSTED}minisign public key {}\n{self}\n", self.id)
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.key).verify(message, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [ALGORITHM.as_bytes(), &self.id.0, &self.key].concat();
        out.pad(&text::encode(&bytes))
    }
}

impl FromStr for PublicKey {
    type Err = SignError;

    /// Reads the line of a public key.
    fn from_str(line: &str) -> Result<Self, SignError> {
        let bytes = text::decode::<BYTES>(WHAT, line)?;
        let mut rest = bytes.as_slice();
        text::check_algorithm(WHAT, ALGORITHM, &take::<2>(&mut rest))?;
        let (id, key) = (KeyId(take(&mut rest)), take(&mut rest));
        if key == [0; 32] {
            return Err(malformed(WHAT, "the key is zero"));
        }
        Ok(Self { id, key })
    }
}
