//! Certificates that are given to continue with.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use linera_chain::types::ConfirmedBlockCertificate;

use crate::decode::decode;

/// A certificate and where it was read from.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The file.
    pub path: PathBuf,
    /// The certificate, which nobody has checked.
    pub certificate: ConfirmedBlockCertificate,
}

/// Reads BCS of a `ConfirmedBlockCertificate`.
///
/// # Errors
///
/// When the file cannot be read or decoded.
pub fn read_certificate(path: &Path) -> Result<Certificate> {
    let bytes = std::fs::read(path).with_context(|| format!("reading certificate {}", path.display()))?;
    let certificate = decode(&bytes).map_err(anyhow::Error::msg);
    let certificate = certificate.with_context(|| format!("reading certificate {}", path.display()))?;
    Ok(Certificate { path: path.to_owned(), certificate })
}
