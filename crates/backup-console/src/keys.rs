//! Keys to sign with, and keys to trust.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use backup_repository::Repository;
use backup_sign::{PublicKey, SecretKey, SignError, TrustedKeys};
use clap::Args;

use crate::problem::Problem;
use crate::report::Report;
use crate::secret_file;
use crate::session::Session;

/// Names the file of the key to sign with.
const SIGN_KEY: &str = "KVBACKUP_SIGN_KEY";
/// Names keys to trust, or their files, with colons between them.
const TRUST: &str = "KVBACKUP_TRUST";

/// What a dump, or the record that it was forgotten, is signed with.
#[derive(Args, Clone, Debug)]
pub struct SignArgs {
    /// Sign what is written with the key in this file, which only its owner may read [default: KVBACKUP_SIGN_KEY]
    #[arg(long, value_name = "FILE")]
    sign_key: Option<PathBuf>,
}

impl SignArgs {
    /// Returns true if the option was given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.sign_key.is_some()
    }

    /// Reads the key, if one is named.
    ///
    /// # Errors
    ///
    /// [`Problem::Refused`] when the key is not trusted, because what it signs would be refused afterwards, or when others may read its file.
    pub fn signer(&self, session: &Session) -> Result<Signer> {
        let variable = std::env::var_os(SIGN_KEY).map(PathBuf::from);
        let Some(path) = self.sign_key.clone().or(variable) else { return Ok(Signer(None)) };
        let key = read_secret(&path)?;
        if let Some(trust) = session.trust.as_ref().filter(|trust| !trust.keys().contains(key.public())) {
            let (path, id, trusted) = (path.display(), key.public().id(), trust.ids());
            let text =
                format!("key {id} of {path} is not trusted, only {trusted}; add it with --trust {path}.pub");
            return Err(Problem::Refused(text).into());
        }
        Ok(Signer(Some(Arc::new(key))))
    }
}

/// The key that a command signs with, if there is one.
#[derive(Clone, Debug)]
pub struct Signer(Option<Arc<SecretKey>>);

impl Signer {
    /// Signs what is written to a repository.
    #[must_use]
    pub fn of(&self, repository: Repository) -> Repository {
        match &self.0 {
            Some(key) => repository.with_signer(key.clone()),
            None => repository,
        }
    }

    /// Returns true if there is a key.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Says in a line of this label which key it is, or that there is none.
    pub(crate) fn describe_as(&self, report: &mut Report, label: &str) {
        match &self.0 {
            Some(key) => report.line(label, key.public().id()),
            None => {
                report.line(label, "nobody: there is no key, so it counts only where no keys are trusted")
            }
        }
    }

    /// Says which key it is.
    pub fn describe(&self, report: &mut Report) {
        let id = self.0.as_ref().map(|key| key.public().id().to_string());
        if let Some(id) = &id {
            report.line("signed by", id);
        }
        report.field("signed_by", id);
    }
}

/// Reads a secret key to sign with.
fn read_secret(path: &Path) -> Result<SecretKey> {
    let bytes = secret_file::read(path)?;
    SecretKey::decode(&bytes).with_context(|| format!("reading the key in {}", path.display()))
}

/// Returns the keys that are trusted: those of the command line, or else of the environment. `None` means that signatures are not
/// checked; a variable that is set and empty does not mean that.
pub(crate) fn trusted(given: &[String]) -> Result<Option<TrustedKeys>> {
    let variable = std::env::var_os(TRUST);
    let texts: Vec<String> = match (given.is_empty(), &variable) {
        (false, _) => given.to_vec(),
        (true, None) => return Ok(None),
        (true, Some(text)) => {
            let text = OsStr::to_str(text).unwrap_or_default();
            text.split(':').filter(|part| !part.is_empty()).map(str::to_owned).collect()
        }
    };
    let mut keys: Vec<PublicKey> = Vec::new();
    for text in &texts {
        keys.extend(parse_trusted(text)?);
    }
    match TrustedKeys::new(keys) {
        Ok(trusted) => Ok(Some(trusted)),
        Err(SignError::NoKeys) => {
            Err(Problem::Usage(format!("{TRUST} is set, and names no key; unset it to check no signatures"))
                .into())
        }
        Err(error) => {
            Err(anyhow::Error::from(error).context(Problem::Usage("reading the keys to trust".to_owned())))
        }
    }
}

/// Reads a key that is written as it is, or all keys of a file.
fn parse_trusted(text: &str) -> Result<Vec<PublicKey>> {
    // No file has such a name by accident.
    if let Ok(key) = text.parse::<PublicKey>() {
        return Ok(vec![key]);
    }
    let doing = || format!("reading the key to trust in {text:?}");
    let file = File::open(text).with_context(doing)?;
    let bytes = secret_file::read_short(file).with_context(doing)?;
    let found = std::str::from_utf8(&bytes).map_err(anyhow::Error::from);
    let found = found.and_then(|found| TrustedKeys::parse(found).map_err(anyhow::Error::from));
    found.with_context(|| Problem::Usage(format!("{text} holds no public key of minisign")))
}
