//! The keys that a reader trusts.

use crate::error::SignError;
use crate::public::PublicKey;
use crate::signature::Signature;
use crate::text::UNTRUSTED;

/// At least one public key. A signature by any of them will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKeys {
    keys: Vec<PublicKey>,
}

impl TrustedKeys {
    /// Takes these keys; one that stands twice counts once.
    ///
    /// # Errors
    ///
    /// [`SignError::NoKeys`], so that an empty list is no list that lets everything pass; [`SignError::SameId`].
    pub fn new(given: Vec<PublicKey>) -> Result<Self, SignError> {
        let mut keys: Vec<PublicKey> = Vec::new();
        for key in given {
            match keys.iter().find(|known| known.id() == key.id()) {
                Some(known) if *known == key => {}
                Some(_) => return Err(SignError::SameId { id: key.id().to_string() }),
                None => keys.push(key),
            }
        }
        if keys.is_empty() { Err(SignError::NoKeys) } else { Ok(Self { keys }) }
    }

    /// Reads one key as a line, or those of one or more `.pub` files one after the other. Lines that are empty mean nothing.
    ///
    /// # Errors
    ///
    /// [`SignError::Malformed`], [`SignError::Algorithm`], [`SignError::NoKeys`].
    pub fn parse(text: &str) -> Result<Vec<PublicKey>, SignError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let keys = lines.filter(|line| !line.starts_with(UNTRUSTED.trim_end())).map(str::parse);
        let keys: Vec<PublicKey> = keys.collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(SignError::NoKeys) } else { Ok(keys) }
    }

    /// Returns the keys.
    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Returns their ids as a list for people.
    #[must_use]
    pub fn ids(&self) -> String {
        let ids: Vec<_> = self.keys.iter().map(|key| key.id().to_string()).collect();
        ids.join(" or ")
    }

    /// Checks a signature by one of the keys, of this message and of this comment.
    ///
    /// # Errors
    ///
    /// As [`Signature::check`].
    pub fn check(&self, message: &[u8], signature: &Signature, comment: &str) -> Result<(), SignError> {
        match self.keys.iter().find(|key| key.id() == signature.key()) {
            Some(key) => signature.check(key, message, comment),
            None => Err(SignError::Foreign { found: signature.key().to_string(), expected: self.ids() }),
        }
    }
}
