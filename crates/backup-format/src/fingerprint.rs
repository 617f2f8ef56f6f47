//! Fingerprints of entries: what a sketch knows of them.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::fmt;

use zeroize::Zeroizing;

use crate::codec::put_bytes;
use crate::entry::Group;
use crate::segment::Segment;

/// The first 16 bytes of a keyed BLAKE3 of an entry with its root key. Without the key it says nothing.
pub type Fingerprint = [u8; 16];

/// What is hashed with the key of sketches. The number stands before all else.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Hashed {
    Entry = 0,
    First = 1,
    Record = 2,
    Directory = 3,
}

/// The key of the sketches of a repository. It is overwritten in memory when it is dropped.
#[derive(Clone)]
pub struct SketchKey(Zeroizing<[u8; 32]>);

impl SketchKey {
    pub(crate) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// Returns the fingerprints of the entries of a segment, in their order.
    #[must_use]
    pub fn fingerprints(&self, segment: &Segment) -> Vec<Fingerprint> {
        let entries = usize::try_from(segment.entries()).unwrap_or_default();
        let mut out = Vec::with_capacity(entries);
        segment.groups().for_each(|group| self.push_group(&group, &mut out));
        out
    }

    /// Appends the fingerprints of the entries of a group.
    pub(crate) fn push_group(&self, group: &Group<'_>, out: &mut Vec<Fingerprint>) {
        let mut hashed = vec![Hashed::Entry as u8];
        put_bytes(&mut hashed, group.root_key);
        let head = hashed.len();
        for entry in group.iter() {
            hashed.truncate(head);
            hashed.extend_from_slice(entry.encoded);
            out.push(first_half(&blake3::keyed_hash(&self.0, &hashed)));
        }
    }

    /// Returns a number for the place of an entry, by its root key and key alone.
    #[must_use]
    pub fn place(&self, root_key: &[u8], key: &[u8]) -> u64 {
        let mut hashed = vec![Hashed::First as u8];
        put_bytes(&mut hashed, root_key);
        hashed.extend_from_slice(key);
        let hash = blake3::keyed_hash(&self.0, &hashed);
        u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
    }

    /// Returns the tag by which the record of a segment shows that it was not changed.
    #[must_use]
    pub fn record_tag(&self, record: &[u8]) -> [u8; 16] {
        self.tag(Hashed::Record, record)
    }

    /// Returns the same of the directory of a sketch.
    #[must_use]
    pub fn directory_tag(&self, directory: &[u8]) -> [u8; 16] {
        self.tag(Hashed::Directory, directory)
    }

    fn tag(&self, kind: Hashed, bytes: &[u8]) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&[kind as u8]).update(bytes);
        first_half(&hasher.finalize())
    }
}

fn first_half(hash: &blake3::Hash) -> [u8; 16] {
    *hash.as_bytes().first_chunk().expect("a hash has 32 bytes")
}

impl fmt::Debug for SketchKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SketchKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EntryBatch, Keys};

    #[test]
    fn a_fingerprint_is_of_root_key_key_and_value_with_their_lengths() {
        let entries: [[&[u8]; 3]; 6] = [
            [b"a", b"b", b"c"],
            [b"ab", b"", b"c"],
            [b"a", b"bc", b""],
            [b"a", b"", b"bc"],
            [b"", b"ab", b"c"],
            [b"", b"", b""],
        ];
        let mut seen = std::collections::HashSet::new();
        for key in [Keys::derive(&[1; 16]), Keys::derive(&[2; 16]), Keys::derive_secret(&[1; 32])] {
            for [root_key, key_, value] in entries {
                let mut batch = EntryBatch::default();
                batch.push(root_key, key_, value);
                let found = key.sketch().fingerprints(&Segment::from_batch(&batch));
                assert_eq!(found.len(), 1);
                assert!(seen.insert(found[0]), "{root_key:?} {key_:?} {value:?}");
            }
        }
        let key = Keys::derive(&[1; 16]).sketch();
        assert_ne!(key.place(b"a", b"bc"), key.place(b"ab", b"c"));
        assert_ne!(key.record_tag(b"x"), key.directory_tag(b"x"));
    }
}
