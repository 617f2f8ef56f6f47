//! Where a repository lies: a directory or a URL.

use std::sync::Arc;

use object_store::path::Path;
use url::Url;

use crate::error::RepositoryError;
use crate::store::Store;

/// Opens the store behind a directory or URL.
///
/// A text without `://` is a directory, and so is a `file://` URL; directories need feature `fs`. Other schemes are
/// those of the `object_store` crate, as far as features `aws`, `gcp` and `azure` are on; their credentials and settings
/// come from `variables`, usually those of the environment.
///
/// With `create`, a missing directory is made, readable by its owner alone.
///
/// # Errors
///
/// [`RepositoryError::Location`] when the location is not understood, missing, or needs a feature that is off.
pub fn open_location(
    location: &str,
    create: bool,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Store, RepositoryError> {
    if !location.contains("://") {
        return open_directory(location, std::path::Path::new(location), create);
    }
    let problem = |problem: String| RepositoryError::Location { location: location.to_owned(), problem };
    let url = Url::parse(location).map_err(|error| problem(format!("not a URL: {error}")))?;
    if url.scheme() == "file" {
        let path = url.to_file_path().map_err(|()| problem("not a local path".to_owned()))?;
        return open_directory(location, &path, create);
    }
    let options = variables.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
    let (store, prefix) = object_store::parse_url_opts(&url, options).map_err(|error| {
        problem(format!("{error}; is this program built with the feature for {}://?", url.scheme()))
    })?;
    Ok(Store::new(Arc::from(store), prefix).with_name(location))
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
            let temporary = file.file_name().to_str().is_some_and(|name| name.contains('#'));
            if temporary && stale().unwrap_or(false) {
                std::fs::remove_file(file.path()).map_err(failed(&file.path()))?;
            }
        }
    }
    Ok(())
}
