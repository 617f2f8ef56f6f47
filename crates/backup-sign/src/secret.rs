//! Secret keys.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use zeroize::Zeroizing;

use crate::error::SignError;
use crate::public::{KeyId, PublicKey};
use crate::signature::{Signature, hash};
use crate::text::{self, UNTRUSTED, malformed, take};

const WHAT: &str = "secret key";
const ALGORITHM: &str = "Ed";
/// The algorithm of the checksum, which only keys with a password have.
const CHECKSUM: &str = "B2";
/// Says that no password protects a key.
const NO_PASSWORD: [u8; 2] = [0; 2];
/// Says that a password does, by scrypt.
const SCRYPT: &[u8; 2] = b"Sc";
/// Bytes of a secret key in base64: algorithms, salt and limits of scrypt, id, both halves, checksum.
const BYTES: usize = 158;

/// A secret key that no password protects. What it is made of is overwritten when it is dropped.
pub struct SecretKey {
    public: PublicKey,
    pair: Ed25519KeyPair,
    seed: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SecretKey").field("id", &self.public.id()).finish_non_exhaustive()
    }
}

impl SecretKey {
    /// Makes a new key of random bytes.
    ///
    /// # Errors
    ///
    /// [`SignError::Random`].
    pub fn generate() -> Result<Self, SignError> {
        let (mut id, mut seed) = ([0; 8], Zeroizing::new([0; 32]));
        for bytes in [id.as_mut_slice(), seed.as_mut_slice()] {
            getrandom::fill(bytes).map_err(|error| SignError::Random { problem: error.to_string() })?;
        }
        Self::from_seed(KeyId(id), seed)
    }

    /// Makes the key of a seed, as RFC 8032 says.
    ///
    /// # Errors
    ///
    /// [`SignError::Halves`] when the library cannot make a key of it.
    pub fn from_seed(id: KeyId, seed: Zeroizing<[u8; 32]>) -> Result<Self, SignError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| SignError::Halves)?;
        let key = pair.public_key().as_ref().try_into().map_err(|_| SignError::Halves)?;
        Ok(Self { public: PublicKey::new(id, key), pair, seed })
    }

    /// Reads a file of minisign.
    ///
    /// # Errors
    ///
    /// [`SignError::Malformed`], [`SignError::Algorithm`], [`SignError::Halves`]; [`SignError::Protected`] when it needs a password.
    pub fn decode(file: &[u8]) -> Result<Self, SignError> {
        let [first, key] = text::lines(WHAT, file)?;
        text::comment(WHAT, first, UNTRUSTED)?;
        let bytes = text::decode::<BYTES>(WHAT, key)?;
        let mut rest = bytes.as_slice();
        text::check_algorithm(WHAT, ALGORITHM, &take::<2>(&mut rest))?;
        match take::<2>(&mut rest) {
            NO_PASSWORD => {}
            found if found == *SCRYPT => return Err(SignError::Protected),
            _ => return Err(malformed(WHAT, "its protection is neither none nor scrypt")),
        }
        text::check_algorithm(WHAT, CHECKSUM, &take::<2>(&mut rest))?;
        // Salt and limits of scrypt mean nothing here.
        take::<48>(&mut rest);
        let (id, seed, public) = (take(&mut rest), Zeroizing::new(take(&mut rest)), take::<32>(&mut rest));
        let key = Self::from_seed(KeyId(id), seed)?;
        if key.public.bytes() == public { Ok(key) } else { Err(SignError::Halves) }
    }

    /// Returns the content of its file. It belongs into a file that only its owner can read.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES));
        for part in [ALGORITHM.as_bytes(), &NO_PASSWORD, CHECKSUM.as_bytes(), &[0; 48], &self.public.id().0] {
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(self.seed.as_slice());
        bytes.extend_from_slice(&self.public.bytes());
        bytes.extend_from_slice(&[0; 32]);
        let line = Zeroizing::new(text::encode(&bytes));
        Zeroizing::new(format!("{UNTRUSTED}minisign secret key {}\n{}\n", self.public.id(), *line))
    }

    /// Returns its public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message, and a comment with it.
    ///
    /// # Errors
    ///
    /// [`SignError::Comment`].
    pub fn sign(&self, message: &[u8], trusted_comment: &str) -> Result<Signature, SignError> {
        if trusted_comment.len() > 1_024 || trusted_comment.contains(char::is_control) {
            return Err(SignError::Comment);
        }
        let sign = |bytes: &[u8]| {
            let mut signature = [0; 64];
            signature.copy_from_slice(self.pair.sign(bytes).as_ref());
            signature
        };
        let signature = sign(&hash(message));
        let global = sign(&[&signature, trusted_comment.as_bytes()].concat());
        Ok(Signature::new(self.public.id(), signature, trusted_comment.to_owned(), global))
    }
}
