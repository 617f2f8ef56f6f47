//! Files that are replaced as a whole.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::Builder;

/// Who can read a file.
#[derive(Clone, Copy, Debug)]
pub enum Readers {
    /// Everybody.
    All,
    /// Those that the umask of the process lets read.
    Umask,
    /// The owner alone.
    Owner,
}

/// Replaces a file as a whole, or makes it. After an error what was there is unchanged.
///
/// Whether the new name is durable is left to the file system: after a power cut the older file is as good as the next run.
///
/// # Errors
///
/// Those of the file system.
pub fn replace(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let mode = if let Readers::Owner = readers { 0o600 } else { 0o666 };
    // node_exporter would read what ends in .prom, also what a killed run leaves.
    let mut file = Builder::new()
        .prefix(".kvbackup-")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(directory(path))?;
    file.write_all(bytes)?;
    if let Readers::All = readers {
        file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    }
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Does what [`replace`] does, and makes the new name durable.
///
/// # Errors
///
/// Those of the file system.
pub fn replace_durably(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    replace(path, bytes, readers)?;
    File::open(directory(path))?.sync_all()
}

/// Returns the directory that a file lies in.
#[must_use]
pub fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}
