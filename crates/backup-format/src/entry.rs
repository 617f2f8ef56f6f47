//! Entries on their way from an engine to a segment.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::ops::Range;

use crate::codec::{Reader, put_bytes, uleb_len};
use crate::error::FormatError;
use crate::limits;

/// All neighbouring entries of one root key in a batch or segment.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Group<'a> {
    /// The root key.
    pub root_key: &'a [u8],
    /// Number of entries, at least 1.
    pub entries: u32,
    /// The entries as they stand in a segment: for each, BCS bytes of the key, BCS bytes of the value.
    pub body: &'a [u8],
}

impl<'a> Group<'a> {
    /// Iterates over the entries.
    #[must_use]
    pub fn iter(&self) -> Entries<'a> {
        Entries { body: self.body, left: self.entries }
    }

    /// Returns the length that this group takes in a segment, in bytes.
    #[must_use]
    pub fn encoded_len(&self) -> u64 {
        let lengths = [uleb_len(self.root_key.len() as u32), self.root_key.len(), uleb_len(self.entries)];
        lengths.into_iter().fold(self.body.len(), usize::saturating_add) as u64
    }

    /// Returns the first key.
    #[must_use]
    pub fn first_key(&self) -> &'a [u8] {
        self.iter().next().map_or(&[], |entry| entry.key)
    }

    /// Returns the last key; walks over all entries.
    #[must_use]
    pub fn last_key(&self) -> &'a [u8] {
        self.iter().last().map_or(&[], |entry| entry.key)
    }
}

impl<'a> IntoIterator for Group<'a> {
    type Item = Entry<'a>;
    type IntoIter = Entries<'a>;

    fn into_iter(self) -> Entries<'a> {
        self.iter()
    }
}

/// One key with its value; the root key is that of its [`Group`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry<'a> {
    /// The key; may be empty.
    pub key: &'a [u8],
    /// The value; may be empty.
    pub value: &'a [u8],
    /// Key and value as they stand in a segment.
    pub encoded: &'a [u8],
}

/// The entries of a [`Group`], in order.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    body: &'a [u8],
    left: u32,
}

impl<'a> Entries<'a> {
    /// Returns the entries from here to where `later` stands, which must be a clone of this one that has moved on.
    ///
    /// # Panics
    ///
    /// If `later` is not such a clone.
    #[must_use]
    pub fn until(&self, later: &Self) -> Run<'a> {
        let encoded =
            self.body.len().checked_sub(later.body.len()).and_then(|length| self.body.get(..length));
        let entries = self.left.checked_sub(later.left);
        let (encoded, entries) = encoded.zip(entries).expect("a clone that has moved on has less left");
        Run { encoded, entries }
    }

    /// Checks that all entries were taken, and that they were all there is.
    ///
    /// # Errors
    ///
    /// [`FormatError::Malformed`] when fewer entries came than the group counts, or bytes are left.
    pub fn end(&self) -> Result<(), FormatError> {
        match (self.left, self.body) {
            (0, []) => Ok(()),
            (left, body) => {
                let problem = format!("{left} entries are missing, and {} bytes are left over", body.len());
                Err(FormatError::Malformed { object: RUN, offset: 0, problem })
            }
        }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let left = self.left.checked_sub(1)?;
        let whole = self.body;
        let (key, rest) = split_bytes(whole)?;
        let (value, rest) = split_bytes(rest)?;
        let encoded = whole.get(..whole.len().checked_sub(rest.len())?)?;
        (self.body, self.left) = (rest, left);
        Some(Entry { key, value, encoded })
    }
}

/// Splits off one BCS byte string. `None` breaks an invariant, which [`Entries::end`] then reports.
#[expect(clippy::arithmetic_side_effects, reason = "the index is below 5")]
fn split_bytes(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0usize;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return bytes.get(index + 1..)?.split_at_checked(length);
        }
    }
    None
}

const RUN: &str = "run of entries";

/// Neighbouring entries of one root key, encoded as in [`Group::body`], and known to be well-formed.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    encoded: &'a [u8],
    entries: u32,
}

impl<'a> Run<'a> {
    /// Checks that `encoded` holds exactly this number of entries.
    ///
    /// # Errors
    ///
    /// [`FormatError::Malformed`] when there are fewer or more, or bytes that are no entry;
    /// [`FormatError::TooLong`] for a key or value above the ceiling of the format.
    pub fn check(encoded: &'a [u8], entries: u32) -> Result<Self, FormatError> {
        let mut reader = Reader::new(RUN, encoded);
        for index in 0..entries {
            if reader.remaining() == 0 {
                return Err(reader.malformed(format!("expected {entries} entries, found {index}")));
            }
            reader.byte_string(limits::KEY_BYTES_MAX, "key")?;
            reader.byte_string(limits::VALUE_BYTES_CEILING, "value")?;
        }
        match reader.remaining() {
            0 => Ok(Self { encoded, entries }),
            left => Err(reader.malformed(format!("{left} bytes follow the {entries} entries"))),
        }
    }
}

impl<'a> From<Entry<'a>> for Run<'a> {
    fn from(entry: Entry<'a>) -> Self {
        Self { encoded: entry.encoded, entries: 1 }
    }
}

impl<'a> From<Group<'a>> for Run<'a> {
    fn from(group: Group<'a>) -> Self {
        Self { encoded: group.body, entries: group.entries }
    }
}

/// Entries in one buffer: what an engine hands to a pump at a time.
///
/// Entries of one root key that follow each other share a group. A batch says nothing about segments: the pump cuts
/// those by the keys alone, so engines may end a batch anywhere.
///
/// ```
/// use backup_format::EntryBatch;
///
/// let mut batch = EntryBatch::default();
/// batch.push(b"chain", b"height", b"12");
/// batch.push(b"chain", b"tip", b"");
/// batch.push(b"other", b"", b"x");
/// let sizes: Vec<_> = batch.groups().map(|group| (group.root_key, group.entries)).collect();
/// assert_eq!(sizes, [(&b"chain"[..], 2), (&b"other"[..], 1)]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct EntryBatch {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    entries: u64,
}

#[derive(Clone, Debug)]
struct Span {
    root_key: Range<usize>,
    body: Range<usize>,
    entries: u32,
}

impl EntryBatch {
    /// Makes an empty batch with room for `bytes` bytes of keys and values.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// Appends an entry.
    pub fn push(&mut self, root_key: &[u8], key: &[u8], value: &[u8]) {
        self.open(root_key);
        put_bytes(&mut self.bytes, key);
        put_bytes(&mut self.bytes, value);
        self.close(1);
    }

    /// Appends a run of entries. An empty run changes nothing.
    pub fn push_run(&mut self, root_key: &[u8], run: Run<'_>) {
        if run.entries == 0 {
            return;
        }
        self.open(root_key);
        self.bytes.extend_from_slice(run.encoded);
        self.close(run.entries);
    }

    /// Appends room for one encoded entry of `length` bytes, which the caller must fill.
    pub(crate) fn push_room(&mut self, root_key: &[u8], length: usize) -> &mut [u8] {
        self.open(root_key);
        let start = self.bytes.len();
        self.bytes.resize(start.saturating_add(length), 0);
        self.close(1);
        self.bytes.get_mut(start..).expect("the buffer was made longer")
    }

    /// Returns the number of entries.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Returns true if there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Returns the bytes that the entries and root keys take in memory.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets all entries and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
        self.entries = 0;
    }

    /// Iterates over the groups; two neighbours never have the same root key.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = Group<'_>> + DoubleEndedIterator + Clone {
        let bytes = |span: &Range<usize>| self.bytes.get(span.clone()).expect("spans lie in the buffer");
        self.spans.iter().map(move |span| Group {
            root_key: bytes(&span.root_key),
            entries: span.entries,
            body: bytes(&span.body),
        })
    }

    /// Iterates over all entries with their root keys.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Entry<'_>)> {
        self.groups().flat_map(|group| group.iter().map(move |entry| (group.root_key, entry)))
    }

    fn open(&mut self, root_key: &[u8]) {
        let same =
            self.spans.last().is_some_and(|span| self.bytes.get(span.root_key.clone()) == Some(root_key));
        if !same {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(root_key);
            let end = self.bytes.len();
            self.spans.push(Span { root_key: start..end, body: end..end, entries: 0 });
        }
    }

    fn close(&mut self, entries: u32) {
        let end = self.bytes.len();
        let span = self.spans.last_mut().expect("a span is open");
        span.body.end = end;
        span.entries = span.entries.checked_add(entries).expect("a batch holds fewer than 2^32 entries");
        self.entries = self.entries.saturating_add(u64::from(entries));
    }
}
