//! Where a repository lies: a directory or a URL.

use std::ffi::OsStr;
use std::path::PathBuf;
#[cfg(feature = "fs")]
use std::sync::Arc;

#[cfg(any(feature = "fs", feature = "aws", feature = "gcp", feature = "azure"))]
use object_store::path::Path;
use url::Url;

use crate::error::RepositoryError;
use crate::locator::{Locator, shown};
use crate::store::Store;
use crate::variables::Variables;

/// How long a request to a store elsewhere is repeated while that does not answer, unless [`Store::with_patience`] says otherwise.
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(600);

/// Opens the store behind a directory or URL.
///
/// A text that begins with `SCHEME://` is a URL; every other one is a directory, and so is a `file://` URL. Directories
/// need feature `fs`, and `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` and `az://CONTAINER/PREFIX` features `aws`, `gcp` and
/// `azure`. What other programs take for a place far away, like `s3:bucket` or `sftp:host:/x`, is no directory; one of that
/// name is written `./s3:bucket`.
///
/// Credentials and settings come from `variables`, usually those of the environment. Of them only `AWS_*` count for
/// `s3://`, `GOOGLE_*` for `gs://` and `AZURE_*` for `az://`. Beside those, files of credentials are found by `HOME`, and the
/// machine's cloud is asked for credentials only if `KVBACKUP_INSTANCE_CREDENTIALS` is `true`.
///
/// With `create`, a missing directory is made, readable by its owner alone.
///
/// A request to a store elsewhere may take as long as it moves. While the store does not answer, it is repeated for 10
/// minutes: see [`Store::with_patience`].
///
/// # Errors
///
/// [`RepositoryError::NotALocation`] when the location is not understood; [`RepositoryError::Location`] when it is missing,
/// needs a feature that is off, or a setting cannot be used or is missing.
pub fn open_location(
    location: impl AsRef<OsStr>,
    create: bool,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Store, RepositoryError> {
    let location = location.as_ref();
    let name = location.to_string_lossy();
    match Locator::parse(location)? {
        Locator::Directory(path) => open_directory(&name, &path, create),
        Locator::Url(url) => open_url(&name, &url, &Variables::new(variables)),
    }
}

/// Checks that a location can be understood. Does no I/O.
///
/// # Errors
///
/// [`RepositoryError::NotALocation`], with what to write instead.
pub fn check_location(location: impl AsRef<OsStr>) -> Result<(), RepositoryError> {
    Locator::parse(location.as_ref()).map(drop)
}

/// Returns the directory that a location names, `None` for a store elsewhere and for what is no location. Does no I/O.
#[must_use]
pub fn location_directory(location: impl AsRef<OsStr>) -> Option<PathBuf> {
    match Locator::parse(location.as_ref()) {
        Ok(Locator::Directory(path)) => Some(path),
        _ => None,
    }
}

/// Returns a location as it may be printed: what may be a secret in a URL is left out.
#[must_use]
pub fn shown_location(location: impl AsRef<OsStr>) -> String {
    let text = location.as_ref().to_string_lossy();
    match Locator::parse(location.as_ref()) {
        Ok(_) => text.into_owned(),
        Err(_) => shown(&text),
    }
}

#[cfg(not(any(feature = "aws", feature = "gcp", feature = "azure")))]
fn open_url(location: &str, url: &Url, _: &Variables) -> Result<Store, RepositoryError> {
    let problem = format!("this program is built without the feature for {}://", url.scheme());
    Err(RepositoryError::Location { location: location.to_owned(), problem })
}

#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
fn open_url(location: &str, url: &Url, variables: &Variables) -> Result<Store, RepositoryError> {
    let problem = |problem: String| RepositoryError::Location { location: location.to_owned(), problem };
    let prefix = Path::from_url_path(url.path()).map_err(|error| problem(error.to_string()))?;
    let (store, remote) = crate::remote::open(url, variables).map_err(problem)?;
    Ok(Store::new(store, prefix).with_name(location).with_remote(remote).with_patience(PATIENCE))
}

#[cfg(not(feature = "fs"))]
fn open_directory(location: &str, _: &std::path::Path, _: bool) -> Result<Store, RepositoryError> {
    let problem = "this program is built without feature `fs` for directories".to_owned();
    Err(RepositoryError::Location { location: location.to_owned(), problem })
}

#[cfg(feature = "fs")]
fn open_directory(location: &str, path: &std::path::Path, create: bool) -> Result<Store, RepositoryError> {
    let problem = |problem: String| RepositoryError::Location { location: location.to_owned(), problem };
    if create {
        create_private(path).map_err(|error| problem(format!("creating the directory: {error}")))?;
    }
    let path = path.canonicalize().map_err(|error| problem(format!("{error}; is the path right?")))?;
    let store = object_store::local::LocalFileSystem::new_with_prefix(&path)
        .map_err(|error| problem(error.to_string()))?
        .with_fsync(true);
    Ok(Store::new(Arc::new(store), Path::default()).with_name(location).with_local(path))
}

/// Makes the directory for its owner alone; what is made below it later is behind it.
#[cfg(feature = "fs")]
fn create_private(path: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Removes files named `NAME#NUMBER`, which is how the local store names what it has not yet published, when
/// they were not touched for an hour.
#[cfg(feature = "fs")]
pub(crate) fn remove_leftovers(directory: &std::path::Path, below: &[&str]) -> Result<(), RepositoryError> {
    const AGE: std::time::Duration = std::time::Duration::from_secs(3_600);
    let failed = |path: &std::path::Path| {
        let path = path.display().to_string();
        move |source| RepositoryError::File { doing: "removing left-overs in", path, source }
    };
    for name in below {
        let path = directory.join(name);
        let Ok(files) = std::fs::read_dir(&path) else { continue };
        for file in files {
            let file = file.map_err(failed(&path))?;
            let stale = || file.metadata().ok()?.modified().ok()?.elapsed().ok().map(|age| age > AGE);
            let temporary = file.file_name().to_str().is_some_and(|name| name.contains('#'))
                && file.file_type().is_ok_and(|kind| kind.is_file());
            if temporary && stale().unwrap_or(false) {
                std::fs::remove_file(file.path()).map_err(failed(&file.path()))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_text_that_begins_with_a_scheme_is_a_url() {
        for (location, directory) in [
            ("backup", Some("backup")),
            ("./a://b", Some("./a://b")),
            ("/srv/a://b", Some("/srv/a://b")),
            ("a_b://c", None),
            ("file:///srv/my%20backup", Some("/srv/my backup")),
            ("s3://bucket/prefix", None),
            ("a://b", None),
        ] {
            assert_eq!(location_directory(location), directory.map(PathBuf::from), "{location}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_not_utf_8_is_a_directory_and_no_url() {
        use std::os::unix::ffi::OsStrExt;
        let name = OsStr::from_bytes(b"s3\xff");
        assert_eq!(location_directory(name), Some(PathBuf::from(name)));
        assert!(check_location(OsStr::from_bytes(b"s3://\xff")).is_err());
    }
}
