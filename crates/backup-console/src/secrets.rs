//! The secrets of encrypted repositories.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use backup_repository::Secrets;
use backup_seal::{AgeIdentities, AgeRecipients, Identities, Recipients, RepositoryKey};

use crate::problem::Problem;
use crate::secret_file;

/// Names files of identities, with colons between them.
const IDENTITY: &str = "KVBACKUP_IDENTITY";
/// Names the file of the repository key.
const REPOSITORY_KEY: &str = "KVBACKUP_REPOSITORY_KEY";

/// Reads the secrets: the identities of these files, or else of those in the environment, and the repository key of a file.
pub(crate) fn read(identities: &[PathBuf], key: Option<&Path>) -> Result<Secrets> {
    let variable = std::env::var_os(IDENTITY).unwrap_or_default();
    let named: Vec<PathBuf> =
        std::env::split_paths(&variable).filter(|path| !path.as_os_str().is_empty()).collect();
    let files = if identities.is_empty() { &named } else { identities };
    let mut joined: Option<AgeIdentities> = None;
    for file in files {
        let found = read_identities(file)?;
        joined = Some(match joined {
            Some(before) => before.join(found)?,
            None => found,
        });
    }
    let key = match key {
        Some(path) => {
            let key = read_repository_key(path)?;
            let recipients = recipients(key.recipients())?;
            Some((key, recipients))
        }
        None => None,
    };
    let identities = joined.map(|joined| Arc::new(joined) as Arc<dyn Identities>);
    Ok(Secrets { key, identities, ..Secrets::default() })
}

/// Returns the file of the repository key that was named on the command line, or else in the environment.
pub(crate) fn key_file(given: Option<&Path>) -> Option<PathBuf> {
    let named = || std::env::var_os(REPOSITORY_KEY).filter(|path| !path.is_empty()).map(PathBuf::from);
    given.map(Path::to_owned).or_else(named)
}

/// Reads a file of identities of age, which only its owner may read.
///
/// # Errors
///
/// [`Problem::Refused`] when others may read it; what is no file of identities is named. [`Problem::Usage`] for an identity in place of
/// its file, which is not repeated.
pub fn read_identities(path: &Path) -> Result<AgeIdentities> {
    let text = path.as_os_str().to_string_lossy().to_ascii_uppercase();
    if text.starts_with("AGE-SECRET-KEY-") || text.starts_with("AGE-PLUGIN-") {
        let text = "an identity itself was named in the place of its file; everybody on this machine can read command lines. \
                    Write it to a file of mode 0600, and make a new one if others use this machine";
        return Err(Problem::Usage(text.to_owned()).into());
    }
    let text = secret_file::read(path)?;
    AgeIdentities::decode(&text).with_context(|| format!("reading the identity in {}", path.display()))
}

/// Reads the file of a repository key, which only its owner may read.
///
/// # Errors
///
/// [`Problem::Refused`] when others may read it; what is no repository key is named.
pub fn read_repository_key(path: &Path) -> Result<RepositoryKey> {
    let text = secret_file::read(path)?;
    RepositoryKey::decode(&text).with_context(|| format!("reading the repository key in {}", path.display()))
}

/// Makes recipients of their texts.
///
/// # Errors
///
/// [`Problem::Usage`] when one is none, stands twice, or is of a kind that is not taken.
pub fn recipients(texts: &[String]) -> Result<Arc<dyn Recipients>> {
    let parsed = AgeRecipients::parse(texts);
    let parsed = parsed.map_err(|error| Problem::Usage(error.to_string()))?;
    Ok(Arc::new(parsed))
}
