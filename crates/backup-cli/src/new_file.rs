//! Writing files that hold keys.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use backup_console::Problem;

/// Writes a file that was not there, durably, with its mode from the beginning.
pub(crate) fn write(path: &Path, mode: u32, content: &[u8]) -> Result<()> {
    let doing = || format!("writing {}", path.display());
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = match opened {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(exists(path)),
        opened => opened.with_context(doing)?,
    };
    file.write_all(content).and_then(|()| file.sync_all()).with_context(doing)?;
    let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    File::open(directory).and_then(|directory| directory.sync_all()).with_context(doing)
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

/// Puts a file in the place of one that is there, durably. A reader finds the one or the other, whole.
pub(crate) fn replace(path: &Path, mode: u32, content: &[u8]) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let beside = Path::new(&name);
    write(beside, mode, content)?;
    let doing = || format!("writing {}", path.display());
    std::fs::rename(beside, path).with_context(doing)?;
    let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    File::open(directory).and_then(|directory| directory.sync_all()).with_context(doing)
}
