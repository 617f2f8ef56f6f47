//! From rows to entries.

use backup_format::limits::ROOT_KEY_BYTES_MAX;
use backup_format::{EntryBatch, FormatError, Limits, Reader, show};

use super::roots::{RootFinder, RootIndex, data_part};
use super::{DATA, INDEX};
use crate::error::LayoutError;
use crate::layout::Layout;
use crate::shape::Kind;
use crate::split::{Joiner, check_entry};

/// Makes entries of rows, which come in ascending order of their keys.
///
/// Memory is bounded by two root keys and one split value. After an error a decoder is of no more use: rows may
/// have been lost.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    Plain { root_key: Vec<u8> },
    Prefixed { prefix: Vec<u8>, root_at: usize },
    Split { roots: RootFinder, joiner: Joiner },
}

impl Decoder {
    /// Starts before the first row of a range; see [`RootIndex`] for the root keys that it needs in `linera-0.15`.
    /// The other layouts do not look at `roots`. In `plain` all entries get the empty root key.
    #[must_use]
    pub fn new(layout: Layout, roots: Box<dyn RootIndex>, limits: Limits) -> Self {
        let rows = match layout {
            Layout::Linera015 => Rows::Split { roots: RootFinder::new(roots), joiner: Joiner::new(limits) },
            Layout::Linera016 => Rows::Prefixed { prefix: Vec::new(), root_at: 0 },
            Layout::Plain => Rows::Plain { root_key: Vec::new() },
        };
        Self { limits, rows }
    }

    /// Starts before the first row of a partition in `plain`: all rows get this root key, for example the name of
    /// their column family.
    #[must_use]
    pub fn plain(root_key: &[u8], limits: Limits) -> Self {
        Self { limits, rows: Rows::Plain { root_key: root_key.to_vec() } }
    }

    /// Takes the next row, and appends the entry that it completes.
    ///
    /// Two kinds of rows make no entry: index rows of linera's layouts, and the stale segments that linera leaves
    /// behind when a long value gets shorter or is deleted.
    ///
    /// # Errors
    ///
    /// What the index reports, and [`LayoutError`] if
    ///
    /// - the row does not follow the layout,
    /// - its root key cannot be found,
    /// - a segment of the value before is missing, or
    /// - a part of the entry is above its ceiling.
    #[inline]
    pub fn push(&mut self, key: &[u8], value: &[u8], out: &mut EntryBatch) -> Result<(), LayoutError> {
        match &mut self.rows {
            Rows::Split { roots, joiner } => match roots.split(key)? {
                Some((root_key, stored_key)) => joiner.push(root_key, stored_key, value, out),
                None => Ok(()),
            },
            Rows::Prefixed { prefix, root_at } => {
                if prefix.is_empty() || !key.starts_with(prefix) {
                    let Some((at, end)) = locate_root(key)? else { return Ok(()) };
                    prefix.clear();
                    prefix.extend_from_slice(key.get(..end).unwrap_or_default());
                    *root_at = at;
                }
                let root_key = prefix.get(*root_at..).unwrap_or_default();
                let key = key.get(prefix.len()..).unwrap_or_default();
                check_entry(&self.limits, root_key, key, value.len())?;
                out.push(root_key, key, value);
                Ok(())
            }
            Rows::Plain { root_key } => {
                check_entry(&self.limits, root_key, key, value.len())?;
                out.push(root_key, key, value);
                Ok(())
            }
        }
    }

    /// Ends after the last row of the range. Appends nothing today; `out` is where a layout that looks ahead would put
    /// its last entry.
    ///
    /// # Errors
    ///
    /// [`LayoutError::MissingSegment`] when the last value is incomplete. A range that was cut inside of a split value
    /// ends so, too. Also [`LayoutError::NestedRootKeys`], and what the index reports while the rest of it is read.
    pub fn finish(&mut self, _out: &mut EntryBatch) -> Result<(), LayoutError> {
        match &mut self.rows {
            Rows::Split { roots, joiner } => {
                joiner.finish()?;
                roots.finish()
            }
            Rows::Prefixed { .. } | Rows::Plain { .. } => Ok(()),
        }
    }

    /// Returns the number of stale segments seen so far: rows of `linera-0.15` that belong to no value. In RocksDB they
    /// come from values of more than 3 GB, so any number but 0 is worth a second look.
    #[must_use]
    pub fn stale_segments(&self) -> u64 {
        match &self.rows {
            Rows::Split { joiner, .. } => joiner.stale(),
            Rows::Prefixed { .. } | Rows::Plain { .. } => 0,
        }
    }
}

/// Returns the root key of a data or index row, from the row alone. In `linera-0.16` its length determines it, in
/// `linera-0.15` the shape of linera's root keys. `None` when it does not tell, and always in `plain`.
#[must_use]
pub fn root_of(layout: Layout, raw_key: &[u8]) -> Option<Vec<u8>> {
    let (first, rest) = raw_key.split_first()?;
    match (layout, *first) {
        (Layout::Linera015, DATA) => Kind::of_prefix(layout, rest).map(|(_, root_key)| root_key.to_vec()),
        (Layout::Linera015, INDEX) => Kind::of_root_key(layout, rest).map(|_| rest.to_vec()),
        (Layout::Linera016, DATA) => split_prefixed(rest).ok().map(|(root_key, _)| root_key.to_vec()),
        (Layout::Linera016, INDEX) => {
            let (root_key, key) = split_prefixed(rest).ok()?;
            key.is_empty().then(|| root_key.to_vec())
        }
        _ => None,
    }
}

/// Splits what follows the first byte of a key in `linera-0.16` into root key and key.
pub(super) fn split_prefixed(rest: &[u8]) -> Result<(&[u8], &[u8]), FormatError> {
    let mut reader = Reader::new("key after its first byte", rest);
    let root_key = reader.byte_string(ROOT_KEY_BYTES_MAX, "root key")?;
    let key = reader.take(reader.remaining())?;
    Ok((root_key, key))
}

/// Returns where the root key of a data row in `linera-0.16` begins and ends; `None` for an index row.
fn locate_root(row_key: &[u8]) -> Result<Option<(usize, usize)>, LayoutError> {
    let Some(rest) = data_part(Layout::Linera016, row_key)? else { return Ok(None) };
    match split_prefixed(rest) {
        Ok((root_key, key)) => {
            let end = row_key.len().saturating_sub(key.len());
            Ok(Some((end.saturating_sub(root_key.len()), end)))
        }
        Err(source) => Err(LayoutError::LengthPrefix { row_key: show(row_key), source }),
    }
}
