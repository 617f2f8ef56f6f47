//! Segments: runs of entries, the leaves of a dump.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::cmp::Ordering;

use crate::codec::{Reader, put_bytes, put_uleb};
use crate::entry::{Entry, EntryBatch, Group};
use crate::error::FormatError;
use crate::limits::{self, Limits};
use crate::order::{Order, out_of_order};

const OBJECT: &str = "segment";

/// Bytes that a group takes at least: empty root key, count, empty key, empty value.
const GROUP_BYTES_MIN: usize = 4;
/// Bytes that an entry takes at least: empty key, empty value.
const ENTRY_BYTES_MIN: usize = 2;

/// The checked plaintext of a segment: at least one group, in order, within the limits.
///
/// Entries are borrowed from the plaintext; beside it there are 4 bytes of memory per group.
///
/// ```
/// use backup_format::{EntryBatch, Limits, Order, Segment};
///
/// let mut batch = EntryBatch::default();
/// batch.push(b"chain", b"height", b"12");
/// let plaintext = Segment::from_batch(&batch).into_plaintext();
/// assert_eq!(plaintext, b"\x01\x05chain\x01\x06height\x0212");
/// let segment = Segment::decode(plaintext, Order::Plain, &Limits::default())?;
/// assert_eq!(segment.entries(), 1);
/// # Ok::<_, backup_format::FormatError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Segment {
    plaintext: Vec<u8>,
    /// Where each group's root key begins.
    starts: Vec<u32>,
    entries: u64,
}

impl Segment {
    /// Encodes the entries of a batch, which must not be empty and must be in order.
    #[must_use]
    pub fn from_batch(batch: &EntryBatch) -> Self {
        let groups = batch.groups();
        let mut starts = Vec::with_capacity(groups.len());
        let mut plaintext =
            Vec::with_capacity(batch.byte_len().saturating_add(groups.len().saturating_mul(16)));
        put_uleb(&mut plaintext, groups.len() as u32);
        for group in groups {
            starts.push(plaintext.len() as u32);
            put_bytes(&mut plaintext, group.root_key);
            put_uleb(&mut plaintext, group.entries);
            plaintext.extend_from_slice(group.body);
        }
        Self { plaintext, starts, entries: batch.entries() }
    }

    /// Parses and checks a plaintext: shape, limits, minimal lengths, strictly increasing entries, no trailing bytes.
    ///
    /// # Errors
    ///
    /// [`FormatError::Malformed`], [`FormatError::TooLong`] or [`FormatError::OutOfOrder`], with the offset or the
    /// entry.
    pub fn decode(plaintext: Vec<u8>, order: Order, limits: &Limits) -> Result<Self, FormatError> {
        Self::parse(plaintext, Some(order), limits)
    }

    /// Does what [`Segment::decode`] does for the base of a patch. Its root keys may be in the order of another dump, so that
    /// order is not checked.
    ///
    /// # Errors
    ///
    /// As [`Segment::decode`].
    pub fn decode_base(plaintext: Vec<u8>, limits: &Limits) -> Result<Self, FormatError> {
        Self::parse(plaintext, None, limits)
    }

    fn parse(plaintext: Vec<u8>, order: Option<Order>, limits: &Limits) -> Result<Self, FormatError> {
        check_len(plaintext.len() as u64)?;
        let mut reader = Reader::new(OBJECT, &plaintext);
        let groups = count(&mut reader, GROUP_BYTES_MIN, "groups")?;
        let mut starts = Vec::with_capacity(groups);
        let mut entries = 0_u64;
        let mut previous: Option<(&[u8], &[u8])> = None;
        for _ in 0..groups {
            starts.push(reader.position() as u32);
            let root_key = reader.byte_string(limits::ROOT_KEY_BYTES_MAX, "root key")?;
            let in_group = count(&mut reader, ENTRY_BYTES_MIN, "entries")?;
            let (first, last) =
                check_entries(&mut reader, root_key, in_group, order.unwrap_or(Order::Plain), limits)?;
            if let (Some(previous), Some(order)) = (previous, order)
                && order.compare_roots(previous.0, root_key) != Ordering::Less
            {
                return Err(out_of_order(order, previous, (root_key, first)));
            }
            previous = Some((root_key, last));
            entries = entries.saturating_add(in_group as u64);
        }
        reader.end()?;
        Ok(Self { plaintext, starts, entries })
    }

    /// Returns the plaintext.
    #[must_use]
    pub fn plaintext(&self) -> &[u8] {
        &self.plaintext
    }

    /// Returns the plaintext and drops the rest.
    #[must_use]
    pub fn into_plaintext(self) -> Vec<u8> {
        self.plaintext
    }

    /// Returns the number of entries.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Iterates over the groups, in order.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = Group<'_>> + DoubleEndedIterator + Clone {
        (0..self.starts.len()).map(|index| self.group(index))
    }

    /// Iterates over all entries with their root keys.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Entry<'_>)> {
        self.groups().flat_map(|group| group.iter().map(move |entry| (group.root_key, entry)))
    }

    /// Returns root key and key of the first entry.
    #[must_use]
    pub fn first(&self) -> (&[u8], &[u8]) {
        self.groups().next().map_or((&[], &[]), |group| (group.root_key, group.first_key()))
    }

    /// Returns root key and key of the last entry; walks over the last group.
    #[must_use]
    pub fn last(&self) -> (&[u8], &[u8]) {
        self.groups().next_back().map_or((&[], &[]), |group| (group.root_key, group.last_key()))
    }

    fn group(&self, index: usize) -> Group<'_> {
        const CHECKED: &str = "a segment is checked when it is made";
        let start = *self.starts.get(index).expect(CHECKED) as usize;
        let end = self.starts.get(index.saturating_add(1)).map_or(self.plaintext.len(), |end| *end as usize);
        let mut reader = Reader::new(OBJECT, self.plaintext.get(start..end).expect(CHECKED));
        let root_key = reader.byte_string(limits::ROOT_KEY_BYTES_MAX, "root key").expect(CHECKED);
        let entries = reader.uleb(u32::MAX as usize, "entries").expect(CHECKED);
        let body = reader.take(reader.remaining()).expect(CHECKED);
        Group { root_key, entries: entries as u32, body }
    }
}

fn check_len(found: u64) -> Result<(), FormatError> {
    let (what, limit) = ("plaintext", limits::OBJECT_BYTES_MAX);
    match found <= limit {
        true => Ok(()),
        false => Err(FormatError::TooLong { object: OBJECT, offset: 0, what, found, limit }),
    }
}

/// Takes a count of items that need at least `bytes_min` bytes each, and compares it with what is left.
fn count(reader: &mut Reader<'_>, bytes_min: usize, what: &'static str) -> Result<usize, FormatError> {
    let at = reader.clone();
    let number = reader.uleb(u32::MAX as usize, what)?;
    if number == 0 {
        return Err(at.malformed(format!("expected at least one of {what}, found none")));
    }
    if number.saturating_mul(bytes_min) > reader.remaining() {
        let left = reader.remaining();
        return Err(at.malformed(format!("{number} {what} cannot stand in the {left} bytes that are left")));
    }
    Ok(number)
}

/// Walks over the entries of a group; returns its first and its last key.
fn check_entries<'a>(
    reader: &mut Reader<'a>,
    root_key: &[u8],
    entries: usize,
    order: Order,
    limits: &Limits,
) -> Result<(&'a [u8], &'a [u8]), FormatError> {
    let first = reader.byte_string(limits::KEY_BYTES_MAX, "key")?;
    reader.byte_string(limits.value_bytes_max(), "value")?;
    let mut last = first;
    for _ in 1..entries {
        let key = reader.byte_string(limits::KEY_BYTES_MAX, "key")?;
        if last >= key {
            return Err(out_of_order(order, (root_key, last), (root_key, key)));
        }
        reader.byte_string(limits.value_bytes_max(), "value")?;
        last = key;
    }
    Ok((first, last))
}
