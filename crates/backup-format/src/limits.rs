//! Ceilings on everything that is read from a dump or put into one.
//!
//! A reader checks a length against its ceiling *before* it allocates. The ceilings are flat: there is no test of
//! the compression ratio, because honest data compresses more than a thousandfold.

/// Longest root key, in bytes. ScyllaDB and Cassandra refuse longer partition keys.
pub const ROOT_KEY_BYTES_MAX: usize = 65_535;

/// Longest key, in bytes: 8 MiB, the longest that linera writes to RocksDB.
pub const KEY_BYTES_MAX: usize = 8 << 20;

/// Longest value by default, in bytes: 256 MiB.
pub const VALUE_BYTES_MAX: usize = 256 << 20;

/// Longest value that [`Limits::with_value_bytes_max`] may be raised to, in bytes: 500 MiB. With its keys it still fits
/// into an object of [`OBJECT_BYTES_MAX`].
pub const VALUE_BYTES_CEILING: usize = 500 << 20;

/// Longest plaintext of a segment, in bytes: 512 MiB.
pub const OBJECT_BYTES_MAX: u64 = 512 << 20;

/// Longest plaintext of a segment in a chain, and longest sum of the patches of a chain, in bytes: one less than 8 MiB.
/// Patches count as they are before compression. With usual targets only single huge values make longer segments.
pub const PATCH_BYTES_MAX: u64 = (8 << 20) - 1;

/// Most patches in a chain, which ends with a segment that is stored whole.
pub const PATCH_LINKS_MAX: usize = 64;

/// Longest pack file, in bytes: 1 GiB, so that offsets in it fit 32 bits.
pub const PACK_BYTES_MAX: u64 = 1 << 30;

/// Longest table of a pack, in bytes: 16 MiB.
pub const TABLE_BYTES_MAX: u64 = 16 << 20;

/// Longest wrapped data key, in bytes: 64 KiB, an age file for 64 recipients of any kind.
pub const WRAPPED_KEY_BYTES_MAX: usize = 64 << 10;

/// Most data keys in the table of one pack. A pack has several only if its objects were copied from older packs.
pub const PACK_KEYS_MAX: usize = 1_024;

/// Bytes that a seal adds to what it seals: a nonce of 24 and a tag of 16.
pub const SEAL_BYTES: u64 = 40;

/// Most objects in one pack: 65,536, whose table takes 3.3 MB. Tiny objects would otherwise make the table outgrow
/// its ceiling before the bodies reach the pack target.
pub const PACK_OBJECTS_MAX: usize = 65_536;

/// Longest plaintext of a page of level 0, in bytes: 16 MiB.
pub const PAGE_BYTES_MAX: u64 = 16 << 20;

/// Bytes of references after which a page of level 0 ends: 8 MiB, so that one more reference always fits.
pub const PAGE_REFERENCE_BYTES: u64 = 8 << 20;

/// Most references in a page of level 0.
pub const PAGE_REFERENCES_MAX: usize = 4_096;

/// Longest plaintext of the root page, in bytes: 64 MiB, enough for 45 TB of entries with short keys.
pub const ROOT_PAGE_BYTES_MAX: u64 = 64 << 20;

/// Bytes of its first key that a reference keeps: 1 KiB, so that huge keys do not make huge pages.
pub const FIRST_KEY_BYTES: usize = 1_024;

/// Longest manifest or config file, in bytes: 1 MiB.
pub const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// Most dumps that a manifest names as previous: 64. More are there only where an earlier program made them.
pub const PREVIOUS_MAX: usize = 64;

/// Most annotations of a manifest.
pub const ANNOTATIONS_MAX: usize = 64;

/// Most bytes of all annotations of a manifest, names and values together: 4 KiB.
pub const ANNOTATION_BYTES_MAX: usize = 4 << 10;

/// Most kinds of partition in a manifest's contents.
pub const CONTENT_KINDS_MAX: usize = 256;

/// Sum of the different lengths that the keys of one partition of an upstream file may have, in bytes: 64 MiB. While a
/// partition is read, one key of each length is in memory.
pub const UPSTREAM_KEY_LENGTHS_MAX: usize = 64 << 20;

/// The ceilings that a caller may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    value_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { value_bytes_max: VALUE_BYTES_MAX }
    }
}

impl Limits {
    /// Sets the longest value that is accepted, in bytes, at most [`VALUE_BYTES_CEILING`] (a larger number means
    /// the ceiling). The same limit is needed to write and to read such a value.
    #[must_use]
    pub fn with_value_bytes_max(self, bytes: usize) -> Self {
        Self { value_bytes_max: bytes.min(VALUE_BYTES_CEILING) }
    }

    /// Returns the longest value that is accepted, in bytes.
    #[must_use]
    pub fn value_bytes_max(&self) -> usize {
        self.value_bytes_max
    }
}
