//! Creating a file only where none is, on file systems without hard links, like exFAT.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Returns true if an error may mean that the file system has no hard links.
pub(crate) fn may_lack_links(error: &object_store::Error) -> bool {
    let mut cause = Some(error as &(dyn std::error::Error + 'static));
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            // Not every system has a kind for it: EPERM is what Linux says.
            return error.kind() == ErrorKind::Unsupported || error.raw_os_error() == Some(1);
        }
        cause = error.source();
    }
    false
}

/// Writes a file whole and durably unless there is one of that name; returns true if it was written.
///
/// # Errors
///
/// As the system reports them; of kind [`ErrorKind::Unsupported`] when the file system can rename only in a way that may replace a file.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let staged = staged(path);
    let result = write(&staged, bytes).and_then(|()| rename(&staged, path));
    match result {
        Ok(()) => sync_parent(path).map(|()| true),
        Err(error) => {
            // It is removed as a left-over otherwise.
            drop(fs::remove_file(&staged));
            if error.kind() == ErrorKind::AlreadyExists { Ok(false) } else { Err(error) }
        }
    }
}

/// A name beside the file's that nobody takes for a file of the repository.
pub(crate) fn staged(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!("#{}", std::process::id()));
    PathBuf::from(name)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(target_os = "linux")]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(|error| match error {
        Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP => unsupported(),
        error => error.into(),
    })
}

#[cfg(not(target_os = "linux"))]
fn rename(_: &Path, _: &Path) -> io::Result<()> {
    Err(unsupported())
}

fn unsupported() -> io::Error {
    let text = "the file system has neither hard links nor a rename that replaces nothing; one of them is needed, so that two \
                programs do not make two repositories of one";
    io::Error::new(ErrorKind::Unsupported, text)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_created_once_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jobs/a/job");
        assert!(create(&path, b"first").unwrap());
        assert!(!create(&path, b"second").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn of_many_who_create_one_succeeds() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        let created = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8_u8)
                .map(|number| {
                    let path = path.clone();
                    scope.spawn(move || {
                        let staged = path.with_extension(format!("json#{number}"));
                        write(&staged, &[number; 100]).unwrap();
                        rename(&staged, &path).is_ok()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).filter(|created| *created).count()
        });
        assert_eq!(created, 1);
    }

    #[test]
    fn what_linux_says_without_links_is_known() {
        let said =
            |error: io::Error| object_store::Error::Generic { store: "local", source: Box::new(error) };
        assert!(may_lack_links(&said(io::Error::from_raw_os_error(1))));
        assert!(may_lack_links(&said(io::Error::from_raw_os_error(95))));
        assert!(!may_lack_links(&said(io::Error::from_raw_os_error(28))));
    }
}
