//! Which segment of the dump before a new segment is stored as a patch of.
//!
//! It is the one that covers the first key of the new one, so one that was divided serves both halves.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::cmp::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use backup_format::patch::Patched;
use backup_format::{
    Fingerprint, Level, ObjectId, Order, Page, Reference, Segment, SketchKey, limits, patch,
};

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

/// A segment of the dump before.
pub(crate) struct Base {
    id: ObjectId,
    content: Content,
    chain: Vec<Location>,
    /// Bytes of the patches that it was made of, before they were compressed.
    patch_bytes: u64,
}

/// What is known of the entries of a base.
enum Content {
    /// All, as it was read back from the store.
    Segment(Segment),
    /// What a sketch has.
    Sketched(SketchKey, Vec<Fingerprint>),
}

/// A new segment.
pub(crate) struct New<'a> {
    pub id: ObjectId,
    pub segment: &'a Segment,
    /// Those of its entries, if anything is sketched.
    pub fingerprints: Option<&'a [Fingerprint]>,
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
        let content = Content::Segment(segment);
        Ok(Some(Base { id: reference.id, content, chain, patch_bytes: patch_bytes.0 }))
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
    /// Takes what a sketch has of a segment, where its chain lies, and how long the patches of that are at most.
    pub(crate) fn sketched(
        id: ObjectId,
        (key, fingerprints): (SketchKey, Vec<Fingerprint>),
        (chain, patch_bytes): (Vec<Location>, u64),
    ) -> Self {
        Self { id, content: Content::Sketched(key, fingerprints), chain, patch_bytes }
    }

    /// Stores a segment as a patch of this one, unless it is better stored whole: where the patches of the chain together would
    /// take more than the segment would. How much that is follows from the segment that the chain ends with. Returns with it how long
    /// all patches of the chain are before they are compressed.
    pub(crate) fn encode(
        &self,
        new: &New<'_>,
        (order, compression): (Order, Compression),
    ) -> Result<Option<(Stored, u64)>, RepositoryError> {
        let Some(body) = self.patch(new, order) else { return Ok(None) };
        let plain_len = new.segment.plaintext().len() as u64;
        let patch_bytes = self.patch_bytes.saturating_add(body.len() as u64);
        if body.len() as u64 >= plain_len || patch_bytes > limits::PATCH_BYTES_MAX {
            return Ok(None);
        }
        let object = (new.id, plain_len);
        let stored =
            codec::encode_patch(compression, object, self.id, &body, |patch| self.becomes(new, patch))?;
        let Some((whole, patches)) = self.chain.split_last() else { return Ok(None) };
        let stored_lens = patches.iter().map(|place| place.stored_len);
        let sum = stored_lens.fold(stored.bytes.len() as u64, u64::saturating_add);
        let estimate = u128::from(whole.stored_len).saturating_mul(u128::from(plain_len));
        let estimate = estimate.checked_div(u128::from(whole.plain_len)).unwrap_or(estimate);
        Ok((u128::from(sum) <= estimate).then_some((stored, patch_bytes)))
    }

    fn patch(&self, new: &New<'_>, order: Order) -> Option<Vec<u8>> {
        match &self.content {
            Content::Segment(base) => patch::make(base, new.segment, order),
            Content::Sketched(_, base) => patch::make_by_fingerprint(base, new.segment, new.fingerprints?),
        }
    }

    /// Returns true if the patch makes the new segment of this one, as far as that is known.
    fn becomes(&self, new: &New<'_>, patch: &[u8]) -> bool {
        match &self.content {
            Content::Segment(base) => {
                let mut patched = Patched::new(base);
                patched.apply(patch).is_ok() && patched.plaintext() == new.segment.plaintext()
            }
            Content::Sketched(key, base) => {
                let found = patch::apply_by_fingerprint(key, base, patch);
                found.is_ok_and(|found| Some(found.as_slice()) == new.fingerprints)
            }
        }
    }

    /// Returns the places that the base is read from.
    pub(crate) fn chain(&self) -> &[Location] {
        &self.chain
    }
}
