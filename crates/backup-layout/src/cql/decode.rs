//! From rows to entries.

use backup_format::{EntryBatch, Limits, show};

use super::{is_exclusive, root_key};
use crate::error::LayoutError;
use crate::journal::{Journal, JournalKey, Overlay};
use crate::layout::Layout;
use crate::split::{Joiner, check_entry};

/// Makes entries of the rows of one partition after the other.
///
/// Sentinels, stale segments and journals are no entries. A journal that waits to be resolved is folded: the entries are
/// those that linera has after it loaded the partition. Memory is bounded by one split value and one journal. After an
/// error a decoder is of no more use.
#[derive(Debug)]
pub struct Decoder {
    layout: Layout,
    limits: Limits,
    journal_bytes_max: usize,
    partition: Option<Partition>,
    joiner: Joiner,
}

#[derive(Debug)]
struct Partition {
    root_key: Vec<u8>,
    journal: State,
}

/// How far the journal of a partition is read.
#[derive(Debug)]
enum State {
    /// There can be none, or there was none.
    Nothing,
    /// Rows of a journal may come.
    Awaited,
    /// Some rows came.
    Begun(Journal),
    Folded(Box<Overlay>),
}

impl Decoder {
    /// Starts before the first partition. `journal_bytes_max` is the memory in bytes that a journal may take.
    #[must_use]
    pub fn new(layout: Layout, limits: Limits, journal_bytes_max: usize) -> Self {
        Self { layout, limits, journal_bytes_max, partition: None, joiner: Joiner::new(limits) }
    }

    /// Begins a partition, after the one before was ended by [`Decoder::leave`]. Returns its root key.
    ///
    /// # Errors
    ///
    /// [`LayoutError::ForeignPartition`] when the partition key does not start with 00.
    pub fn enter(&mut self, partition_key: &[u8]) -> Result<&[u8], LayoutError> {
        let Some(root_key) = root_key(partition_key) else {
            let (layout, partition_key) = (self.layout.name(), show(partition_key));
            return Err(LayoutError::ForeignPartition { layout, partition_key });
        };
        let journal = match is_exclusive(self.layout, root_key) {
            true => State::Awaited,
            false => State::Nothing,
        };
        let partition = Partition { root_key: root_key.to_vec(), journal };
        Ok(&self.partition.insert(partition).root_key)
    }

    /// Takes the next row of the partition, in ascending order of keys, and appends the entries that it completes.
    ///
    /// # Errors
    ///
    /// [`LayoutError`] if
    ///
    /// - the row does not follow the layout,
    /// - a segment of the value before is missing,
    /// - a part of the entry is above its ceiling, or
    /// - a journal cannot be folded.
    ///
    /// # Panics
    ///
    /// If no partition was begun.
    #[inline]
    pub fn push(&mut self, key: &[u8], value: &[u8], out: &mut EntryBatch) -> Result<(), LayoutError> {
        let Self { layout, limits, journal_bytes_max, partition, joiner } = self;
        let Partition { root_key, journal } = partition.as_mut().expect("a partition was begun");
        if key.is_empty() && *layout != Layout::Plain {
            return check_sentinel(root_key, value);
        }
        if !journal.is_over() && journal.take(root_key, key, value, *journal_bytes_max)? {
            return Ok(());
        }
        let mut emit = |key: &[u8], value: &[u8]| emit(*layout, limits, joiner, root_key, key, value, out);
        match journal {
            State::Folded(overlay) => overlay.push(key, value, &mut emit),
            _ => emit(key, value),
        }
    }

    /// Ends the partition, and appends the entries that are left. Without a partition this does nothing.
    ///
    /// # Errors
    ///
    /// [`LayoutError::MissingSegment`] when the last value is incomplete; what is wrong with its journal.
    pub fn leave(&mut self, out: &mut EntryBatch) -> Result<(), LayoutError> {
        let Self { layout, limits, partition, joiner, .. } = self;
        let Some(Partition { root_key, mut journal }) = partition.take() else { return Ok(()) };
        journal.end()?;
        if let State::Folded(overlay) = journal {
            overlay.finish(&mut |key, value| emit(*layout, limits, joiner, &root_key, key, value, out))?;
        }
        joiner.finish()
    }

    /// Returns the number of rows seen so far that belonged to no value.
    #[must_use]
    pub fn stale_segments(&self) -> u64 {
        self.joiner.stale()
    }
}

fn emit(
    layout: Layout,
    limits: &Limits,
    joiner: &mut Joiner,
    root_key: &[u8],
    key: &[u8],
    value: &[u8],
    out: &mut EntryBatch,
) -> Result<(), LayoutError> {
    if layout == Layout::Linera015 {
        return joiner.push(root_key, key, value, out);
    }
    check_entry(limits, root_key, key, value.len())?;
    out.push(root_key, key, value);
    Ok(())
}

fn check_sentinel(root_key: &[u8], value: &[u8]) -> Result<(), LayoutError> {
    match value {
        [] => Ok(()),
        _ => Err(LayoutError::SentinelValue { root_key: show(root_key), found: value.len() }),
    }
}

impl State {
    fn is_over(&self) -> bool {
        matches!(self, Self::Nothing | Self::Folded(_))
    }

    /// Takes a row if it is one of the journal's; the first other one ends the journal. Its rows come before all others.
    fn take(
        &mut self,
        root_key: &[u8],
        key: &[u8],
        value: &[u8],
        bytes_max: usize,
    ) -> Result<bool, LayoutError> {
        let Some(kind) = JournalKey::of(key) else {
            self.end()?;
            return Ok(false);
        };
        let number = match kind {
            JournalKey::Header => {
                *self = Self::Begun(Journal::new(root_key, Some(value), bytes_max)?);
                return Ok(true);
            }
            JournalKey::Block(number) => number,
        };
        match self {
            Self::Begun(journal) => journal.push_block(number, value)?,
            // Without a header it is garbage.
            _ => *self = Self::Awaited,
        }
        Ok(true)
    }

    /// Folds what was taken.
    fn end(&mut self) -> Result<(), LayoutError> {
        *self = match std::mem::replace(self, Self::Nothing) {
            Self::Begun(journal) => Self::Folded(Box::new(journal.fold()?)),
            Self::Folded(overlay) => Self::Folded(overlay),
            Self::Awaited | Self::Nothing => Self::Nothing,
        };
        Ok(())
    }
}
