//! Finding the root keys of `linera-0.15`, which rows carry without their length.

use std::fmt;

use backup_format::show;

use super::{DATA, INDEX};
use crate::error::LayoutError;
use crate::layout::Layout;
use crate::shape::Kind;

/// The root keys of an index, ascending by bytes.
///
/// For the first range, they start with the first root key. Any other range may begin inside of a partition. So its root
/// keys start with the last one at or before its first row, compared with the row's key after its first byte. They may
/// end after the first root key that lies past the end of the range, but not earlier. So all neighbours in the index are
/// compared by one range or another.
pub trait RootIndex: Send {
    /// Returns the next root key, `None` at the end.
    ///
    /// # Errors
    ///
    /// As the engine reports them.
    fn next_root(&mut self) -> Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>>;
}

/// The root keys of a list.
impl RootIndex for std::vec::IntoIter<Vec<u8>> {
    fn next_root(&mut self) -> Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.next())
    }
}

/// Root key and stored key of a row.
type Split<'a> = (&'a [u8], &'a [u8]);

/// Merges ascending rows with the ascending root keys of the index; holds two of these at a time.
pub(super) struct RootFinder {
    index: Box<dyn RootIndex>,
    started: bool,
    /// The last root key of the index that is not after the current row.
    before: Option<Vec<u8>>,
    /// The first root key of the index that is after the current row.
    after: Option<Vec<u8>>,
    /// [`DATA`] and the current root key; empty before the first row.
    prefix: Vec<u8>,
}

impl RootFinder {
    pub(super) fn new(index: Box<dyn RootIndex>) -> Self {
        Self { index, started: false, before: None, after: None, prefix: Vec::new() }
    }

    /// Splits the key of a data row into root key and stored key; `None` for an index row.
    #[inline]
    pub(super) fn split<'a>(&mut self, row_key: &'a [u8]) -> Result<Option<Split<'a>>, LayoutError> {
        // A row that starts with the current root key belongs to it: `enter` made sure that no other root key does.
        if !self.prefix.is_empty()
            && let Some(stored_key) = row_key.strip_prefix(self.prefix.as_slice())
        {
            return Ok(row_key.get(1..self.prefix.len()).map(|root_key| (root_key, stored_key)));
        }
        self.enter(row_key)
    }

    /// Reads the rest of the index, which compares all its neighbours.
    pub(super) fn finish(&mut self) -> Result<(), LayoutError> {
        self.start()?;
        while self.after.is_some() {
            self.advance()?;
        }
        Ok(())
    }

    #[cold]
    fn enter<'a>(&mut self, row_key: &'a [u8]) -> Result<Option<Split<'a>>, LayoutError> {
        let Some(rest) = data_part(Layout::Linera015, row_key)? else { return Ok(None) };
        self.start()?;
        while self.after.as_ref().is_some_and(|root_key| root_key.as_slice() <= rest) {
            self.advance()?;
        }
        let indexed = self.before.as_ref().filter(|root_key| rest.starts_with(root_key)).map(Vec::len);
        let length = match indexed {
            Some(length) => length,
            None => self.length_by_shape(row_key, rest)?,
        };
        let (root_key, stored_key) = rest.split_at(length);
        self.prefix.clear();
        self.prefix.push(DATA);
        self.prefix.extend_from_slice(root_key);
        Ok(Some((root_key, stored_key)))
    }

    /// Returns the length of a root key that the index lacks. Such a root key must not be a prefix of any in the
    /// index. It is enough to check its two neighbours there: if it is a prefix of any, it is a prefix of one of them.
    fn length_by_shape(&self, row_key: &[u8], rest: &[u8]) -> Result<usize, LayoutError> {
        let Some((_, root_key)) = Kind::of_prefix(Layout::Linera015, rest) else {
            return Err(LayoutError::UnknownRootKey { row_key: show(row_key) });
        };
        let neighbours = [&self.before, &self.after];
        match neighbours.into_iter().flatten().find(|indexed| indexed.starts_with(root_key)) {
            Some(indexed) => Err(nested(root_key, indexed)),
            None => Ok(root_key.len()),
        }
    }

    fn start(&mut self) -> Result<(), LayoutError> {
        if !self.started {
            self.advance()?;
            self.started = true;
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<(), LayoutError> {
        if let Some(root_key) = self.after.take() {
            self.before = Some(root_key);
        }
        let next = self.index.next_root().map_err(|source| LayoutError::Index {
            previous: self.before.as_ref().map_or_else(|| "its start".to_owned(), |root_key| show(root_key)),
            source,
        })?;
        if let (Some(previous), Some(found)) = (&self.before, &next) {
            if found <= previous {
                return Err(LayoutError::IndexOrder { previous: show(previous), found: show(found) });
            }
            if found.starts_with(previous) {
                return Err(nested(previous, found));
            }
        }
        self.after = next;
        Ok(())
    }
}

impl fmt::Debug for RootFinder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RootFinder").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Returns what follows the first byte of a data row's key; `None` for an index row.
pub(super) fn data_part(layout: Layout, row_key: &[u8]) -> Result<Option<&[u8]>, LayoutError> {
    match row_key {
        [DATA, rest @ ..] => Ok(Some(rest)),
        [INDEX, ..] => Ok(None),
        [] => Err(LayoutError::EmptyRowKey { layout: layout.name() }),
        _ => Err(LayoutError::ForeignRow { layout: layout.name(), row_key: show(row_key) }),
    }
}

fn nested(shorter: &[u8], longer: &[u8]) -> LayoutError {
    LayoutError::NestedRootKeys { shorter: show(shorter), longer: show(longer) }
}
