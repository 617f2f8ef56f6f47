//! Names of objects: hashes of their kind and plaintext.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use siphasher::sip128::SipHasher24;
use zeroize::Zeroizing;

use crate::error::FormatError;
use crate::fingerprint::SketchKey;

/// What an object is. The number is the one that stands in pack tables and under the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A run of entries.
    Segment = 1,
    /// A run of references.
    Page = 2,
}

impl Kind {
    /// Returns the kind with this number, `None` for an unknown one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Segment),
            2 => Some(Self::Page),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Segment => "segment",
            Self::Page => "page",
        })
    }
}

/// A 32-byte BLAKE3 hash that names an object, a pack or a dump. Shown as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub [u8; 32]);

impl ObjectId {
    /// Hashes the bytes of a file, as `b3sum` does: the name of a pack or manifest.
    #[must_use]
    pub fn of_file(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The same of a file in parts.
    pub(crate) fn of_parts(parts: &[Vec<u8>]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// Returns the first 16 bytes as a number: enough to find an object among those of a repository.
    #[must_use]
    pub fn prefix(&self) -> u128 {
        u128::from_le_bytes(*self.0.first_chunk().expect("an id has 32 bytes"))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for ObjectId {
    type Err = FormatError;

    /// Reads exactly 64 lower-case hex digits.
    fn from_str(text: &str) -> Result<Self, FormatError> {
        let mut bytes = [0; 32];
        let lower = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if lower && hex::decode_to_slice(text, &mut bytes).is_ok() {
            return Ok(Self(bytes));
        }
        Err(FormatError::Field {
            file: "name",
            field: "id",
            found: format!("{:?}", text.chars().take(80).collect::<String>()),
            expected: "64 lower-case hex digits",
        })
    }
}

impl Serialize for ObjectId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObjectId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The keys that a repository derives from its salt, or from its secret if it is encrypted: one names objects, one places cuts, and one
/// is for sketches. They are overwritten in memory when they are dropped.
#[derive(Clone)]
pub struct Keys {
    id: Zeroizing<[u8; 32]>,
    cut: Zeroizing<[u8; 16]>,
    sketch: SketchKey,
}

impl Keys {
    /// Derives all keys from the `cut_salt` of `config.json`.
    #[must_use]
    pub fn derive(salt: &[u8; 16]) -> Self {
        Self::of(["kvb1 id", "kvb1 cut", "kvb1 sketch"], salt)
    }

    /// Derives all keys from the secret of the repository key, where the repository is encrypted.
    #[must_use]
    pub fn derive_secret(secret: &[u8; 32]) -> Self {
        Self::of(["kvb2 id", "kvb2 cut", "kvb2 sketch"], secret)
    }

    fn of(contexts: [&str; 3], material: &[u8]) -> Self {
        let [id, cut, sketch] = contexts.map(|context| Zeroizing::new(blake3::derive_key(context, material)));
        let half = Zeroizing::new(*cut.first_chunk().expect("a derived key has 32 bytes"));
        Self { id, cut: half, sketch: SketchKey::new(sketch) }
    }

    /// Names an object: BLAKE3 keyed with the id key over its kind and plaintext.
    #[must_use]
    pub fn id(&self, kind: Kind, plaintext: &[u8]) -> ObjectId {
        let mut hasher = blake3::Hasher::new_keyed(&self.id);
        hasher.update(&[kind as u8]).update(plaintext);
        ObjectId(*hasher.finalize().as_bytes())
    }

    /// Checks that `plaintext` is the object that `expected` names.
    ///
    /// # Errors
    ///
    /// [`FormatError::WrongId`] when it is not.
    pub fn check(&self, kind: Kind, plaintext: &[u8], expected: ObjectId) -> Result<(), FormatError> {
        match self.id(kind, plaintext) {
            found if found == expected => Ok(()),
            found => Err(FormatError::WrongId { kind, expected, found }),
        }
    }

    /// Returns a number for a root key: SipHash-2-4-128 with the key of the cut rule. So nobody can choose root keys
    /// with the same number.
    #[must_use]
    pub fn partition(&self, root_key: &[u8]) -> u128 {
        SipHasher24::new_with_key(&self.cut).hash(root_key).as_u128()
    }

    /// Returns the key of sketches.
    #[must_use]
    pub fn sketch(&self) -> SketchKey {
        self.sketch.clone()
    }

    /// Returns the SipHash key of the cut rule.
    #[must_use]
    pub fn cut_key(&self) -> &[u8; 16] {
        &self.cut
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Keys(..)")
    }
}
