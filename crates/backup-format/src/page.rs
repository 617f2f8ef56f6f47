//! Pages: runs of references to segments, and the root page that refers to those.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use crate::codec::{Reader, put_bytes, put_uleb, uleb_len};
use crate::error::FormatError;
use crate::id::ObjectId;
use crate::limits;

const OBJECT: &str = "page";
const SEALED: &str = "sealed page";

/// Bytes that a reference takes at least: id, two empty byte strings, two numbers.
const REFERENCE_BYTES_MIN: usize = 32 + 1 + 1 + 8 + 8;

/// The level of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Level {
    /// Refers to segments.
    Segments = 0,
    /// Refers to pages of level 0: the root of a dump.
    Root = 1,
}

/// A reference from a page to a segment, or from the root to a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The object's id.
    pub id: ObjectId,
    /// Root key of the first entry beneath.
    pub first_root: Vec<u8>,
    /// Key of the first entry beneath, cut off after [`limits::FIRST_KEY_BYTES`].
    pub first_key: Vec<u8>,
    /// Length of the object's own plaintext in bytes.
    pub plain_len: u64,
    /// Number of entries beneath.
    pub entries: u64,
}

impl Reference {
    /// Returns the part of a first key that a reference keeps.
    #[must_use]
    pub fn first_key_of(key: &[u8]) -> &[u8] {
        key.get(..limits::FIRST_KEY_BYTES).unwrap_or(key)
    }

    /// Returns the length that this reference takes in a page, in bytes.
    #[must_use]
    pub fn encoded_len(&self) -> u64 {
        Self::encoded_len_at(&self.first_root, &self.first_key)
    }

    /// Returns the bytes that a reference takes in a page, if the first entry beneath has this root key and this
    /// key. The key is cut off here.
    #[must_use]
    #[expect(clippy::arithmetic_side_effects, reason = "keys have at most 16 MiB")]
    pub fn encoded_len_at(root_key: &[u8], key: &[u8]) -> u64 {
        let bytes = |bytes: &[u8]| (uleb_len(bytes.len() as u32) + bytes.len()) as u64;
        32 + bytes(root_key) + bytes(Self::first_key_of(key)) + 16
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.0);
        put_bytes(out, &self.first_root);
        put_bytes(out, &self.first_key);
        out.extend_from_slice(&self.plain_len.to_le_bytes());
        out.extend_from_slice(&self.entries.to_le_bytes());
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        Ok(Self {
            id: ObjectId(reader.array()?),
            first_root: reader.byte_string(limits::ROOT_KEY_BYTES_MAX, "first root key")?.to_vec(),
            first_key: reader.byte_string(limits::FIRST_KEY_BYTES, "first key")?.to_vec(),
            plain_len: reader.u64()?,
            entries: reader.u64()?,
        })
    }
}

/// A page: its level and its references, in the order of the entries beneath.
///
/// A page of level 0 has 1 to [`limits::PAGE_REFERENCES_MAX`] references; a root page may have none, when the
/// namespace is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The level.
    pub level: Level,
    /// The references.
    pub references: Vec<Reference>,
}

impl Page {
    /// Encodes the page.
    ///
    /// # Errors
    ///
    /// [`FormatError::TooLong`] when it is above the ceiling of its level. For pages of level 0 the cut rule
    /// prevents that; a root page grows with the dump.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let mut out = Vec::with_capacity(self.references.len().saturating_mul(128));
        out.push(self.level as u8);
        put_uleb(&mut out, self.references.len() as u32);
        for reference in &self.references {
            reference.put(&mut out);
        }
        check_len(self.level, out.len() as u64)?;
        Ok(out)
    }

    /// Parses and checks a plaintext.
    ///
    /// # Errors
    ///
    /// [`FormatError::Malformed`] or [`FormatError::TooLong`], with the offset.
    pub fn decode(plaintext: &[u8], level: Level) -> Result<Self, FormatError> {
        check_len(level, plaintext.len() as u64)?;
        let mut reader = Reader::new(OBJECT, plaintext);
        let start = reader.clone();
        let found = reader.u8()?;
        if found != level as u8 {
            return Err(start.malformed(format!("expected level {}, found {found}", level as u8)));
        }
        let count = count(&mut reader, level)?;
        let mut references = Vec::with_capacity(count);
        for _ in 0..count {
            let at = reader.clone();
            let reference = Reference::take(&mut reader)?;
            check_reference(&at, &reference, level)?;
            references.push(reference);
        }
        reader.end()?;
        Ok(Self { level, references })
    }

    /// Returns the number of entries beneath.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.references.iter().map(|reference| reference.entries).fold(0, u64::saturating_add)
    }
}

/// Writes the ids of references as they stand before the sealed bytes of a page: their number as 4 bytes, little-endian, and
/// each id.
#[must_use]
pub fn clear_ids(references: &[Reference]) -> Vec<u8> {
    let mut out = (references.len() as u32).to_le_bytes().to_vec();
    references.iter().for_each(|reference| out.extend_from_slice(&reference.id.0));
    out
}

/// Divides the stored bytes of a sealed page into the ids with their number, and the sealed bytes.
///
/// # Errors
///
/// [`FormatError::Malformed`] when there are fewer bytes than the number says.
pub fn split_clear_ids(stored: &[u8]) -> Result<(&[u8], &[u8]), FormatError> {
    let mut reader = Reader::new(SEALED, stored);
    let count = u32::from_le_bytes(reader.array()?) as usize;
    reader.take(count.saturating_mul(32))?;
    Ok(stored.split_at(reader.position()))
}

/// Returns the ids that stand before the sealed bytes of a page, as [`split_clear_ids`] gives them.
pub fn read_clear_ids(clear: &[u8]) -> impl Iterator<Item = ObjectId> {
    let (ids, _) = clear.get(4..).unwrap_or_default().as_chunks::<32>();
    ids.iter().map(|id| ObjectId(*id))
}

fn check_len(level: Level, found: u64) -> Result<(), FormatError> {
    let (what, limit) = match level {
        Level::Segments => ("plaintext", limits::PAGE_BYTES_MAX),
        Level::Root => ("plaintext of the root", limits::ROOT_PAGE_BYTES_MAX),
    };
    match found <= limit {
        true => Ok(()),
        false => Err(FormatError::TooLong { object: OBJECT, offset: 0, what, found, limit }),
    }
}

fn count(reader: &mut Reader<'_>, level: Level) -> Result<usize, FormatError> {
    let at = reader.clone();
    let count = reader.uleb(u32::MAX as usize, "references")?;
    let left = reader.remaining();
    match level {
        _ if count > left / REFERENCE_BYTES_MIN => {
            Err(at.malformed(format!("{count} references cannot stand in the {left} bytes that are left")))
        }
        Level::Segments if count == 0 || count > limits::PAGE_REFERENCES_MAX => Err(
            at.malformed(format!("expected 1 to {} references, found {count}", limits::PAGE_REFERENCES_MAX))
        ),
        _ => Ok(count),
    }
}

fn check_reference(at: &Reader<'_>, reference: &Reference, level: Level) -> Result<(), FormatError> {
    let limit = match level {
        Level::Segments => limits::OBJECT_BYTES_MAX,
        Level::Root => limits::PAGE_BYTES_MAX,
    };
    if reference.plain_len > limit {
        return Err(FormatError::TooLong {
            object: OBJECT,
            offset: at.position() as u64,
            what: "referred object",
            found: reference.plain_len,
            limit,
        });
    }
    match reference.entries {
        0 => Err(at.malformed("expected a reference with entries beneath, found one with none".to_owned())),
        _ => Ok(()),
    }
}
