//! Checking the segments of one page: order, cuts, digest.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::sync::Arc;

use backup_format::{Cut, Cutter, FormatError, Order, OrderCheck, Reference, Segment, page_is_full, show};
use futures::TryStreamExt;

use crate::error::RepositoryError;
use crate::pack_check::{Alongside, Begun};
use crate::progress::Progress;
use crate::range::{RangeBuilder, RangeDigest};
use crate::reader::{DumpReader, ReadSegment, inconsistent};
use crate::work::Stopped;

/// The check of one page.
pub(crate) struct PageCheck {
    reader: DumpReader,
    pages: Arc<[Reference]>,
    index: usize,
    /// Set when all pages are checked: then the digest is wanted, and packs are checked alongside.
    whole: Option<Arc<Begun>>,
    progress: Progress,
    stopped: Stopped,
    order: OrderCheck,
    cutter: Cutter,
    /// References of the page so far, and the bytes that they take.
    references: usize,
    reference_bytes: u64,
}

/// A page that was read.
pub(crate) struct CheckedPage {
    /// Its digest; empty when that was not wanted.
    pub range: RangeDigest,
    pub segments: u64,
    first: (Vec<u8>, Vec<u8>),
    last: (Vec<u8>, Vec<u8>),
}

impl PageCheck {
    pub(crate) fn new(
        reader: DumpReader,
        pages: Arc<[Reference]>,
        index: usize,
        whole: Option<Arc<Begun>>,
        progress: Progress,
        stopped: Stopped,
    ) -> Result<Self, RepositoryError> {
        let reader = DumpReader { keeps_stored: whole.is_some(), ..reader };
        let order = OrderCheck::new(reader.order);
        let cutter = Cutter::new(&reader.repository.config, reader.repository.keys()?);
        let (references, reference_bytes) = (0, 0);
        Ok(Self {
            reader,
            pages,
            index,
            whole,
            progress,
            stopped,
            order,
            cutter,
            references,
            reference_bytes,
        })
    }

    pub(crate) async fn run(mut self) -> Result<CheckedPage, RepositoryError> {
        self.stopped.check()?;
        let pages = self.pages.clone();
        let Some((own, following)) = pages.get(self.index..).and_then(<[Reference]>::split_first) else {
            return Err(RepositoryError::Stopped);
        };
        let page = self.reader.page(own).await?;
        let references = page.references.clone();
        let mut stream = self.reader.segments(own, page);
        let mut range = RangeBuilder::default();
        let mut packs = self.whole.clone().map(|begun| Alongside::new(begun, self.stopped.clone()));
        let mut first = None;
        for reference in &references {
            self.stopped.check()?;
            let Some(read) = stream.try_next().await? else { return Err(RepositoryError::Stopped) };
            let ReadSegment { segment, stored, .. } = read;
            if let Some(packs) = &mut packs {
                for stored in stored {
                    packs.take(stored).await?;
                }
            }
            self.check_segment(reference, &segment).map_err(|source| {
                inconsistent(format!("segment {} of page {}", reference.id, own.id), source)
            })?;
            let (root_key, key) = segment.first();
            first.get_or_insert_with(|| (root_key.to_vec(), key.to_vec()));
            if self.whole.is_some() {
                segment.groups().for_each(|group| range.push(&group));
            }
            self.progress.advance(reference.plain_len, reference.entries);
        }
        if let Some(packs) = packs {
            packs.finish().await?;
            if !self.is_amid_partition(&range) {
                self.read_on(&mut range, following).await?;
            }
        }
        let last = self.order.last().map(|(root_key, key)| (root_key.to_vec(), key.to_vec()));
        Ok(CheckedPage {
            range: range.finish(),
            segments: references.len() as u64,
            first: first.unwrap_or_default(),
            last: last.unwrap_or_default(),
        })
    }

    /// Returns true if the page holds nothing but a piece of a partition that began before it, whose digest nobody wants.
    fn is_amid_partition(&self, range: &RangeBuilder) -> bool {
        let own = self.pages.get(self.index).map(|page| &page.first_root);
        let before = self.index.checked_sub(1).and_then(|index| self.pages.get(index));
        before.is_some_and(|before| own == Some(&before.first_root))
            && range.last_root() == own.map(Vec::as_slice)
    }

    /// Reads the following pages as far as the last partition reaches, for the digest.
    async fn read_on(
        &self,
        range: &mut RangeBuilder,
        following: &[Reference],
    ) -> Result<(), RepositoryError> {
        // Most often the first segment is enough.
        let reader = DumpReader { ahead: 1, keeps_stored: false, ..self.reader.clone() };
        for reference in following {
            if range.last_root() != Some(&reference.first_root) {
                return Ok(());
            }
            let page = reader.page(reference).await?;
            let mut stream = reader.segments(reference, page);
            while let Some(ReadSegment { segment, .. }) = stream.try_next().await? {
                self.stopped.check()?;
                if !segment.groups().all(|group| range.read_on(&group)) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn check_segment(&mut self, reference: &Reference, segment: &Segment) -> Result<(), FormatError> {
        self.order.advance(segment.first(), segment.last(), false)?;
        self.check_cuts(segment)?;
        self.references = self.references.saturating_add(1);
        self.reference_bytes = self.reference_bytes.saturating_add(reference.encoded_len());
        Ok(())
    }

    /// Checks that the segment begins and ends where the rule says. Where the page begins is not checked: the
    /// engine may have its reasons.
    fn check_cuts(&mut self, segment: &Segment) -> Result<(), FormatError> {
        for (index, (root_key, entry)) in segment.iter().enumerate() {
            let cut = self.cutter.next(root_key, entry.key, entry.value.len());
            let expected = match (index, self.references) {
                (0, 0) => continue,
                (0, _) => Cut::Segment,
                _ => Cut::None,
            };
            if cut != expected || (index == 0 && page_is_full(self.references, self.reference_bytes)) {
                let (root_key, key) = (show(root_key), show(entry.key));
                let problem = format!(
                    "before root_key={root_key} key={key} the cut rule says {cut:?}, the dump has {expected:?}"
                );
                return Err(FormatError::Malformed { object: "segment", offset: 0, problem });
            }
        }
        Ok(())
    }
}

/// Checks that the entries of each page come after those of the page before it.
pub(crate) fn neighbours(order: Order, pages: &[CheckedPage]) -> Result<(), RepositoryError> {
    let mut check = OrderCheck::new(order);
    for (index, page) in pages.iter().enumerate() {
        let (first, last) = (&page.first, &page.last);
        check.advance((&first.0, &first.1), (&last.0, &last.1), true).map_err(|source| {
            inconsistent(format!("page {} of the root", index.saturating_add(1)), source)
        })?;
    }
    Ok(())
}
