//! What can be wrong with keys and with what they seal.

/// An error of a key, of what it seals, or of an age file. None of them holds anything secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The system gives no random bytes for a key or a nonce.
    #[error("the system gives no random bytes: {problem}")]
    Random {
        /// What the system says.
        problem: String,
    },
    /// The cryptographic library fails, which it does only without memory.
    #[error("the cryptographic library fails at {operation}")]
    Library {
        /// What it should do.
        operation: &'static str,
    },
    /// Something sealed that does not open. It is not known why.
    #[error("it does not open: it was altered, or was sealed by another key or as something else")]
    NotAuthentic,
    /// A file or a secret that is not of its form.
    #[error("this is no {what}: {problem}")]
    Malformed {
        /// What was expected.
        what: &'static str,
        /// What is wrong, and where.
        problem: String,
    },
    /// Something longer than the limit.
    #[error("a {what} has at most {limit} bytes, and this one has {len}")]
    TooLong {
        /// What it is.
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
        /// Its length in bytes.
        len: usize,
    },
    /// A list of recipients that cannot be used.
    #[error("the recipients are not usable: {problem}")]
    Recipients {
        /// What is wrong with them.
        problem: String,
    },
    /// A recipient that is not one of age, or of a kind that is not taken.
    #[error("{recipient:?} is no recipient: {problem}")]
    Recipient {
        /// The recipient as it was given, shortened.
        recipient: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An age file that was made for others.
    #[error(
        "none of these identities opens it: it was made for other recipients; give the identity of one of them"
    )]
    NoIdentity,
    /// An age file for a passphrase.
    #[error("this age file was made for a passphrase, and only those for recipients are opened")]
    Passphrase,
    /// An age file that is damaged or is none.
    #[error("this age file is damaged: {problem}")]
    AgeFile {
        /// What is wrong, and where.
        problem: String,
    },
    /// A plugin of age that is missing or fails.
    #[error("a plugin of age fails: {problem}")]
    Plugin {
        /// What it says.
        problem: String,
    },
    /// A data key of another repository.
    #[error("the data key is of repository {found}, and {expected} is expected")]
    OtherRepository {
        /// The repository that is read, in hex.
        expected: String,
        /// The repository that the key names, in hex.
        found: String,
    },
    /// Another data key than the one that was named.
    #[error("the data key is {found}, and {expected} is expected: one was put in place of the other")]
    OtherKey {
        /// The id that was named.
        expected: String,
        /// The id of the key.
        found: String,
    },
}

/// Makes an error about something that is not of its form.
pub(crate) fn malformed(what: &'static str, problem: impl Into<String>) -> SealError {
    SealError::Malformed { what, problem: problem.into() }
}

/// Refuses what is longer than the limit.
pub(crate) fn check_len(what: &'static str, len: usize, limit: usize) -> Result<(), SealError> {
    if len > limit { Err(SealError::TooLong { what, limit, len }) } else { Ok(()) }
}
