//! The tombstone: the file that says which packs are about to be removed.

use serde::{Deserialize, Serialize};

use crate::config::check_header;
use crate::error::FormatError;
use crate::id::ObjectId;

const FILE: &str = "tombstone";
const FORMAT: &str = "kvbackup-tombstone";

/// Names packs that no later dump may rely on. Its file is named by the first 16 bytes of the hash of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Always `kvbackup-tombstone`.
    pub format: String,
    /// Always 1.
    pub version: u64,
    /// What a reader must know beyond version 1; always empty here.
    #[serde(default)]
    pub requires: Vec<String>,
    /// 32 random hex digits, so that no name recurs.
    pub salt: String,
    /// The packs, in ascending order.
    pub packs: Vec<ObjectId>,
}

impl Tombstone {
    /// The most packs that fit a file.
    pub const PACKS_MAX: usize = 10_000;

    /// Makes a tombstone of packs, with 16 random bytes.
    #[must_use]
    pub fn new(salt: [u8; 16], mut packs: Vec<ObjectId>) -> Self {
        packs.sort_unstable();
        let (format, salt) = (FORMAT.to_owned(), hex::encode(salt));
        Self { format, version: 1, requires: Vec::new(), salt, packs }
    }

    /// Encodes as JSON; returns the name, which is that of the file without `.json`, and the bytes.
    ///
    /// # Errors
    ///
    /// [`FormatError::TooLong`] when there are too many packs.
    pub fn encode(&self) -> Result<(String, Vec<u8>), FormatError> {
        let mut json =
            serde_json::to_vec_pretty(self).map_err(|source| FormatError::Json { file: FILE, source })?;
        json.push(b'\n');
        Self::decode(&json)?;
        Ok((Self::name_of(&json), json))
    }

    /// Parses and checks a tombstone.
    ///
    /// # Errors
    ///
    /// [`FormatError::UnknownVersion`], [`FormatError::UnknownRequirement`], [`FormatError::Json`] or
    /// [`FormatError::TooLong`]. Unknown fields are ignored.
    pub fn decode(json: &[u8]) -> Result<Self, FormatError> {
        check_header(FILE, (FORMAT, 1..=1, &[]), json)?;
        serde_json::from_slice(json).map_err(|source| FormatError::Json { file: FILE, source })
    }

    /// Returns the name that a file of these bytes has: 32 hex digits.
    #[must_use]
    pub fn name_of(json: &[u8]) -> String {
        let mut name = ObjectId::of_file(json).to_string();
        name.truncate(32);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tombstone_is_read_as_it_was_written_and_no_name_recurs() {
        let packs: Vec<_> = (0..3).map(|number| ObjectId([3 - number; 32])).collect();
        let (one, other) = (Tombstone::new([1; 16], packs.clone()), Tombstone::new([2; 16], packs));
        let (name, json) = one.encode().unwrap();
        assert_eq!(Tombstone::decode(&json).unwrap(), one);
        assert!(one.packs.is_sorted());
        assert_eq!((name.len(), Tombstone::name_of(&json)), (32, name.clone()));
        assert_ne!(other.encode().unwrap().0, name);
    }

    #[test]
    fn the_largest_fits_and_what_is_none_is_refused() {
        let most = |count: usize| Tombstone::new([1; 16], vec![ObjectId([7; 32]); count]);
        most(Tombstone::PACKS_MAX).encode().unwrap();
        assert!(matches!(most(2 * Tombstone::PACKS_MAX).encode(), Err(FormatError::TooLong { .. })));
        let json = most(1).encode().unwrap().1;
        let later = String::from_utf8(json).unwrap().replace("\"version\": 1", "\"version\": 2");
        assert!(matches!(Tombstone::decode(later.as_bytes()), Err(FormatError::UnknownVersion { .. })));
        assert!(matches!(Tombstone::decode(b"{"), Err(FormatError::Json { .. })));
    }
}
