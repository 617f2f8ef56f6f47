//! Data keys.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::aead::{self, Aead, NONCE_BYTES, TAG_BYTES};
use crate::carry::{CARRIED_BYTES_MAX, Identities, Recipients};
use crate::error::{SealError, check_len, malformed};
use crate::random;
use crate::xaes::XAes;

const WHAT: &str = "data key";
/// What a wrapped data key begins with, before the repository and the key.
const PREFIX: &[u8] = b"kvb2 key\n";
/// What data keys that are wrapped together begin with.
const PREFIX_ALL: &[u8] = b"kvb2 keys\n";
/// Bytes of a data key.
const KEY_BYTES: usize = 32;
/// Bytes of the id of a repository.
const REPOSITORY_BYTES: usize = 16;

/// Names a data key: BLAKE3 `derive_key("kvb2 kid", key)`. Shown as 64 hex digits. It says nothing about the key, but commits to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 32]);

impl fmt::Display for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&hex::encode(self.0))
    }
}

/// 32 random bytes that seal what one run stores. A clone is the same key in the same place; its bytes are overwritten when the last one is
/// dropped.
#[derive(Clone)]
pub struct DataKey {
    inner: Arc<Inner>,
}

struct Inner {
    id: KeyId,
    key: Zeroizing<[u8; KEY_BYTES]>,
    /// None if the library could not prepare it.
    xaes: Option<XAes>,
}

impl fmt::Debug for DataKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "DataKey({})", self.id())
    }
}

impl DataKey {
    /// Most keys that are wrapped together.
    pub const TOGETHER_MAX: usize = 1_024;

    /// Makes a new key of random bytes.
    ///
    /// # Errors
    ///
    /// [`SealError::Random`].
    pub fn generate() -> Result<Self, SealError> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        random::fill(key.as_mut_slice())?;
        Ok(Self::from_bytes(key))
    }

    /// Takes the bytes of a key.
    #[must_use]
    pub fn from_bytes(key: Zeroizing<[u8; 32]>) -> Self {
        let id = KeyId(blake3::derive_key("kvb2 kid", key.as_slice()));
        let xaes = XAes::new(&key);
        Self { inner: Arc::new(Inner { id, key, xaes }) }
    }

    /// Returns its id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.inner.id
    }

    /// Seals a plaintext. Returns `clear`, a nonce of 24 bytes, the ciphertext, and a tag of 16 bytes, in one piece.
    ///
    /// Both `context` and `clear` are authenticated, as `context` followed by `clear`, and neither is encrypted. Where one ends and the other begins
    /// is not authenticated, so no context that a key is used with may begin with another one.
    ///
    /// Nonces do not come again by construction: each is 192 random bits, and a key seals what one run stores. After 2^64 bodies under one key the
    /// chance of two equal nonces is about 2^-65. No counter is kept, so neither crashes nor copies of a process can repeat one.
    ///
    /// # Errors
    ///
    /// [`SealError::Random`], [`SealError::Library`].
    pub fn seal(
        &self,
        aead: Aead,
        context: &[u8],
        clear: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        random::fill(&mut nonce)?;
        self.seal_with(aead, &nonce, context, clear, plaintext)
    }

    /// Seals under this nonce, which must never have been used.
    pub(crate) fn seal_with(
        &self,
        aead: Aead,
        nonce: &[u8; NONCE_BYTES],
        context: &[u8],
        clear: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let start = clear.len().saturating_add(NONCE_BYTES);
        let mut sealed = Vec::with_capacity(start.saturating_add(plaintext.len()).saturating_add(TAG_BYTES));
        sealed.extend_from_slice(clear);
        sealed.extend_from_slice(nonce);
        sealed.extend_from_slice(plaintext);
        let failed = SealError::Library { operation: "sealing" };
        let text = sealed.get_mut(start..).ok_or(failed)?;
        let context = [context, clear].concat();
        let tag = match aead {
            Aead::XChaCha20Poly1305 => aead::xchacha_seal(&self.inner.key, nonce, &context, text)?,
            Aead::XAes256Gcm => self.xaes()?.seal(nonce, &context, text)?,
        };
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Opens what [`DataKey::seal`] made: `sealed` is nonce, ciphertext and tag, without the `clear` before them.
    ///
    /// # Errors
    ///
    /// [`SealError::NotAuthentic`], whatever is wrong with it; [`SealError::Library`].
    pub fn open(
        &self,
        aead: Aead,
        context: &[u8],
        clear: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let (nonce, text_and_tag) = sealed.split_first_chunk().ok_or(SealError::NotAuthentic)?;
        let (text, tag) = text_and_tag.split_last_chunk().ok_or(SealError::NotAuthentic)?;
        let context = [context, clear].concat();
        match aead {
            Aead::XChaCha20Poly1305 => {
                let mut text = text.to_vec();
                aead::xchacha_open(&self.inner.key, nonce, &context, &mut text, tag)?;
                Ok(text)
            }
            Aead::XAes256Gcm => {
                let mut opened = text_and_tag.to_vec();
                self.xaes()?.open(nonce, &context, &mut opened)?;
                opened.truncate(text.len());
                Ok(opened)
            }
        }
    }

    fn xaes(&self) -> Result<&XAes, SealError> {
        self.inner.xaes.as_ref().ok_or(SealError::Library { operation: "preparing a key" })
    }

    /// Wraps it for these recipients, as a key of this repository.
    ///
    /// # Errors
    ///
    /// As [`Recipients::wrap`].
    pub fn wrap(&self, recipients: &dyn Recipients, repository: &[u8; 16]) -> Result<Vec<u8>, SealError> {
        let parts = [PREFIX, repository, self.inner.key.as_slice()];
        let wrapped = recipients.wrap(&Zeroizing::new(parts.concat()))?;
        check_len("wrapped data key", wrapped.len(), CARRIED_BYTES_MAX)?;
        Ok(wrapped)
    }

    /// Wraps keys of a repository together for these recipients, at most [`DataKey::TOGETHER_MAX`] of them.
    ///
    /// # Errors
    ///
    /// As [`Recipients::wrap`]; [`SealError::TooLong`] when there are more.
    pub fn wrap_all(
        keys: &[Self],
        recipients: &dyn Recipients,
        repository: &[u8; 16],
    ) -> Result<Vec<u8>, SealError> {
        check_len("list of data keys", keys.len(), Self::TOGETHER_MAX)?;
        let head = PREFIX_ALL.len().saturating_add(REPOSITORY_BYTES);
        // With room for all, so that no part of it is left where a smaller buffer was.
        let room = keys.len().saturating_mul(KEY_BYTES).saturating_add(head);
        let mut secret = Zeroizing::new(Vec::with_capacity(room));
        secret.extend_from_slice(PREFIX_ALL);
        secret.extend_from_slice(repository);
        keys.iter().for_each(|key| secret.extend_from_slice(key.inner.key.as_slice()));
        let wrapped = recipients.wrap(&secret)?;
        check_len("wrapped data keys", wrapped.len(), CARRIED_BYTES_MAX)?;
        Ok(wrapped)
    }

    /// Unwraps keys of a repository that were wrapped together.
    ///
    /// # Errors
    ///
    /// As [`DataKey::unwrap`].
    pub fn unwrap_all(
        identities: &dyn Identities,
        repository: &[u8; 16],
        wrapped: &[u8],
    ) -> Result<Vec<Self>, SealError> {
        check_len("wrapped data keys", wrapped.len(), CARRIED_BYTES_MAX)?;
        let secret = identities.unwrap(wrapped)?;
        let keys = after_head(&secret, PREFIX_ALL, repository)?;
        let (keys, rest) = keys.as_chunks::<KEY_BYTES>();
        if !rest.is_empty() {
            return Err(malformed(WHAT, format!("{} bytes are left behind the last one", rest.len())));
        }
        Ok(keys.iter().map(|key| Self::from_bytes(Zeroizing::new(*key))).collect())
    }

    /// Unwraps the key of this id and of this repository.
    ///
    /// # Errors
    ///
    /// As [`Identities::unwrap`]; [`SealError::Malformed`] when something else is wrapped; [`SealError::OtherRepository`],
    /// [`SealError::OtherKey`].
    pub fn unwrap(
        identities: &dyn Identities,
        repository: &[u8; 16],
        id: KeyId,
        wrapped: &[u8],
    ) -> Result<Self, SealError> {
        check_len("wrapped data key", wrapped.len(), CARRIED_BYTES_MAX)?;
        let secret = identities.unwrap(wrapped)?;
        let key = after_head(&secret, PREFIX, repository)?;
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        if key.len() != KEY_BYTES {
            return Err(malformed(WHAT, format!("it has {} bytes, and {KEY_BYTES} are expected", key.len())));
        }
        bytes.copy_from_slice(key);
        let key = Self::from_bytes(bytes);
        if key.id() != id {
            return Err(SealError::OtherKey { expected: id.to_string(), found: key.id().to_string() });
        }
        Ok(key)
    }
}

/// Returns what stands behind prefix and repository.
fn after_head<'a>(
    secret: &'a [u8],
    prefix: &[u8],
    repository: &[u8; REPOSITORY_BYTES],
) -> Result<&'a [u8], SealError> {
    let rest = secret.strip_prefix(prefix).ok_or_else(|| malformed(WHAT, "it does not begin like one"))?;
    let parts = rest.split_first_chunk::<REPOSITORY_BYTES>();
    let (found, keys) = parts.ok_or_else(|| malformed(WHAT, "it is too short"))?;
    if found != repository {
        let (expected, found) = (hex::encode(repository), hex::encode(found));
        return Err(SealError::OtherRepository { expected, found });
    }
    Ok(keys)
}
