//! What is in a dump: the part of a manifest that is sealed in an encrypted repository.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::{Digest, DigestState, LtHash};
use crate::error::FormatError;
use crate::limits;
use crate::manifest::{field, has_control};

/// What a dump holds of one kind of partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The kind, in the layout's words: `chain_state`, `block`, ...
    pub kind: String,
    /// Number of partitions.
    pub partitions: u64,
    /// Number of entries.
    pub entries: u64,
    /// Bytes that their groups take in segments.
    pub plain_bytes: u64,
}

/// What is in a dump: its digest, its counts, and remarks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// Digest of the content.
    pub digest: Digest,
    /// The sum of the partitions' leaves, from which the digest is computed: base64 in JSON.
    #[serde(serialize_with = "put_lthash", deserialize_with = "take_lthash")]
    pub lthash: LtHash,
    /// Number of partitions.
    pub partitions: u64,
    /// Number of entries.
    pub entries: u64,
    /// What is there of each kind of partition; empty for layout `plain`.
    #[serde(default)]
    pub contents: Vec<Content>,
    /// Free remarks: at most 64, of 4 KiB together.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// An inventory as it stands in the manifest of an encrypted repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedInventory {
    /// How it is sealed: 1 XChaCha20-Poly1305, 2 XAES-256-GCM.
    pub aead: u8,
    /// Names the data key.
    pub key: [u8; 32],
    /// The data key, wrapped for the recipients: an age file of at most [`limits::WRAPPED_KEY_BYTES_MAX`].
    pub wrapped: Vec<u8>,
    /// Nonce, ciphertext and tag.
    pub body: Vec<u8>,
}

impl From<DigestState> for Inventory {
    /// Takes digest and counts; there are no contents and no annotations.
    fn from(state: DigestState) -> Self {
        Self {
            digest: state.digest(),
            partitions: state.partitions,
            entries: state.entries,
            lthash: state.lthash,
            contents: Vec::new(),
            annotations: BTreeMap::new(),
        }
    }
}

impl Inventory {
    /// Returns partitions, entries and the sum of their leaves.
    #[must_use]
    pub fn digest_state(&self) -> DigestState {
        DigestState { lthash: self.lthash.clone(), partitions: self.partitions, entries: self.entries }
    }

    /// Encodes as JSON, to be sealed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an inventory has only strings, numbers, lists and maps of strings")
    }

    /// Parses and checks what was sealed.
    ///
    /// # Errors
    ///
    /// [`FormatError::Json`], [`FormatError::Field`] or [`FormatError::TooLong`]. Unknown fields are ignored.
    pub fn decode(json: &[u8]) -> Result<Self, FormatError> {
        let (object, found, limit) = ("inventory", json.len() as u64, limits::MANIFEST_BYTES_MAX);
        if found > limit {
            return Err(FormatError::TooLong { object, offset: 0, what: "plaintext", found, limit });
        }
        let parsed = serde_json::from_slice::<Self>(json);
        let inventory = parsed.map_err(|source| FormatError::Json { file: object, source })?;
        inventory.check()?;
        Ok(inventory)
    }

    pub(crate) fn check(&self) -> Result<(), FormatError> {
        if self.digest != self.digest_state().digest() {
            return field(
                "digest",
                self.digest.to_string(),
                "the one that lthash, partitions and entries give",
            );
        }
        let bytes: usize = self.annotations.iter().map(|(name, text)| name.len() + text.len()).sum();
        if self.annotations.len() > limits::ANNOTATIONS_MAX || bytes > limits::ANNOTATION_BYTES_MAX {
            let found = format!("{} pairs of {bytes} bytes", self.annotations.len());
            return field("annotations", found, "at most 64 pairs of 4,096 bytes together");
        }
        if let Some((name, _)) =
            self.annotations.iter().find(|(name, text)| has_control(name) || has_control(text))
        {
            return field("annotations", format!("{name:?}"), "names and values without control characters");
        }
        self.check_contents()
    }

    fn check_contents(&self) -> Result<(), FormatError> {
        if self.contents.is_empty() {
            return Ok(());
        }
        if self.contents.len() > limits::CONTENT_KINDS_MAX {
            return field("contents", format!("{} kinds", self.contents.len()), "at most 256 kinds");
        }
        for Content { kind, .. } in &self.contents {
            if kind.len() > 255 || has_control(kind) {
                let expected = "at most 255 bytes without control characters";
                return field("contents.kind", format!("{kind:?}"), expected);
            }
        }
        let sum = |number: fn(&Content) -> u64| self.contents.iter().map(number).fold(0, u64::saturating_add);
        let (partitions, entries) = (sum(|content| content.partitions), sum(|content| content.entries));
        if (partitions, entries) != (self.partitions, self.entries) {
            let found = format!("{partitions} partitions and {entries} entries in all");
            return field("contents", found, "the sums that fields partitions and entries give");
        }
        Ok(())
    }
}

pub(crate) fn put_lthash<S: Serializer>(lthash: &LtHash, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(lthash.to_bytes()))
}

pub(crate) fn take_lthash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LtHash, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = STANDARD.decode(text).map_err(serde::de::Error::custom)?;
    let found = bytes.len();
    let bytes = <[u8; LtHash::BYTES]>::try_from(bytes)
        .map_err(|_| serde::de::Error::custom(format!("expected {} bytes, found {found}", LtHash::BYTES)))?;
    Ok(LtHash::from_bytes(&bytes))
}
