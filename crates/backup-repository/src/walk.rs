//! Dumps side by side, in the order of their entries: a segment that comes next in several of them comes once.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use backup_format::{ObjectId, Order, Page, Reference};

use crate::error::RepositoryError;
use crate::phase;
use crate::reader::DumpReader;

/// A segment, and the dumps in which it comes next.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub reference: Reference,
    /// A page that refers to it.
    pub page: Reference,
    pub members: Vec<Member>,
}

/// A dump in which a segment comes next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    /// Its number.
    pub dump: usize,
    /// References of the page before this one, and the bytes that they take. None: the segment begins a page.
    pub references: usize,
    pub reference_bytes: u64,
}

/// Finds what comes next. Pages are read as they are needed, and one that several dumps are in is in memory once.
pub(crate) struct Walk {
    reader: DumpReader,
    cursors: Vec<Cursor>,
    open: HashMap<ObjectId, Weak<Page>>,
    /// Dumps whose pages could not be read.
    failed: Vec<(usize, RepositoryError)>,
}

/// How far the walk is in one dump.
struct Cursor {
    dump: usize,
    pages: std::vec::IntoIter<Reference>,
    /// The page that is open, with its reference.
    open: Option<(Reference, Arc<Page>)>,
    next: usize,
    reference_bytes: u64,
    /// Whether the second phase has begun.
    phase_two: bool,
}

impl Walk {
    /// Begins with the pages of some dumps of one order, each with its number.
    pub(crate) fn new(reader: DumpReader, dumps: Vec<(usize, Vec<Reference>)>) -> Self {
        let cursors = dumps.into_iter().map(|(dump, pages)| Cursor {
            dump,
            pages: pages.into_iter(),
            open: None,
            next: 0,
            reference_bytes: 0,
            phase_two: false,
        });
        Self { reader, cursors: cursors.collect(), open: HashMap::new(), failed: Vec::new() }
    }

    /// Leaves a dump out from now on.
    pub(crate) fn leave_out(&mut self, dump: usize) {
        self.cursors.retain(|cursor| cursor.dump != dump);
    }

    /// Returns the dumps that had to be left out, once.
    pub(crate) fn take_failed(&mut self) -> Vec<(usize, RepositoryError)> {
        std::mem::take(&mut self.failed)
    }

    /// Returns the next segments, up to so many; none at the end.
    pub(crate) async fn batch(&mut self, most: usize) -> Result<Vec<Step>, RepositoryError> {
        let mut steps = Vec::new();
        while steps.len() < most {
            self.open_pages().await?;
            let Some(step) = self.step() else { break };
            steps.push(step);
        }
        Ok(steps)
    }

    /// Opens the next page of each dump whose page is used up.
    async fn open_pages(&mut self) -> Result<(), RepositoryError> {
        let mut index = 0;
        while let Some(cursor) = self.cursors.get_mut(index) {
            let is_at_end = cursor.open.as_ref().is_none_or(|(_, page)| cursor.next >= page.references.len());
            if !is_at_end {
                index = index.saturating_add(1);
                continue;
            }
            let Some(reference) = cursor.pages.next() else {
                self.cursors.remove(index);
                continue;
            };
            let shared = self.open.get(&reference.id).and_then(Weak::upgrade);
            let page = match shared {
                Some(page) => Ok(page),
                None => self.reader.page(&reference).await.map(Arc::new),
            };
            match page {
                Ok(page) => {
                    self.open.insert(reference.id, Arc::downgrade(&page));
                    cursor.enter(reference, page, self.reader.order);
                }
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    let Cursor { dump, .. } = self.cursors.remove(index);
                    self.failed.push((dump, error));
                }
            }
        }
        self.open.retain(|_, page| page.strong_count() > 0);
        Ok(())
    }

    fn step(&mut self) -> Option<Step> {
        let order = self.reader.order;
        let first = self.cursors.iter().min_by(|left, right| left.compare(right, order))?;
        let (page, phase_two) = (first.open.as_ref()?.0.clone(), first.phase_two);
        let reference = first.head()?.clone();
        let mut members = Vec::new();
        for cursor in &mut self.cursors {
            if cursor.phase_two != phase_two || cursor.head() != Some(&reference) {
                continue;
            }
            let (references, reference_bytes) = (cursor.next, cursor.reference_bytes);
            members.push(Member { dump: cursor.dump, references, reference_bytes });
            cursor.next = cursor.next.saturating_add(1);
            cursor.reference_bytes = cursor.reference_bytes.saturating_add(reference.encoded_len());
        }
        Some(Step { reference, page, members })
    }
}

impl Cursor {
    /// Goes to the first segment of a page.
    fn enter(&mut self, reference: Reference, page: Arc<Page>, order: Order) {
        let before = self.open.take();
        let last = before.as_ref().and_then(|(_, page)| page.references.last());
        self.phase_two |= last.is_some_and(|last| phase::begins(order, last, &reference));
        self.open = Some((reference, page));
        (self.next, self.reference_bytes) = (0, 0);
    }

    /// Returns the reference to the segment that comes next.
    fn head(&self) -> Option<&Reference> {
        self.open.as_ref().and_then(|(_, page)| page.references.get(self.next))
    }

    fn compare(&self, other: &Self, order: Order) -> Ordering {
        match (self.head(), other.head()) {
            (Some(left), Some(right)) => self
                .phase_two
                .cmp(&other.phase_two)
                .then_with(|| phase::compare(order, left, (&right.first_root, &right.first_key)))
                .then_with(|| left.id.cmp(&right.id)),
            (left, right) => right.is_some().cmp(&left.is_some()),
        }
    }
}
