//! The record that a last dump was restored for the key of its validator.

use serde::{Deserialize, Serialize};

use crate::config::check_header;
use crate::error::FormatError;
use crate::id::ObjectId;

const FILE: &str = "spent record";
const FORMAT: &str = "kvbackup-spent";

/// Says who restored a last dump for the key of its validator. Its file is named by the id of the dump, so there is one at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Always `kvbackup-spent`.
    pub format: String,
    /// Always 1.
    pub version: u64,
    /// What a reader must know beyond version 1; always empty here.
    #[serde(default)]
    pub requires: Vec<String>,
    /// 32 random hex digits, which tell two equal restores apart.
    pub salt: String,
    /// The dump.
    pub dump: ObjectId,
    /// The validator's public key.
    pub key: String,
    /// The target of the restore, as it was named.
    pub target: String,
    /// When it was restored: UTC, RFC 3339, ending in Z.
    pub time: String,
}

impl Spent {
    /// Makes a record, with 16 random bytes.
    #[must_use]
    pub fn new(salt: [u8; 16], dump: ObjectId, (key, target): (String, String), time: String) -> Self {
        let (format, salt) = (FORMAT.to_owned(), hex::encode(salt));
        Self { format, version: 1, requires: Vec::new(), salt, dump, key, target, time }
    }

    /// Encodes as JSON.
    ///
    /// # Errors
    ///
    /// As [`Spent::decode`].
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let mut json =
            serde_json::to_vec_pretty(self).map_err(|source| FormatError::Json { file: FILE, source })?;
        json.push(b'\n');
        Self::decode(&json)?;
        Ok(json)
    }

    /// Parses a record.
    ///
    /// # Errors
    ///
    /// [`FormatError::UnknownVersion`], [`FormatError::UnknownRequirement`], [`FormatError::Json`] or
    /// [`FormatError::TooLong`]. Unknown fields are ignored.
    pub fn decode(json: &[u8]) -> Result<Self, FormatError> {
        check_header(FILE, (FORMAT, 1..=1, &[]), json)?;
        serde_json::from_slice(json).map_err(|source| FormatError::Json { file: FILE, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_what_is_none_is_refused() {
        let place = || ("02ab".to_owned(), "rocksdb:/new/validator_0".to_owned());
        let record = Spent::new([1; 16], ObjectId([7; 32]), place(), "2026-01-31T00:00:00Z".to_owned());
        let json = record.encode().unwrap();
        assert_eq!(Spent::decode(&json).unwrap(), record);
        let other = Spent { salt: "02".repeat(16), ..record };
        assert_ne!(other.encode().unwrap(), json);
        let later = String::from_utf8(json).unwrap().replace("\"version\": 1", "\"version\": 2");
        assert!(matches!(Spent::decode(later.as_bytes()), Err(FormatError::UnknownVersion { .. })));
        assert!(matches!(Spent::decode(b"{"), Err(FormatError::Json { .. })));
    }
}
