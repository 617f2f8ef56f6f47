//! Writing files that hold keys.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use backup_console::{Problem, directory};

/// Writes a file that was not there, durably, with its mode from the beginning.
pub(crate) fn write(path: &Path, mode: u32, content: &[u8]) -> Result<()> {
    let doing = || format!("writing {}", path.display());
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = match opened {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(exists(path)),
        opened => opened.with_context(doing)?,
    };
    file.write_all(content).and_then(|()| file.sync_all()).with_context(doing)?;
    File::open(directory(path)).and_then(|directory| directory.sync_all()).with_context(doing)
}

pub(crate) fn exists(path: &Path) -> anyhow::Error {
    Problem::Refused(format!("{} exists already, and a key is never overwritten", path.display())).into()
}

/// Refuses a file that is there.
pub(crate) fn check_new(path: &Path) -> Result<()> {
    match path.try_exists().with_context(|| format!("looking at {}", path.display()))? {
        true => Err(exists(path)),
        false => Ok(()),
    }
}
