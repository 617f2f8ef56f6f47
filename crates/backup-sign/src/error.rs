//! What can be wrong with keys and signatures.

/// An error of a key or a signature. None of them holds anything secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// A file that is not what minisign writes.
    #[error("this is no {what} of minisign: {problem}")]
    Malformed {
        /// What was expected: public key, secret key or signature.
        what: &'static str,
        /// What is wrong, and where.
        problem: String,
    },
    /// A secret key that a password protects.
    #[error(
        "this secret key is protected by a password, which is not supported; `minisign -G -W` makes one without, and \
         `minisign -C -W` removes a password"
    )]
    Protected,
    /// An algorithm that is not taken.
    #[error("the {what} is of algorithm {found:?}, where {expected:?} is expected")]
    Algorithm {
        /// Public key, secret key or signature.
        what: &'static str,
        /// The two characters that name what is expected.
        expected: &'static str,
        /// What was found in their place.
        found: String,
    },
    /// The halves of a secret key do not belong together.
    #[error("the secret key is damaged: its public half is not that of its secret half")]
    Halves,
    /// No key was given that a signature could be by.
    #[error("there is no key to trust")]
    NoKeys,
    /// Two trusted keys of one id.
    #[error("two different trusted keys have the id {id}; one of them was forged or made by mistake")]
    SameId {
        /// The id.
        id: String,
    },
    /// A signature by a key that is not trusted.
    #[error("it is signed by key {found}, and trusted is only {expected}")]
    Foreign {
        /// The id of the key that the signature names.
        found: String,
        /// The ids of the trusted keys.
        expected: String,
    },
    /// A signature that names a trusted key, and is not of this content.
    #[error(
        "the signature names key {key}, but is not of these bytes: one of them was altered, or belongs to another file"
    )]
    Forged {
        /// The id of the key.
        key: String,
    },
    /// A good signature of something else.
    #[error(
        "the signature by key {key} says {found:?}, and {expected:?} is expected: it belongs to something else"
    )]
    Moved {
        /// The id of the key.
        key: String,
        /// What should be signed.
        expected: String,
        /// What is signed.
        found: String,
    },
    /// A trusted comment that cannot stand in a signature.
    #[error("a trusted comment has at most 1,024 bytes, and no control characters")]
    Comment,
    /// The system gives no random bytes for a new key.
    #[error("the system gives no random bytes: {problem}")]
    Random {
        /// What the system says.
        problem: String,
    },
}
