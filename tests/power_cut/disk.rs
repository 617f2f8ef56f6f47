//! What a disk holds for certain: for each directory the names of its last sync, for each file the bytes.
//!
//! It is kept in a directory beside the one that it describes. Files and directories are identified by inode and time
//! of birth. So a renamed one keeps its content, and a new one does not inherit that of a removed one.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The durable state of a tree, in the directory where it is recorded.
pub struct Disk<'a>(pub &'a Path);

impl Disk<'_> {
    /// Records that all of a tree is durable.
    pub fn record_all(&self, path: &Path) -> io::Result<()> {
        self.record(&File::open(path)?)?;
        if path.is_dir() {
            for entry in fs::read_dir(path)? {
                self.record_all(&entry?.path())?;
            }
        }
        Ok(())
    }

    /// Records that an open file or directory is durable as it is now.
    pub fn record(&self, file: &File) -> io::Result<()> {
        let metadata = file.metadata()?;
        let path = path(file)?;
        let mut content = Vec::new();
        if metadata.is_dir() {
            for entry in fs::read_dir(path)? {
                let (name, metadata) = entry.and_then(|entry| Ok((entry.file_name(), entry.metadata()?)))?;
                content.extend([key(&metadata)?.as_bytes(), b"/", name.as_bytes(), b"\0"].concat());
            }
        } else {
            File::open(path)?.read_to_end(&mut content)?;
        }
        let kept = self.0.join(key(&metadata)?);
        fs::write(kept.with_extension("new"), content)?;
        fs::rename(kept.with_extension("new"), kept)
    }

    /// Makes what would be there after a power cut: `path` as it is for certain, below `into`.
    pub fn cut_power(&self, path: &Path, into: &Path) -> io::Result<()> {
        self.make(&key(&fs::metadata(path)?)?, into)
    }

    fn make(&self, key: &str, into: &Path) -> io::Result<()> {
        let content = match fs::read(self.0.join(key)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        if !key.starts_with('d') {
            return fs::write(into, content);
        }
        fs::create_dir(into)?;
        for entry in content.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
            let slash = entry.iter().position(|byte| *byte == b'/').ok_or(io::ErrorKind::InvalidData)?;
            let name = PathBuf::from(std::ffi::OsString::from_vec(entry[slash + 1..].to_vec()));
            self.make(&String::from_utf8_lossy(&entry[..slash]), &into.join(name))?;
        }
        Ok(())
    }
}

/// Returns where an open file or directory lies.
pub fn path(file: &File) -> io::Result<PathBuf> {
    fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Returns what a file or directory is known by.
fn key(metadata: &Metadata) -> io::Result<String> {
    let kind = if metadata.is_dir() { 'd' } else { 'f' };
    let born = metadata.created()?.duration_since(UNIX_EPOCH).map_err(io::Error::other)?.as_nanos();
    Ok(format!("{kind}{}-{born}", metadata.ino()))
}
