//! Files that are replaced as a whole.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::Builder;

/// Who can read a file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Readers {
    /// Everybody.
    All,
    /// Those that the umask of the process lets read.
    #[cfg_attr(not(feature = "report"), allow(dead_code))]
    Umask,
}

/// Replaces a file as a whole, or makes it. After an error what was there is unchanged.
///
/// Whether the new name is durable is left to the file system: after a power cut the older file is as good as the next run.
pub(crate) fn replace(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let directory = path.parent().filter(|parent| *parent != Path::new(""));
    // node_exporter would read what ends in .prom, also what a killed run leaves.
    let mut file = Builder::new()
        .prefix(".kvbackup-")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(directory.unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    if let Readers::All = readers {
        file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    }
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
