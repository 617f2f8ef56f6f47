//! Scratch directories, which do not outlive their process for long.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use crate::error::RocksDbError;

/// A scratch directory for its owner alone, which is removed when this is dropped.
///
/// While its process lives it is locked. What a process left that was killed has no lock, and the next one removes it.
#[derive(Debug)]
pub struct Scratch {
    directory: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes a directory in `base`, `None` for where the system keeps temporary files, whose name begins with `prefix`. All
    /// directories there with such a name whose process is dead are removed first.
    ///
    /// # Errors
    ///
    /// [`RocksDbError::Scratch`] when it cannot be made.
    pub fn create(base: Option<&Path>, prefix: &str) -> Result<Self, RocksDbError> {
        let base = base.map_or_else(std::env::temp_dir, Path::to_owned);
        let failed =
            |source| RocksDbError::Scratch { doing: "making a directory in", path: base.clone(), source };
        sweep(&base, prefix);
        loop {
            let mut builder = tempfile::Builder::new();
            let permissions = fs::Permissions::from_mode(0o700);
            let directory =
                builder.permissions(permissions).prefix(prefix).tempdir_in(&base).map_err(failed)?;
            // Another process may have swept it away before it was locked.
            if let Some(lock) = lock(directory.path()).map_err(failed)? {
                return Ok(Self { directory, _lock: lock });
            }
        }
    }

    /// Returns the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Removes what dead processes of this user left. What cannot be removed stays: it stops nobody.
fn sweep(base: &Path, prefix: &str) {
    let user = rustix::process::geteuid().as_raw();
    let entries = base.read_dir().into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix)) {
        let path = entry.path();
        let own = |found: &fs::Metadata| found.is_dir() && found.uid() == user;
        if fs::symlink_metadata(&path).is_ok_and(|found| own(&found)) {
            remove_unlocked(path);
        }
    }
}

fn remove_unlocked(path: PathBuf) {
    if let Ok(Some(_lock)) = lock(&path) {
        drop(fs::remove_dir_all(path));
    }
}

/// Locks a directory; `None` when another process has it locked, or it is gone.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        return if error == rustix::io::Errno::WOULDBLOCK { Ok(None) } else { Err(error.into()) };
    }
    // The lock of a directory that is gone, or was replaced, is that of nothing.
    let held = file.metadata()?;
    let there = fs::symlink_metadata(path);
    let same = there.is_ok_and(|there| (held.dev(), held.ino()) == (there.dev(), there.ino()));
    Ok(same.then_some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "scratch-";

    fn names(base: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            base.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_dead_process_left_is_removed_and_what_a_living_one_has_is_not() {
        let base = tempfile::tempdir().unwrap();
        let living = Scratch::create(Some(base.path()), PREFIX).unwrap();
        for left in ["scratch-dead", "other-dead"] {
            fs::create_dir(base.path().join(left)).unwrap();
            fs::write(base.path().join(left).join("000001.log"), "rows").unwrap();
        }
        fs::write(base.path().join("scratch-file"), "no directory").unwrap();
        std::os::unix::fs::symlink("other-dead", base.path().join("scratch-link")).unwrap();
        let second = Scratch::create(Some(base.path()), PREFIX).unwrap();
        assert!(living.path().is_dir() && second.path().is_dir());
        assert!(base.path().join("other-dead/000001.log").exists());
        drop((living, second));
        assert_eq!(names(base.path()), ["other-dead", "scratch-file", "scratch-link"]);
    }

    #[test]
    fn a_scratch_directory_is_for_its_owner_alone() {
        let base = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(Some(base.path()), PREFIX).unwrap();
        assert_eq!(fs::metadata(scratch.path()).unwrap().permissions().mode() & 0o777, 0o700);
        let missing = base.path().join("missing");
        let error = Scratch::create(Some(&missing), PREFIX).unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
    }
}
