//! The validator's own secret key.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use linera_base::crypto::ValidatorSecretKey;

/// Reads a secret key: hex digits, or the JSON string that linera serializes it to. Errors name what is wrong without
/// showing any of it.
///
/// # Errors
///
/// When the file cannot be read, or holds no key.
pub fn read_key(path: &Path) -> Result<ValidatorSecretKey> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading key {}", path.display()))?;
    let text = text.trim();
    let json = if text.starts_with('"') { text.to_owned() } else { format!("\"{text}\"") };
    serde_json::from_str(&json).map_err(|_| {
        anyhow!(
            "{} holds no secret key: expected 64 hex digits, or the JSON string that linera writes",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_nothing_of_a_wrong_key_is_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("own.key");
        let secret = "11".repeat(32);
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read_key(&path).map(|key| key.public())
        };
        assert_eq!(read(&format!("{secret}\n")).unwrap(), read(&format!("\"{secret}\"")).unwrap());
        for bad in [&secret[1..], &format!("{secret}zz"), "", "{}"] {
            let error = format!("{:?}", read(bad).unwrap_err());
            assert!(!error.contains("1111"), "{error}");
        }
    }
}
