//! Making durable what others wrote: a writer that was killed may have left files that its disk never took.

use std::fs::File;
use std::io::{Error, ErrorKind};
use std::path::Path;

use crate::error::RepositoryError;

/// Syncs files of a directory, each directory that they lie in, and those above it, which may be as new.
///
/// A file that was synced before costs two system calls. What is not there is left out: the caller looks for it.
pub(crate) fn sync(directory: &Path, files: impl IntoIterator<Item = String>) -> Result<(), RepositoryError> {
    let mut folders = std::collections::BTreeSet::new();
    for file in files {
        let path = directory.join(file);
        sync_one(&path, |error| error.kind() == ErrorKind::NotFound)?;
        folders.extend(path.parent().filter(|folder| *folder != directory).map(Path::to_path_buf));
    }
    for folder in folders {
        sync_one(&folder, |error| error.kind() == ErrorKind::NotFound)?;
    }
    sync_one(directory, |_| false)?;
    // Directories above may not be ours to open, and then they are not ours to have made.
    directory.ancestors().skip(1).try_for_each(|above| sync_one(above, is_foreign))
}

fn sync_one(path: &Path, may_be: impl Fn(&Error) -> bool) -> Result<(), RepositoryError> {
    match File::open(path).and_then(|file| file.sync_all()) {
        Err(source) if !may_be(&source) => {
            let path = path.display().to_string();
            Err(RepositoryError::File { doing: "syncing", path, source })
        }
        _ => Ok(()),
    }
}

fn is_foreign(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::InvalidInput
    )
}
