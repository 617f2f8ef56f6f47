//! The entries of one partition of a dump, read from the segments that may hold them and no others.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::cmp::Ordering;

use backup_format::{Level, Order, Page, Reference, limits};
use futures::StreamExt;

use crate::dump_phase;
use crate::error::RepositoryError;
use crate::look::{LookCount, LookOptions};
use crate::phase;
use crate::reader::DumpReader;
use crate::repository::{Dump, Repository};
use crate::work;

/// A state, and what takes key and value of an entry into it.
pub(crate) type Taking<S> = (S, fn(&mut S, &[u8], &[u8]));

impl Repository {
    /// Gives the entries of a partition of a dump to `found`, with `state`, by their keys and values in their order; or only that of one key.
    /// Returns what was read, and the state. Nothing is found where the dump has no such entry.
    ///
    /// # Errors
    ///
    /// What reading a dump reports.
    pub async fn find_entries<S: Send + 'static>(
        &self,
        dump: &Dump,
        (root_key, key): (&[u8], Option<&[u8]>),
        options: &LookOptions,
        (state, found): Taking<S>,
    ) -> Result<(LookCount, S), RepositoryError> {
        let (repository, dump, options) = (self.clone(), dump.clone(), options.clone());
        let (root_key, key) = (root_key.to_vec(), key.map(<[u8]>::to_vec));
        work::drive(async move {
            let reader = DumpReader::open(&repository, &dump, options.limits).await?;
            let root = reader.root(&dump.manifest).await?;
            let mut count = LookCount::default();
            count.read_page(0);
            let phases = dump_phase::divide(reader.order, root.references, options.exclusive);
            let mut excerpt = Excerpt { reader, root_key, key, state, found, count };
            for pages in phases {
                excerpt.read_pages(pages).await?;
            }
            Ok((excerpt.count, excerpt.state))
        })
        .await
    }
}

/// What is looked for, and what was read for it.
struct Excerpt<S> {
    reader: DumpReader,
    root_key: Vec<u8>,
    /// `None`: all entries of the partition.
    key: Option<Vec<u8>>,
    state: S,
    found: fn(&mut S, &[u8], &[u8]),
    count: LookCount,
}

impl<S: Send> Excerpt<S> {
    /// Reads what is looked for of a phase.
    async fn read_pages(&mut self, pages: Vec<Reference>) -> Result<(), RepositoryError> {
        for (index, page) in pages.iter().enumerate() {
            let next = pages.get(index.saturating_add(1));
            if !self.may_hold(page, next) {
                self.count.skip_page(page.entries);
                continue;
            }
            let segments = self.reader.page(page).await?.references;
            self.count.read_page(page.plain_len);
            let mut wanted = Page { level: Level::Segments, references: Vec::new() };
            for (index, segment) in segments.iter().enumerate() {
                if self.may_hold(segment, segments.get(index.saturating_add(1)).or(next)) {
                    self.count.read_segment(segment.plain_len);
                    wanted.references.push(segment.clone());
                } else {
                    self.count.skip_segment(segment.entries);
                }
            }
            self.read_segments(page, wanted).await?;
        }
        Ok(())
    }

    async fn read_segments(&mut self, page: &Reference, wanted: Page) -> Result<(), RepositoryError> {
        let mut segments = self.reader.segments(page, wanted);
        while let Some(read) = segments.next().await.transpose()? {
            let groups = read.segment.groups().filter(|group| group.root_key == self.root_key);
            for entry in groups.flat_map(|group| group.iter()) {
                if self.key.as_ref().is_none_or(|key| key == entry.key) {
                    (self.found)(&mut self.state, entry.key, entry.value);
                }
            }
        }
        Ok(())
    }

    /// Returns true if what is looked for may lie beneath a reference. `next` is the one behind it in its phase.
    fn may_hold(&self, reference: &Reference, next: Option<&Reference>) -> bool {
        let order = self.reader.order;
        let begins_behind = match &self.key {
            Some(key) => phase::compare(order, reference, (&self.root_key, key)),
            None => order.compare_roots(&reference.first_root, &self.root_key),
        };
        let first = (self.root_key.as_slice(), self.key.as_deref().unwrap_or_default());
        begins_behind != Ordering::Greater && next.is_none_or(|next| begins_after(order, next, first))
    }
}

/// Returns true if a reference begins after an entry, or may do so: of long keys it has only the beginning.
fn begins_after(order: Order, reference: &Reference, entry: (&[u8], &[u8])) -> bool {
    match phase::compare(order, reference, entry) {
        Ordering::Greater => true,
        Ordering::Equal => reference.first_key.len() == limits::FIRST_KEY_BYTES,
        Ordering::Less => false,
    }
}
