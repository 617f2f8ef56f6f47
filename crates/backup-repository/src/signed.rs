//! What is signed, where signatures lie, and how they are checked.
//!
//! A signature lies beside what it is of. It is written before that, so what is there under its name was signed if its writer
//! signs. What it says names the repository and the dump, so it counts nowhere else.

use std::fmt;
use std::sync::Arc;

use backup_format::ObjectId;
use backup_sign::{KeyId, SecretKey, SignError, Signature, TrustedKeys};
use bytes::Bytes;

use crate::error::RepositoryError;
use crate::repository::Repository;
use crate::store::{REPOSITORY_KEY, Store};
use crate::twice::read_twice;

/// What is known of who signed a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signed {
    /// Nobody.
    No,
    /// A trusted key of this id.
    By(KeyId),
    /// Somebody who names the key of this id. No keys were given, so it is not checked.
    Unchecked(KeyId),
    /// What lies in the place of a signature is none. No keys were given, so the dump is taken all the same.
    Unreadable,
}

impl Signed {
    /// Returns true if there is a signature of some key.
    pub(crate) fn names_key(self) -> bool {
        matches!(self, Self::By(_) | Self::Unchecked(_))
    }
}

/// What a signature says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    /// This is a dump.
    Dump,
    /// This dump was forgotten.
    Forgotten,
    /// This dump was left out by a copy, and what came before it.
    Skipped,
    /// This was proven of dumps. The id is that of the attestation.
    Attestation,
    /// These are the recipients of the repository key. The id is that of the file.
    RepositoryKey,
}

impl Statement {
    /// Returns the place of the signature of a dump.
    pub(crate) fn path(self, id: ObjectId) -> String {
        let signed = match self {
            Self::Dump => Store::manifest_path(id),
            Self::Forgotten => Store::forgotten_path(id),
            Self::Skipped => Store::skipped_path(id),
            Self::Attestation => Store::report_path(id),
            Self::RepositoryKey => REPOSITORY_KEY.to_owned(),
        };
        Store::signature_path(&signed)
    }

    /// Returns the trusted comment, which must be this word by word.
    pub(crate) fn comment(self, id: ObjectId, repository: &str, sequence: u64) -> String {
        let what = match self {
            Self::Dump => "dump",
            Self::Forgotten => "forgotten",
            Self::Skipped => "skipped",
            Self::Attestation => "attestation",
            Self::RepositoryKey => "key",
        };
        format!("kvbackup {what}={id} repository={repository} sequence={sequence}")
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Dump => "dump",
            Self::Forgotten => "the record that somebody forgot dump",
            Self::Skipped => "the record that a copy left out dump",
            Self::Attestation => "attestation",
            Self::RepositoryKey => "the stored repository key, file",
        })
    }
}

impl Repository {
    /// Takes only what is signed by one of these keys, in all that is done with the result: dumps without such a signature are
    /// refused with [`RepositoryError::Untrusted`]. Without trusted keys, which is the default, signatures are not checked.
    #[must_use]
    pub fn with_trust(self, keys: TrustedKeys) -> Self {
        Self { trust: Some(Arc::new(keys)), ..self }
    }

    /// Signs with this key the dumps that are made, the records of those that are forgotten and attestations, in all that is done with the
    /// result.
    #[must_use]
    pub fn with_signer(self, key: Arc<SecretKey>) -> Self {
        Self { signer: Some(key), ..self }
    }

    /// Says who signed a dump.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Untrusted`] when there are trusted keys, and none of them did. [`RepositoryError::NoDump`] when it is gone.
    pub async fn signed(&self, dump: ObjectId) -> Result<Signed, RepositoryError> {
        Ok(self.signed_manifest(dump, true).await?.1)
    }

    /// Signs what is to be written, if there is a key for that.
    pub(crate) fn sign(
        &self,
        statement: Statement,
        (id, sequence): (ObjectId, u64),
        content: &[u8],
    ) -> Result<Option<Bytes>, RepositoryError> {
        let Some(key) = &self.signer else { return Ok(None) };
        let comment = statement.comment(id, &self.config.repository, sequence);
        let signature = key.sign(content, &comment).map_err(|source| RepositoryError::Sign {
            problem: format!("signing {statement} {id:.12}"),
            source: Some(source),
        })?;
        Ok(Some(signature.encode().into()))
    }

    /// Refuses to write what could not be signed, and would be refused by those who trust the same keys.
    pub(crate) fn check_signs(&self) -> Result<(), RepositoryError> {
        let (problem, source) = match (&self.trust, &self.signer) {
            (Some(trust), None) => {
                let expected = trust.ids();
                let problem =
                    format!("only what key {expected} signed is trusted, and there is no key to sign with");
                (problem, None)
            }
            (Some(trust), Some(key)) if !trust.keys().contains(key.public()) => {
                let (found, expected) = (key.public().id().to_string(), trust.ids());
                let problem = "what is written would be refused afterwards".to_owned();
                (problem, Some(SignError::Foreign { found, expected }))
            }
            _ => return Ok(()),
        };
        Err(RepositoryError::Sign { problem, source })
    }

    /// Checks the signature of content that was read. `may_be_there` is false if none was listed: then it is looked for only
    /// where it must be there.
    pub(crate) async fn check_signature(
        &self,
        statement: Statement,
        (id, sequence): (ObjectId, u64),
        (content, may_be_there): (&[u8], bool),
    ) -> Result<Signed, RepositoryError> {
        if self.trust.is_none() && !may_be_there {
            return Ok(Signed::No);
        }
        let path = &statement.path(id);
        let comment = statement.comment(id, &self.config.repository, sequence);
        let read = || self.read_signature(path);
        let judge = |file: Option<Bytes>| {
            let judged = self.judge(file, content, &comment);
            let untrusted = |(problem, source)| RepositoryError::Untrusted {
                what: statement.to_string(),
                dump: id,
                problem,
                source,
            };
            std::future::ready(judged.map_err(untrusted))
        };
        read_twice(&self.store, path, read, judge).await
    }

    /// Reads a signature. One that is too long comes as no text at all, which is no signature.
    pub(crate) async fn read_signature(&self, path: &str) -> Result<Option<Bytes>, RepositoryError> {
        match self.store.read(path, Signature::FILE_BYTES_MAX as u64).await {
            Err(RepositoryError::Damaged { .. }) => Ok(Some(Bytes::new())),
            read => read,
        }
    }

    fn judge(
        &self,
        file: Option<Bytes>,
        content: &[u8],
        comment: &str,
    ) -> Result<Signed, (String, Option<SignError>)> {
        let signature = file.map(|file| Signature::decode(&file));
        let Some(trust) = &self.trust else {
            return Ok(match signature {
                None => Signed::No,
                Some(Ok(signature)) => Signed::Unchecked(signature.key()),
                Some(Err(_)) => Signed::Unreadable,
            });
        };
        let expected = format!("a signature by key {} is expected", trust.ids());
        let signature = match signature {
            None => return Err((format!("it is not signed, and {expected}"), None)),
            Some(decoded) => decoded.map_err(|error| (expected.clone(), Some(error)))?,
        };
        match trust.check(content, &signature, comment) {
            Ok(()) => Ok(Signed::By(signature.key())),
            Err(error) => Err((expected, Some(error))),
        }
    }
}
