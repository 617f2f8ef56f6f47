//! Which segment of the dump before a new segment is stored as a patch of.
//!
//! It is the one that covers the first key of the new one, so one that was divided serves both halves.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::cmp::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use backup_format::{Level, ObjectId, Order, Page, Reference, Segment, limits, patch};

use crate::codec::{self, Compression, Stored};
use crate::error::RepositoryError;
use crate::index::Location;
use crate::phase;
use crate::reader::{DumpReader, ReadSegment};
use crate::repository::Dump;
use crate::warning::BackupWarning;

/// The segments of the dump before.
#[derive(Debug)]
pub(crate) struct Bases {
    reader: DumpReader,
    dump: ObjectId,
    /// Those of the root.
    pages: Vec<Reference>,
    /// The number of the page that begins the second phase.
    second: usize,
    unreadable: Mutex<Unreadable>,
}

/// Pages and segments that could not be read.
#[derive(Debug, Default)]
struct Unreadable {
    count: u64,
    first: Option<String>,
}

/// A segment of the dump before, as it was read back from the store.
pub(crate) struct Base {
    id: ObjectId,
    segment: Segment,
    chain: Vec<Location>,
    /// Bytes of the patches that it was made of, before they were compressed.
    patch_bytes: u64,
}

impl Bases {
    /// Reads the root of the dump before. When that cannot be read there are no bases, and a warning.
    pub(crate) async fn open(reader: DumpReader, dump: &Dump) -> Self {
        let (pages, error) = match reader.root(&dump.manifest).await {
            Ok(root) => (root.references, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let second = phase::second(reader.order, &pages);
        let bases = Self { reader, dump: dump.id, pages, second, unreadable: Mutex::default() };
        error.iter().for_each(|error| bases.note(error));
        bases
    }

    /// Warns of what could not be read.
    pub(crate) fn warning(&self) -> Option<BackupWarning> {
        let unreadable = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, problem) = (unreadable.count, unreadable.first.clone()?);
        Some(BackupWarning::NoBase { dump: self.dump, count, problem })
    }

    fn note(&self, error: &RepositoryError) {
        let mut unreadable = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        unreadable.count = unreadable.count.saturating_add(1);
        unreadable.first.get_or_insert_with(|| error.to_string());
    }

    /// Reads a base back, if a segment of this length can be a patch of it. When it cannot be read that is noted.
    pub(crate) async fn read(&self, reference: &Reference, plain_len: u64) -> Option<Base> {
        if plain_len.max(reference.plain_len) > limits::PATCH_BYTES_MAX {
            return None;
        }
        match self.try_read(reference).await {
            Ok(base) => base,
            Err(error) => {
                self.note(&error);
                None
            }
        }
    }

    async fn try_read(&self, reference: &Reference) -> Result<Option<Base>, RepositoryError> {
        let chain = self.reader.find_chain(reference.id, "the dump before")?;
        // What is about to be removed would take the patch with it.
        if chain.len() > limits::PATCH_LINKS_MAX || !self.reader.index.is_kept(&chain) {
            return Ok(None);
        }
        let read = self.reader.read_chain(reference, chain.clone()).await?;
        let ReadSegment { segment, patch_bytes, .. } = read;
        Ok(Some(Base { id: reference.id, segment, chain, patch_bytes: patch_bytes.0 }))
    }
}

/// Returns the number of the last reference that does not begin after an entry; the first one, if all do.
fn covering(order: Order, references: &[Reference], first: (&[u8], &[u8])) -> usize {
    let after =
        references.partition_point(|reference| phase::compare(order, reference, first) != Ordering::Greater);
    after.saturating_sub(1)
}

/// Looks for the bases of one segment after the other; keeps one page.
pub(crate) struct BaseFinder {
    bases: Arc<Bases>,
    open: Option<(usize, Page)>,
}

impl BaseFinder {
    pub(crate) fn new(bases: Arc<Bases>) -> Self {
        Self { bases, open: None }
    }

    /// Finds the segment that covers an entry of a phase.
    pub(crate) async fn find(&mut self, phase: u8, first: (&[u8], &[u8])) -> Option<Reference> {
        let Bases { reader, pages, second, .. } = &*self.bases;
        // A dump before that has no second phase has all in the first one.
        let range = if phase == 0 || *second == pages.len() { 0..*second } else { *second..pages.len() };
        let number = range.start.saturating_add(covering(reader.order, pages.get(range)?, first));
        if self.open.as_ref().is_none_or(|(open, _)| *open != number) {
            // What cannot be read is noted once, and then counts as a page without segments.
            let page = reader.page(pages.get(number)?).await.unwrap_or_else(|error| {
                self.bases.note(&error);
                Page { level: Level::Segments, references: Vec::new() }
            });
            self.open = Some((number, page));
        }
        let (_, page) = self.open.as_ref()?;
        page.references.get(covering(reader.order, &page.references, first)).cloned()
    }
}

impl Base {
    /// Stores a segment as a patch of this one, unless it is better stored whole: where the patches of the chain together would
    /// take more than the segment would. How much that is follows from the segment that the chain ends with.
    pub(crate) fn encode(
        &self,
        (id, segment): (ObjectId, &Segment),
        (order, compression): (Order, Compression),
    ) -> Result<Option<Stored>, RepositoryError> {
        let Some(body) = patch::make(&self.segment, segment, order) else { return Ok(None) };
        let plain_len = segment.plaintext().len() as u64;
        let patch_bytes = self.patch_bytes.saturating_add(body.len() as u64);
        if body.len() as u64 >= plain_len || patch_bytes > limits::PATCH_BYTES_MAX {
            return Ok(None);
        }
        let stored = codec::encode_patch(compression, (id, segment), (self.id, &self.segment), &body)?;
        let Some((whole, patches)) = self.chain.split_last() else { return Ok(None) };
        let stored_lens = patches.iter().map(|place| place.stored_len);
        let sum = stored_lens.fold(stored.bytes.len() as u64, u64::saturating_add);
        let estimate = u128::from(whole.stored_len).saturating_mul(u128::from(plain_len));
        let estimate = estimate.checked_div(u128::from(whole.plain_len)).unwrap_or(estimate);
        Ok((u128::from(sum) <= estimate).then_some(stored))
    }

    /// Returns the places that the base is read from.
    pub(crate) fn chain(&self) -> &[Location] {
        &self.chain
    }
}
