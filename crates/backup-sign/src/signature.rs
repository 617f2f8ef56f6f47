//! Detached signatures.

use crate::error::SignError;
use crate::public::{KeyId, PublicKey};
use crate::text::{self, UNTRUSTED, malformed, take};

const WHAT: &str = "signature";
/// A signature of the message's BLAKE2b hash.
const ALGORITHM: &str = "ED";
const TRUSTED: &str = "trusted comment: ";
/// Bytes of a signature in base64: algorithm, id, signature.
const BYTES: usize = 74;

/// Returns what is signed of a message.
pub(crate) fn hash(message: &[u8]) -> [u8; 64] {
    *blake2b_simd::blake2b(message).as_array()
}

/// A signature, as a `.minisig` file holds it. Nothing is known of it until it is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    key: KeyId,
    signature: [u8; 64],
    trusted_comment: String,
    global: [u8; 64],
}

impl Signature {
    /// Longest file that is decoded, in bytes.
    pub const FILE_BYTES_MAX: usize = text::FILE_BYTES_MAX;

    pub(crate) fn new(key: KeyId, signature: [u8; 64], trusted_comment: String, global: [u8; 64]) -> Self {
        Self { key, signature, trusted_comment, global }
    }

    /// Reads a `.minisig` file.
    ///
    /// # Errors
    ///
    /// [`SignError::Malformed`] or [`SignError::Algorithm`].
    pub fn decode(file: &[u8]) -> Result<Self, SignError> {
        let [first, signature, comment, global] = text::lines(WHAT, file)?;
        text::comment(WHAT, first, UNTRUSTED)?;
        let bytes = text::decode::<BYTES>(WHAT, signature)?;
        let mut rest = bytes.as_slice();
        text::check_algorithm(WHAT, ALGORITHM, &take::<2>(&mut rest))?;
        let (key, signature) = (KeyId(take(&mut rest)), take(&mut rest));
        let trusted_comment = text::comment(WHAT, comment, TRUSTED)?.to_owned();
        if trusted_comment.contains(char::is_control) {
            return Err(malformed(WHAT, "its trusted comment has control characters"));
        }
        Ok(Self { key, signature, trusted_comment, global: *text::decode::<64>(WHAT, global)? })
    }

    /// Returns the content of its file.
    #[must_use]
    pub fn encode(&self) -> String {
        let signature = [ALGORITHM.as_bytes(), &self.key.0, &self.signature].concat();
        format!(
            "{UNTRUSTED}signature by kvbackup with key {}\n{}\n{TRUSTED}{}\n{}\n",
            self.key,
            text::encode(&signature),
            self.trusted_comment,
            text::encode(&self.global)
        )
    }

    /// Returns the id of the key that it names. Anybody can write any id.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// Returns what it says of what is signed, which is true only if it is checked.
    #[must_use]
    pub fn trusted_comment(&self) -> &str {
        &self.trusted_comment
    }

    /// Checks that it is by this key, of this message and of this comment.
    ///
    /// # Errors
    ///
    /// [`SignError::Foreign`], [`SignError::Forged`]; [`SignError::Moved`] when it is a good signature with another comment.
    pub fn check(&self, key: &PublicKey, message: &[u8], comment: &str) -> Result<(), SignError> {
        if self.key != key.id() {
            return Err(SignError::Foreign { found: self.key.to_string(), expected: key.id().to_string() });
        }
        let vouched = [&self.signature, self.trusted_comment.as_bytes()].concat();
        if !key.verifies(&hash(message), &self.signature) || !key.verifies(&vouched, &self.global) {
            return Err(SignError::Forged { key: self.key.to_string() });
        }
        if self.trusted_comment != comment {
            let (expected, found) = (comment.to_owned(), self.trusted_comment.clone());
            return Err(SignError::Moved { key: self.key.to_string(), expected, found });
        }
        Ok(())
    }
}
