//! Files with secrets in them.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use zeroize::Zeroizing;

use crate::problem::Problem;

/// Files of keys are not longer.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Reads a file with a secret. It must be a regular one of this user or of root, and nobody else may read or write it.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let doing = || format!("reading the key in {}", path.display());
    let file = File::open(path).with_context(doing)?;
    let metadata = file.metadata().with_context(doing)?;
    let refuse = |problem: String| Err(Problem::Refused(format!("{} {problem}", path.display())).into());
    if !metadata.is_file() {
        return refuse("is no regular file, so no secret key is read from it".to_owned());
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return refuse(format!(
            "holds a secret key, and others than its owner may use it (mode {mode:04o}); make it 0600: chmod 600 {}",
            path.display()
        ));
    }
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user && metadata.uid() != 0 {
        return refuse(format!("belongs to user {}, who is neither you nor root", metadata.uid()));
    }
    keep_out_of_core_dumps();
    read_short(file).with_context(doing)
}

/// Reads a key file; what is longer than any is cut off, and so is no key.
pub(crate) fn read_short(file: File) -> std::io::Result<Zeroizing<Vec<u8>>> {
    // With room for all, so that no part of it is left where a smaller buffer was.
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX as usize + 1));
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Keeps the memory of this process from core dumps and from other processes of the same user.
fn keep_out_of_core_dumps() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_has_read_a_key_leaves_no_core_dump() {
        use rustix::process::{DumpableBehavior, dumpable_behavior};
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        fs::write(&file, "secret").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        read(&file).unwrap_err();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::Dumpable);
        assert_eq!(read(&file).unwrap().as_slice(), b"secret");
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
