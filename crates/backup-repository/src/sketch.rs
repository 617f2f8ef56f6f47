//! What a node remembers of the last dump, so that it can make patches of segments that it does not read: FORMAT.md, section 22.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::path::{Path, PathBuf};

use backup_format::{Config, Fingerprint, ObjectId, Segment, SketchKey, limits};

use crate::index::{Index, Location};

/// How a sketch begins: what it is, and its version.
pub(crate) const MAGIC: [u8; 16] = *b"kvbackup-sketch\x01";
/// Bytes of a record before its fingerprints.
pub(crate) const HEAD_BYTES: usize = 32 + 8 + 4 + 4 + 8;
pub(crate) const TAG_BYTES: usize = 16;
/// Bytes of a segment in the directory.
pub(crate) const LINE_BYTES: usize = 16;
/// The id of the dump, where the directory begins, and how many segments are in it; behind that a tag.
pub(crate) const TRAILER_BYTES: usize = 32 + 8 + 8 + TAG_BYTES;
/// Records have no more fingerprints.
pub(crate) const FINGERPRINTS_MAX: u64 = limits::PATCH_BYTES_MAX / 16;

/// How a segment is stored: whole, or as a patch at the end of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Links {
    /// All patches together have at most so many bytes before compression.
    pub patch_bytes: u64,
    pub patches: u32,
    /// Bytes in packs of all patches, and of the segment that is whole.
    pub stored_len: u64,
}

impl Links {
    pub(crate) fn whole(stored_len: u64) -> Self {
        Self { patch_bytes: 0, patches: 0, stored_len }
    }

    /// Tells what tables tell: a patch is shorter than its segment.
    pub(crate) fn of(chain: &[Location]) -> Self {
        let patches = chain.split_last().map_or(&[][..], |(_, patches)| patches);
        let sum = |lengths: &mut dyn Iterator<Item = u64>| lengths.fold(0, u64::saturating_add);
        Self {
            patch_bytes: sum(&mut patches.iter().map(|place| place.plain_len)),
            patches: patches.len() as u32,
            stored_len: sum(&mut chain.iter().map(|place| place.stored_len)),
        }
    }

    /// Adds a patch of this stored length; all together have so many bytes before compression.
    pub(crate) fn followed_by(self, patch_bytes: u64, stored_len: u64) -> Self {
        let stored_len = self.stored_len.saturating_add(stored_len);
        Self { patch_bytes, patches: self.patches.saturating_add(1), stored_len }
    }

    /// Takes the length of the patches from what was written down when they were made, if it is about these.
    pub(crate) fn sharpened(self, noted: Self) -> Self {
        let is_same = (self.patches, self.stored_len) == (noted.patches, noted.stored_len);
        let patch_bytes = if is_same { self.patch_bytes.min(noted.patch_bytes) } else { self.patch_bytes };
        Self { patch_bytes, ..self }
    }
}

/// What is known of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub id: ObjectId,
    pub links: Links,
    pub fingerprints: Vec<Fingerprint>,
}

/// Where a segment begins, as a keyed hash of its first key, and where its record is: 0 if it has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub place: u64,
    pub offset: u64,
}

/// Finds the places that a segment is read from, if it lies in packs that are not about to be removed.
pub(crate) fn kept_chain(index: &Index, id: ObjectId) -> Option<Vec<Location>> {
    index.find(id).find_map(|place| index.kept_chain(place))
}

/// Returns the fingerprints of a segment, unless it cannot be the base of a patch, or they would be longer than it is.
pub(crate) fn fingerprints(key: &SketchKey, segment: &Segment) -> Option<Vec<Fingerprint>> {
    let plain_len = segment.plaintext().len() as u64;
    let is_fit = plain_len <= limits::PATCH_BYTES_MAX && segment.entries().saturating_mul(16) <= plain_len;
    is_fit.then(|| key.fingerprints(segment))
}

/// Returns the file for a namespace in a directory of sketches.
pub(crate) fn file_of(directory: &Path, config: &Config, namespace: &str) -> PathBuf {
    let namespace = ObjectId::of_file(namespace.as_bytes());
    directory.join(format!("{}-{namespace:.16}.sketch", config.repository))
}

impl Record {
    pub(crate) fn encode(
        id: ObjectId,
        links: Links,
        fingerprints: &[Fingerprint],
        key: &SketchKey,
    ) -> Vec<u8> {
        let Links { patch_bytes, patches, stored_len } = links;
        let mut out =
            Vec::with_capacity(fingerprints.len().saturating_mul(16).saturating_add(HEAD_BYTES + TAG_BYTES));
        out.extend_from_slice(&id.0);
        out.extend_from_slice(&patch_bytes.to_le_bytes());
        out.extend_from_slice(&patches.to_le_bytes());
        out.extend_from_slice(&(fingerprints.len() as u32).to_le_bytes());
        out.extend_from_slice(&stored_len.to_le_bytes());
        out.extend_from_slice(fingerprints.as_flattened());
        let tag = key.record_tag(&out);
        out.extend_from_slice(&tag);
        out
    }

    /// Returns how many fingerprints a record has.
    pub(crate) fn count(head: &[u8; HEAD_BYTES]) -> u32 {
        head.get(44..48).and_then(|count| count.try_into().ok()).map_or(0, u32::from_le_bytes)
    }

    /// Decodes a record that is whole; `None` if it is not what was written.
    pub(crate) fn decode(bytes: &[u8], key: &SketchKey) -> Option<Self> {
        let (content, tag) = bytes.split_last_chunk::<TAG_BYTES>()?;
        if key.record_tag(content) != *tag {
            return None;
        }
        let (id, rest) = content.split_first_chunk::<32>()?;
        let (patch_bytes, rest) = rest.split_first_chunk::<8>()?;
        let (patches, rest) = rest.split_first_chunk::<4>()?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        let (stored_len, rest) = rest.split_first_chunk::<8>()?;
        let (fingerprints, left) = rest.as_chunks::<16>();
        let is_whole = left.is_empty() && fingerprints.len() as u64 == u64::from(u32::from_le_bytes(*count));
        let links = Links {
            patch_bytes: u64::from_le_bytes(*patch_bytes),
            patches: u32::from_le_bytes(*patches),
            stored_len: u64::from_le_bytes(*stored_len),
        };
        is_whole.then(|| Self { id: ObjectId(*id), links, fingerprints: fingerprints.to_vec() })
    }
}

impl Line {
    pub(crate) fn encode(self) -> [u8; LINE_BYTES] {
        (u128::from(self.place) | u128::from(self.offset) << 64).to_le_bytes()
    }

    pub(crate) fn decode(bytes: [u8; LINE_BYTES]) -> Self {
        let both = u128::from_le_bytes(bytes);
        Self { place: both as u64, offset: (both >> 64) as u64 }
    }
}

#[cfg(test)]
mod tests {
    use backup_format::Keys;

    use super::*;

    #[test]
    fn a_record_comes_back_and_an_altered_one_does_not() {
        let key = Keys::derive(&[1; 16]).sketch();
        let links = Links { patch_bytes: 7, patches: 3, stored_len: 900 };
        let record = Record { id: ObjectId([5; 32]), links, fingerprints: vec![[1; 16], [2; 16]] };
        let bytes = Record::encode(record.id, links, &record.fingerprints, &key);
        assert_eq!(bytes.len(), HEAD_BYTES + 32 + TAG_BYTES);
        assert_eq!(Record::count(bytes.first_chunk().unwrap()), 2);
        assert_eq!(Record::decode(&bytes, &key).as_ref(), Some(&record));
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert_eq!(Record::decode(&altered, &key), None, "byte {at}");
            assert_eq!(Record::decode(&bytes[..at], &key), None, "{at} bytes");
        }
        assert_eq!(Record::decode(&bytes, &Keys::derive(&[2; 16]).sketch()), None);
        let line = Line { place: u64::MAX - 1, offset: 77 };
        assert_eq!(Line::decode(line.encode()), line);
    }

    #[test]
    fn what_was_noted_of_other_patches_does_not_count() {
        let links = Links { patch_bytes: 900, patches: 2, stored_len: 50 };
        assert_eq!(links.sharpened(Links { patch_bytes: 80, ..links }).patch_bytes, 80);
        assert_eq!(links.sharpened(Links { patch_bytes: 80, patches: 1, ..links }).patch_bytes, 900);
        assert_eq!(links.sharpened(Links { patch_bytes: 80, stored_len: 51, ..links }).patch_bytes, 900);
    }
}
