//! Value splitting: an entry as one row for each segment of its value.
//!
//! The stored key is the key and the number of the segment; segment 0 starts with the number of segments. Both numbers
//! are `u32`, big-endian, so that segments follow each other in the order of the bytes.

use backup_format::limits::{KEY_BYTES_MAX, ROOT_KEY_BYTES_MAX};
use backup_format::{EntryBatch, FormatError, Limits, show};

use crate::error::LayoutError;

/// Splits a stored key into the key and the number of the segment.
pub(crate) fn split_stored_key(stored: &[u8]) -> Option<(&[u8], u32)> {
    let (key, number) = stored.split_last_chunk()?;
    Some((key, u32::from_be_bytes(*number)))
}

/// Splits segment 0 into the number of segments and the first bytes of the value.
pub(crate) fn split_first_segment(segment: &[u8]) -> Option<(u32, &[u8])> {
    let (count, bytes) = segment.split_first_chunk()?;
    Some((u32::from_be_bytes(*count), bytes))
}

/// Joins segments to values. Memory: one value that was really split, and only while its segments come.
#[derive(Debug)]
pub(crate) struct Joiner {
    limits: Limits,
    pending: Option<Pending>,
    stale: u64,
}

/// A split value of which segments are still to come.
#[derive(Debug)]
struct Pending {
    root_key: Vec<u8>,
    key: Vec<u8>,
    value: Vec<u8>,
    count: u32,
    next: u32,
}

impl Joiner {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, pending: None, stale: 0 }
    }

    /// Returns the number of rows that belonged to no value.
    pub(crate) fn stale(&self) -> u64 {
        self.stale
    }

    /// Takes the next row of a partition, and appends the value that it completes.
    #[inline]
    pub(crate) fn push(
        &mut self,
        root_key: &[u8],
        stored_key: &[u8],
        segment: &[u8],
        out: &mut EntryBatch,
    ) -> Result<(), LayoutError> {
        let Some((key, number)) = split_stored_key(stored_key) else {
            return Err(no_segment_number(root_key, stored_key));
        };
        if self.pending.is_none()
            && number == 0
            && let Some((1, value)) = split_first_segment(segment)
        {
            check_entry(&self.limits, root_key, key, value.len())?;
            out.push(root_key, key, value);
            return Ok(());
        }
        self.push_split(root_key, key, number, segment, out)
    }

    /// Checks that no segment is still to come.
    pub(crate) fn finish(&mut self) -> Result<(), LayoutError> {
        self.pending.as_ref().map_or(Ok(()), |pending| Err(pending.missing()))
    }

    fn push_split(
        &mut self,
        root_key: &[u8],
        key: &[u8],
        number: u32,
        segment: &[u8],
        out: &mut EntryBatch,
    ) -> Result<(), LayoutError> {
        let Some(mut pending) = self.pending.take() else {
            return match number {
                0 => self.begin(root_key, key, segment),
                _ => {
                    self.stale = self.stale.saturating_add(1);
                    Ok(())
                }
            };
        };
        if pending.awaits(root_key, key, number) {
            check_entry(&self.limits, root_key, key, pending.value.len().saturating_add(segment.len()))?;
            pending.value.extend_from_slice(segment);
            pending.next = pending.next.saturating_add(1);
            if pending.next == pending.count {
                out.push(root_key, key, &pending.value);
                return Ok(());
            }
        } else if number != 0 {
            // A stale segment of another key may sort between two segments of this value. If it comes after them, then
            // the value is found to be incomplete by the next entry, or at the end.
            self.stale = self.stale.saturating_add(1);
        } else {
            return Err(pending.missing());
        }
        self.pending = Some(pending);
        Ok(())
    }

    fn begin(&mut self, root_key: &[u8], key: &[u8], segment: &[u8]) -> Result<(), LayoutError> {
        match split_first_segment(segment) {
            Some((count @ 2.., value)) => {
                check_entry(&self.limits, root_key, key, value.len())?;
                let (root_key, key, value) = (root_key.to_vec(), key.to_vec(), value.to_vec());
                self.pending = Some(Pending { root_key, key, value, count, next: 1 });
                Ok(())
            }
            _ => Err(LayoutError::NoSegmentCount {
                root_key: show(root_key),
                key: show(key),
                found: show(segment.get(..4).unwrap_or(segment)),
            }),
        }
    }
}

impl Pending {
    fn awaits(&self, root_key: &[u8], key: &[u8], number: u32) -> bool {
        number == self.next && key == self.key && root_key == self.root_key
    }

    fn missing(&self) -> LayoutError {
        LayoutError::MissingSegment {
            root_key: show(&self.root_key),
            key: show(&self.key),
            segment: self.next,
            count: self.count,
        }
    }
}

fn no_segment_number(root_key: &[u8], stored_key: &[u8]) -> LayoutError {
    LayoutError::NoSegmentNumber {
        root_key: show(root_key),
        stored_key: show(stored_key),
        found: stored_key.len(),
    }
}

/// Checks the lengths of an entry against their ceilings, before anything is allocated for it.
#[inline]
pub(crate) fn check_entry(
    limits: &Limits,
    root_key: &[u8],
    key: &[u8],
    value_bytes: usize,
) -> Result<(), LayoutError> {
    let fits = root_key.len() <= ROOT_KEY_BYTES_MAX
        && key.len() <= KEY_BYTES_MAX
        && value_bytes <= limits.value_bytes_max();
    if fits { Ok(()) } else { Err(too_long(limits, root_key, key, value_bytes)) }
}

#[cold]
fn too_long(limits: &Limits, root_key: &[u8], key: &[u8], value_bytes: usize) -> LayoutError {
    let (what, found, limit, hint) = if root_key.len() > ROOT_KEY_BYTES_MAX {
        ("root key", root_key.len(), ROOT_KEY_BYTES_MAX, "")
    } else if key.len() > KEY_BYTES_MAX {
        ("key", key.len(), KEY_BYTES_MAX, "")
    } else {
        ("value", value_bytes, limits.value_bytes_max(), "; the limit may be raised up to 500 MiB")
    };
    LayoutError::TooLong(FormatError::EntryTooLong {
        root_key: show(root_key),
        key: show(key),
        what,
        found: found as u64,
        limit: limit as u64,
        hint,
    })
}
