//! How one looks into dumps, and what is read and passed over by that.

use backup_format::Limits;

use crate::progress::Progress;

/// How one looks into dumps.
#[derive(Clone, Debug)]
pub struct LookOptions {
    /// Ceilings on what is read.
    pub limits: Limits,
    /// Returns true if a partition is exclusive, in the layout of the dump: those are the first phase of a dump in the order of tokens. By
    /// default none is; then a dump of few pages whose phases their order does not tell apart may be called damaged.
    pub exclusive: fn(&[u8]) -> bool,
    /// Receives events.
    pub progress: Progress,
}

impl Default for LookOptions {
    fn default() -> Self {
        Self { limits: Limits::default(), exclusive: |_| false, progress: Progress::default() }
    }
}

/// Objects that were read to look into dumps, and those that were passed over.
///
/// Bytes are those of plaintexts, without the roots. The tables of all packs are read as well, and are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LookCount {
    /// Pages that were read, the roots among them.
    pub pages_read: u64,
    /// Segments that were read.
    pub segments_read: u64,
    /// Plaintext of these pages and segments.
    pub bytes_read: u64,
    /// Pages of which nothing beneath was read either.
    pub pages_skipped: u64,
    /// Segments beneath pages that were read, which were not read themselves.
    pub segments_skipped: u64,
    /// Entries beneath what was passed over.
    pub entries_skipped: u64,
}

impl LookCount {
    pub(crate) fn read_page(&mut self, plain_len: u64) {
        self.pages_read = self.pages_read.saturating_add(1);
        self.bytes_read = self.bytes_read.saturating_add(plain_len);
    }

    pub(crate) fn read_segment(&mut self, plain_len: u64) {
        self.segments_read = self.segments_read.saturating_add(1);
        self.bytes_read = self.bytes_read.saturating_add(plain_len);
    }

    pub(crate) fn skip_page(&mut self, entries: u64) {
        self.pages_skipped = self.pages_skipped.saturating_add(1);
        self.entries_skipped = self.entries_skipped.saturating_add(entries);
    }

    pub(crate) fn skip_segment(&mut self, entries: u64) {
        self.segments_skipped = self.segments_skipped.saturating_add(1);
        self.entries_skipped = self.entries_skipped.saturating_add(entries);
    }

    /// Adds what was read, and not what was passed over.
    pub(crate) fn add_read(&mut self, other: &Self) {
        self.pages_read = self.pages_read.saturating_add(other.pages_read);
        self.segments_read = self.segments_read.saturating_add(other.segments_read);
        self.bytes_read = self.bytes_read.saturating_add(other.bytes_read);
    }

    /// Adds what was read, and what was passed over.
    pub(crate) fn add(&mut self, other: &Self) {
        self.add_read(other);
        self.pages_skipped = self.pages_skipped.saturating_add(other.pages_skipped);
        self.segments_skipped = self.segments_skipped.saturating_add(other.segments_skipped);
        self.entries_skipped = self.entries_skipped.saturating_add(other.entries_skipped);
    }
}
