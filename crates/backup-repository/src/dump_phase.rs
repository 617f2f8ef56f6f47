//! One phase of a dump, page by page and segment by segment; what is opened is read, what is skipped is not.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::cmp::Ordering;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use backup_format::{Level, ObjectId, Order, Page, Reference, ReferenceOrder, limits, show};
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::block::Block;
use crate::error::RepositoryError;
use crate::look::LookCount;
use crate::phase;
use crate::reader::{DumpReader, ReadSegment, inconsistent};

/// What comes next in a phase.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Head<'a> {
    /// A page that was not read.
    Page(&'a Reference),
    /// A segment that was not read.
    Segment(&'a Reference),
    /// A segment that was read, and of which entries are left.
    Block(&'a Block),
}

/// What lies directly before the head of a phase.
#[derive(Clone, Debug, Default)]
pub(crate) enum Passed {
    /// Nothing, or entries that were taken.
    #[default]
    Entries,
    /// A page that was skipped.
    Page(Reference),
    /// A segment that was skipped.
    Segment(Reference),
    /// A segment of which it is known with which partition it ends.
    Partition(Vec<u8>),
}

/// How far somebody is in a phase of a dump.
pub(crate) struct DumpPhase {
    reader: DumpReader,
    /// Segments that will be skipped, by halves of their ids: the others of a page are read ahead. `None`: that is not known.
    expected: Option<Arc<HashSet<u128>>>,
    pages: VecDeque<Reference>,
    /// The page that is open, and what is left of its segments.
    page: Option<(Reference, VecDeque<Reference>)>,
    ahead: Option<Ahead>,
    block: Option<Block>,
    passed: Passed,
    references: ReferenceOrder,
    count: LookCount,
}

/// Segments of a page that are read ahead, in their order.
struct Ahead {
    ids: VecDeque<ObjectId>,
    stream: BoxStream<'static, Result<ReadSegment, RepositoryError>>,
}

/// Divides the pages of a dump into its phases. Where the order of root keys does not tell them apart, `exclusive` does: it returns true
/// for a partition of the first one.
pub(crate) fn divide(
    order: Order,
    pages: Vec<Reference>,
    exclusive: fn(&[u8]) -> bool,
) -> Vec<Vec<Reference>> {
    let mut first = pages;
    let mut begins = phase::second(order, &first);
    if begins == first.len() && order == Order::Token {
        let ends = |pair: &[Reference]| match pair {
            [before, after] => exclusive(&before.first_root) && !exclusive(&after.first_root),
            _ => false,
        };
        begins = first.windows(2).position(ends).map_or(begins, |before| before.saturating_add(1));
    }
    let second = first.split_off(begins);
    [first, second].into_iter().filter(|pages| !pages.is_empty()).collect()
}

impl DumpPhase {
    pub(crate) fn new(
        reader: DumpReader,
        pages: Vec<Reference>,
        expected: Option<Arc<HashSet<u128>>>,
    ) -> Self {
        let references = ReferenceOrder::new(reader.order);
        Self {
            reader,
            expected,
            pages: pages.into(),
            page: None,
            ahead: None,
            block: None,
            passed: Passed::default(),
            references,
            count: LookCount::default(),
        }
    }

    pub(crate) fn count(&self) -> &LookCount {
        &self.count
    }

    pub(crate) fn passed(&self) -> &Passed {
        &self.passed
    }

    /// Returns what comes next; `None` at the end.
    pub(crate) fn head(&self) -> Option<Head<'_>> {
        if let Some(block) = &self.block {
            return Some(Head::Block(block));
        }
        match &self.page {
            Some((_, segments)) => segments.front().map(Head::Segment),
            None => self.pages.front().map(Head::Page),
        }
    }

    /// Reads the page or segment that comes next.
    pub(crate) async fn open(&mut self) -> Result<(), RepositoryError> {
        if self.block.is_some() {
            return Ok(());
        }
        if self.page.is_none() { self.open_page().await } else { self.open_segment().await }
    }

    /// Passes over the page or segment that comes next.
    pub(crate) fn skip(&mut self) -> Result<(), RepositoryError> {
        if let Some(block) = self.block.take() {
            self.passed = Passed::Partition(block.into_last_root());
            return Ok(());
        }
        let Some(reference) = self.take_segment()? else {
            let Some(page) = self.pages.pop_front() else { return Ok(()) };
            self.advance(&page)?;
            self.count.skip_page(page.entries);
            self.passed = Passed::Page(page);
            return Ok(());
        };
        // What was not expected to be skipped was read in vain.
        if self.ahead.as_ref().is_some_and(|ahead| ahead.ids.front() == Some(&reference.id)) {
            self.ahead = None;
        }
        self.count.skip_segment(reference.entries);
        self.passed = Passed::Segment(reference);
        Ok(())
    }

    /// Takes the entry that comes next, of a block.
    pub(crate) fn take_entry(&mut self) -> Result<(), RepositoryError> {
        let Some(block) = &mut self.block else { return Ok(()) };
        self.passed = Passed::Entries;
        block.advance();
        if block.entry().is_some() {
            return Ok(());
        }
        let block = self.block.take();
        if let (Some(block), Some(Head::Page(next) | Head::Segment(next))) = (block, self.head()) {
            let last = block.current();
            let order = phase::compare(self.reader.order, next, (last.root_key, last.key));
            let is_cut = next.first_key.len() == limits::FIRST_KEY_BYTES;
            if order == Ordering::Less || (order == Ordering::Equal && !is_cut) {
                let problem = format!(
                    "its last entry, root_key={} key={}, does not come before what follows it; `verify` says more",
                    show(last.root_key),
                    show(last.key)
                );
                let place = format!("segment {}", block.id);
                return Err(RepositoryError::Inconsistent { place, problem, source: None });
            }
        }
        Ok(())
    }

    /// Returns true if what lies directly before the head ends with a partition. For that it may be read.
    pub(crate) async fn ends_with(
        &mut self,
        passed: &Passed,
        root_key: &[u8],
    ) -> Result<bool, RepositoryError> {
        let (page, segment) = match passed {
            Passed::Entries => return Ok(false),
            Passed::Partition(last) => return Ok(last == root_key),
            Passed::Page(page) | Passed::Segment(page) if page.first_root == root_key => return Ok(true),
            Passed::Segment(segment) => (segment.clone(), segment.clone()),
            Passed::Page(reference) => {
                let page = self.reader.page(reference).await?;
                self.count.read_page(reference.plain_len);
                let Some(last) = page.references.last() else { return Ok(false) };
                (reference.clone(), last.clone())
            }
        };
        if segment.first_root == root_key {
            return Ok(true);
        }
        let read = self.read_segment(&page, segment).await?;
        Ok(read.segment.groups().next_back().is_some_and(|group| group.root_key == root_key))
    }

    async fn open_page(&mut self) -> Result<(), RepositoryError> {
        let Some(reference) = self.pages.pop_front() else { return Ok(()) };
        let page = self.reader.page(&reference).await?;
        self.count.read_page(reference.plain_len);
        self.ahead = self.expected.as_ref().map(|expected| {
            let wanted = page.references.iter().filter(|segment| !expected.contains(&segment.id.prefix()));
            let wanted = Page { level: Level::Segments, references: wanted.cloned().collect() };
            let ids = wanted.references.iter().map(|segment| segment.id).collect();
            Ahead { ids, stream: self.reader.segments(&reference, wanted) }
        });
        self.page = Some((reference, page.references.into()));
        Ok(())
    }

    async fn open_segment(&mut self) -> Result<(), RepositoryError> {
        let page = self.page.as_ref().map(|(page, _)| page.clone());
        let (Some(page), Some(reference)) = (page, self.take_segment()?) else { return Ok(()) };
        let id = reference.id;
        let read = match &mut self.ahead {
            Some(ahead) if ahead.ids.front() == Some(&id) => {
                ahead.ids.pop_front();
                let read = ahead.stream.next().await.unwrap_or(Err(RepositoryError::Stopped))?;
                self.count.read_segment(reference.plain_len);
                read
            }
            _ => self.read_segment(&page, reference).await?,
        };
        self.block = Some(Block::new(id, read.segment));
        Ok(())
    }

    async fn read_segment(
        &mut self,
        page: &Reference,
        segment: Reference,
    ) -> Result<ReadSegment, RepositoryError> {
        self.count.read_segment(segment.plain_len);
        let one = Page { level: Level::Segments, references: vec![segment] };
        self.reader.segments(page, one).next().await.unwrap_or(Err(RepositoryError::Stopped))
    }

    /// Takes the reference to the segment that comes next; `None` where a page does.
    fn take_segment(&mut self) -> Result<Option<Reference>, RepositoryError> {
        let Some((_, segments)) = &mut self.page else { return Ok(None) };
        let Some(reference) = segments.pop_front() else { return Ok(None) };
        if segments.is_empty() {
            self.page = None;
        }
        self.advance(&reference)?;
        Ok(Some(reference))
    }

    /// Checks that a reference comes after those before it: nothing is taken twice.
    fn advance(&mut self, reference: &Reference) -> Result<(), RepositoryError> {
        let place = || format!("page or segment {}", reference.id);
        // No phase begins here.
        self.references.advance(reference, false).map_err(|source| inconsistent(place(), source))
    }
}
