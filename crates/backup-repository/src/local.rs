//! The files of a repository in a local directory, as far as an object store looks at more of them than it may.
//!
//! Whatever else lies there is ignored: files whose names are no text, directories, pipes, devices. Opening a pipe would wait
//! for its writer.

use std::io::{Error, ErrorKind, Result};
use std::path::Path;
use std::time::SystemTime;

use crate::store::Listed;

/// Lists the regular files in a directory; none if it is not there. A link counts as what it leads to.
pub(crate) fn files(directory: &Path) -> Result<Vec<Listed>> {
    let entries = match directory.read_dir() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        // One that went away meanwhile, or a link that leads nowhere, is not there.
        if let Ok(meta) = std::fs::metadata(entry.path())
            && meta.is_file()
        {
            files.push(Listed { name, bytes: meta.len(), written: millis(meta.modified()?) });
        }
    }
    Ok(files)
}

/// Lists the directories in a directory; none if it is not there.
pub(crate) fn directories(directory: &Path) -> Result<Vec<String>> {
    let entries = match directory.read_dir() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    Ok(names)
}

/// Returns a time in milliseconds since 1970.
fn millis(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |before| -before),
    }
}

/// Returns false if there is no such file; fails if it is anything but a regular one.
pub(crate) fn is_there(file: &Path) -> Result<bool> {
    match std::fs::metadata(file) {
        Ok(meta) if meta.is_file() => Ok(true),
        Ok(_) => Err(Error::other("it is a directory, a pipe or a device, where a regular file is expected")),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns paths below a directory, up to `most`; directories are none of them, but what lies in them is. Links are not
/// followed. What a writer has not yet published, or left behind, does not count.
pub(crate) fn paths(directory: &Path, most: usize) -> Result<Vec<std::path::PathBuf>> {
    let (mut found, mut open) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(directory) = open.pop() {
        for entry in directory.read_dir()? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => open.push(entry.path()),
                false if is_staged(&entry.file_name()) => {}
                false => found.push(entry.path()),
            }
            if found.len() >= most {
                return Ok(found);
            }
        }
    }
    Ok(found)
}

/// Returns true for names like `NAME#NUMBER`, which files have until they are published.
fn is_staged(name: &std::ffi::OsStr) -> bool {
    let number = name.to_str().and_then(|name| name.rsplit_once('#')).map(|(_, number)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}
