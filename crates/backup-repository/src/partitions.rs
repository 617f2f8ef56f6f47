//! The partitions of a dump, with their sizes.
//!
//! A segment that holds a part of one partition alone is not read: the reference to it says how much that is.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::fmt;
use std::sync::Arc;

use backup_format::{Group, Level, Order, Page, Reference};
use futures::StreamExt;

use crate::dump_phase;
use crate::error::RepositoryError;
use crate::look::{LookCount, LookOptions};
use crate::reader::DumpReader;
use crate::repository::{Dump, Repository};
use crate::work;

/// Bytes of a segment of one group that do not belong to the group: the number of groups.
const GROUPS_BYTES: u64 = 1;

/// A partition and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionSize<'a> {
    /// Its root key.
    pub root_key: &'a [u8],
    /// Its entries.
    pub entries: u64,
    /// Bytes that it takes in segments before compression, as a manifest counts those of each kind.
    pub plain_bytes: u64,
}

/// Says yes to some root keys.
type Filter = Arc<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// Which partitions are wanted; by default all.
#[derive(Clone, Default)]
pub struct Wanted {
    prefixes: Vec<Vec<u8>>,
    of_kind: Option<Filter>,
}

impl Wanted {
    /// Wants only partitions whose root keys begin with one of these, unless there are none.
    #[must_use]
    pub fn with_prefixes(self, prefixes: Vec<Vec<u8>>) -> Self {
        Self { prefixes, ..self }
    }

    /// Wants only partitions whose root keys this says yes to.
    #[must_use]
    pub fn that(self, of_kind: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self { of_kind: Some(Arc::new(of_kind)), ..self }
    }

    fn has(&self, root_key: &[u8]) -> bool {
        let has_prefix =
            self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| root_key.starts_with(prefix));
        has_prefix && self.of_kind.as_ref().is_none_or(|of_kind| of_kind(root_key))
    }

    /// Returns true if a root key that is wanted may lie between two others, these included.
    fn may_have(&self, order: Order, first: &[u8], last: Option<&[u8]>) -> bool {
        if last == Some(first) {
            return self.has(first);
        }
        let is_by_bytes = match order {
            Order::Plain => true,
            Order::Prefixed => last.is_some_and(|last| last.len() == first.len()),
            Order::Token => false,
        };
        let lies_there = |prefix: &Vec<u8>| {
            let ends = first > prefix.as_slice() && !first.starts_with(prefix);
            !ends && last.is_none_or(|last| last >= prefix.as_slice())
        };
        !is_by_bytes || self.prefixes.is_empty() || self.prefixes.iter().any(lies_there)
    }
}

impl fmt::Debug for Wanted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Wanted").field("prefixes", &self.prefixes).finish_non_exhaustive()
    }
}

impl Repository {
    /// Gives the partitions of a dump that are wanted to `found`, with `state`, in their order. Returns what was read, and the state.
    ///
    /// # Errors
    ///
    /// What reading a dump reports.
    pub async fn partitions<S: Send + 'static>(
        &self,
        dump: &Dump,
        wanted: &Wanted,
        options: &LookOptions,
        (state, found): (S, fn(&mut S, PartitionSize<'_>)),
    ) -> Result<(LookCount, S), RepositoryError> {
        let (repository, dump, options) = (self.clone(), dump.clone(), options.clone());
        let wanted = wanted.clone();
        work::drive(async move {
            options.progress.phase("reading", Some(dump.manifest.plain_bytes));
            let reader = DumpReader::open(&repository, &dump, options.limits).await?;
            let root = reader.root(&dump.manifest).await?;
            let mut count = LookCount::default();
            count.read_page(0);
            let phases = dump_phase::divide(reader.order, root.references, options.exclusive);
            let mut list = Listing { reader, wanted, options, state, found, count, open: None };
            for pages in phases {
                list.read_pages(pages).await?;
            }
            list.close();
            Ok((list.count, list.state))
        })
        .await
    }
}

/// What of a segment is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Nothing,
    /// Partitions that only its entries tell.
    Some,
    /// All of it, and it holds one partition alone.
    OfOne,
}

/// What is listed, and how far that is.
struct Listing<S> {
    reader: DumpReader,
    wanted: Wanted,
    options: LookOptions,
    state: S,
    found: fn(&mut S, PartitionSize<'_>),
    count: LookCount,
    /// A partition of which more may come: root key, entries and bytes.
    open: Option<(Vec<u8>, u64, u64)>,
}

impl<S: Send> Listing<S> {
    /// Lists the partitions of a phase.
    async fn read_pages(&mut self, pages: Vec<Reference>) -> Result<(), RepositoryError> {
        for (index, page) in pages.iter().enumerate() {
            let next = pages.get(index.saturating_add(1)).map(|page| page.first_root.as_slice());
            if self.may_have(page, next) {
                self.read_page(page, next).await?;
            } else {
                self.count.skip_page(page.entries);
            }
        }
        Ok(())
    }

    async fn read_page(&mut self, page: &Reference, next: Option<&[u8]>) -> Result<(), RepositoryError> {
        let segments = self.reader.page(page).await?.references;
        self.count.read_page(page.plain_len);
        let parts = segments.iter().enumerate().map(|(index, segment)| {
            let behind = segments.get(index.saturating_add(1)).map(|segment| segment.first_root.as_slice());
            self.part(segment, behind.or(next))
        });
        let parts: Vec<_> = parts.collect();
        let read = segments.iter().zip(&parts).filter(|(_, part)| **part == Part::Some);
        let references = read.map(|(segment, _)| segment.clone()).collect();
        let mut stream = self.reader.segments(page, Page { level: Level::Segments, references });
        for (segment, part) in segments.iter().zip(parts) {
            if part == Part::Some {
                let read = stream.next().await.unwrap_or(Err(RepositoryError::Stopped))?;
                self.count.read_segment(segment.plain_len);
                read.segment.groups().for_each(|group| self.add_group(&group));
            } else {
                self.count.skip_segment(segment.entries);
            }
            if part == Part::OfOne {
                let bytes = segment.plain_len.saturating_sub(GROUPS_BYTES);
                self.add(&segment.first_root, segment.entries, bytes);
            }
            self.options.progress.advance(segment.plain_len, segment.entries);
        }
        Ok(())
    }

    /// Says what of a segment is wanted. `next` is the root key that the one behind it begins with.
    fn part(&self, segment: &Reference, next: Option<&[u8]>) -> Part {
        if !self.may_have(segment, next) {
            Part::Nothing
        } else if next == Some(segment.first_root.as_slice()) {
            Part::OfOne
        } else {
            Part::Some
        }
    }

    fn may_have(&self, reference: &Reference, next: Option<&[u8]>) -> bool {
        self.wanted.may_have(self.reader.order, &reference.first_root, next)
    }

    fn add_group(&mut self, group: &Group<'_>) {
        if self.wanted.has(group.root_key) {
            self.add(group.root_key, u64::from(group.entries), group.encoded_len());
        }
    }

    fn add(&mut self, root_key: &[u8], entries: u64, bytes: u64) {
        if self.open.as_ref().is_none_or(|(open, ..)| open != root_key) {
            self.close();
        }
        let (_, all_entries, all_bytes) = self.open.get_or_insert_with(|| (root_key.to_vec(), 0, 0));
        *all_entries = all_entries.saturating_add(entries);
        *all_bytes = all_bytes.saturating_add(bytes);
    }

    fn close(&mut self) {
        if let Some((root_key, entries, plain_bytes)) = self.open.take() {
            (self.found)(&mut self.state, PartitionSize { root_key: &root_key, entries, plain_bytes });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_lie_between_two_root_keys_is_known_by_the_order() {
        let wanted = Wanted::default().with_prefixes(vec![b"bb".to_vec(), b"d".to_vec()]);
        let plain = |first: &[u8], last: Option<&[u8]>| wanted.may_have(Order::Plain, first, last);
        for (first, last, may) in [
            ("a", Some("b"), false),
            ("a", Some("bb"), true),
            ("bba", Some("c"), true),
            ("bc", Some("c"), false),
            ("bc", None, true),
            ("e", None, false),
            ("da", None, true),
            ("bb", Some("bb"), true),
            ("bc", Some("bc"), false),
        ] {
            assert_eq!(plain(first.as_bytes(), last.map(str::as_bytes)), may, "{first} {last:?}");
        }
        assert!(!wanted.may_have(Order::Prefixed, b"ca", Some(b"cb")));
        assert!(wanted.may_have(Order::Prefixed, b"ca", Some(b"cba")));
        assert!(wanted.may_have(Order::Token, b"ca", Some(b"cb")));
        let odd = Wanted::default().that(|root_key| root_key.len() % 2 == 1);
        assert!(
            odd.may_have(Order::Plain, b"aa", Some(b"bb")) && !odd.may_have(Order::Plain, b"aa", Some(b"aa"))
        );
    }
}
