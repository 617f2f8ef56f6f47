//! Cutting a stream of entries into segments and pages.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::cmp::Ordering;

use backup_format::limits::{KEY_BYTES_MAX, ROOT_KEY_BYTES_MAX};
use backup_format::{
    Config, Cut, Cutter, Entry, EntryBatch, FormatError, Group, Keys, Limits, Order, Reference, page_is_full,
    show,
};

/// The entries of one segment, in order.
#[derive(Debug)]
pub(crate) struct Piece {
    pub batch: EntryBatch,
    /// Whether a page begins with it.
    pub starts_page: bool,
}

/// Cuts batches into [`Piece`]s, checks limits and order on the way.
#[derive(Debug)]
pub(crate) struct Segmenter {
    cutter: Cutter,
    order: Order,
    limits: Limits,
    open: Piece,
    /// References of the open page, with that of the open segment, and the bytes that they take.
    references: usize,
    reference_bytes: u64,
    last: Option<(Vec<u8>, Vec<u8>)>,
    /// Part of the ring that the last root key lies in.
    ring_part: Option<u8>,
    ready: Vec<Piece>,
}

/// Where [`Segmenter::push_until_page`] stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// All entries were taken.
    End,
    /// A page begins at this entry of the batch (counted from 0) by its key alone; it was not taken.
    Page(usize),
}

impl Segmenter {
    pub(crate) fn new(config: &Config, keys: &Keys, order: Order, limits: Limits) -> Self {
        Self {
            cutter: Cutter::new(config, keys),
            order,
            limits,
            open: Piece { batch: EntryBatch::default(), starts_page: true },
            references: 0,
            reference_bytes: 0,
            last: None,
            ring_part: None,
            ready: Vec::new(),
        }
    }

    /// Appends a batch.
    pub(crate) fn push(&mut self, batch: &EntryBatch) -> Result<(), FormatError> {
        self.take(batch, false).map(drop)
    }

    /// Appends the entries of a batch before which no page begins by their keys alone.
    pub(crate) fn push_until_page(&mut self, batch: &EntryBatch) -> Result<Reached, FormatError> {
        self.take(batch, true)
    }

    /// Takes the segments that are complete.
    pub(crate) fn drain(&mut self) -> Vec<Piece> {
        std::mem::take(&mut self.ready)
    }

    /// Completes the last segment.
    pub(crate) fn finish(&mut self) {
        if !self.open.batch.is_empty() {
            self.close(true);
        }
    }

    fn take(&mut self, batch: &EntryBatch, stop_at_page: bool) -> Result<Reached, FormatError> {
        let mut taken = 0;
        for group in batch.groups() {
            match self.take_group(&group, stop_at_page)? {
                Reached::Page(index) => return Ok(Reached::Page(index.saturating_add(taken))),
                Reached::End => taken = (group.entries as usize).saturating_add(taken),
            }
        }
        Ok(Reached::End)
    }

    /// Appends a group, copying the entries between cuts at once.
    fn take_group(&mut self, group: &Group<'_>, stop_at_page: bool) -> Result<Reached, FormatError> {
        self.enter(group)?;
        let mut previous: Option<&[u8]> = None;
        let mut entries = group.iter();
        // Entries that are not copied yet begin here.
        let mut pending = entries.clone();
        let mut index = 0;
        loop {
            let before = entries.clone();
            let Some(entry) = entries.next() else { break };
            self.check_entry(group.root_key, &entry, previous)?;
            previous = Some(entry.key);
            let mut cut = self.cutter.next(group.root_key, entry.key, entry.value.len());
            if cut == Cut::Page && stop_at_page {
                self.open.batch.push_run(group.root_key, pending.until(&before));
                return Ok(Reached::Page(index));
            }
            if cut == Cut::Segment && page_is_full(self.references, self.reference_bytes) {
                cut = Cut::Page;
            }
            if cut != Cut::None {
                self.open.batch.push_run(group.root_key, pending.until(&before));
                pending = before;
                self.close(cut == Cut::Page);
                self.count_reference(group.root_key, entry.key);
            } else if index == 0 && self.open.batch.is_empty() {
                self.count_reference(group.root_key, entry.key);
            }
            index = index.saturating_add(1);
        }
        entries.end()?;
        self.open.batch.push_run(group.root_key, pending.until(&entries));
        let (root, key) = self.last.get_or_insert_with(Default::default);
        root.clear();
        root.extend_from_slice(group.root_key);
        key.clear();
        key.extend_from_slice(previous.unwrap_or_default());
        Ok(Reached::End)
    }

    /// Checks that a group may come next, and begins a page where the part of the ring changes.
    fn enter(&mut self, group: &Group<'_>) -> Result<(), FormatError> {
        self.check_root(group)?;
        if self.last.as_ref().is_some_and(|(root, _)| root == group.root_key) {
            return Ok(());
        }
        let ring_part = self.order.ring_part(group.root_key);
        if self.ring_part.is_some() && ring_part != self.ring_part {
            self.finish();
            self.cutter.start_segment();
        }
        self.ring_part = ring_part;
        Ok(())
    }

    /// Closes the open segment, if there is anything in it, and returns true if the next one starts a page.
    fn close(&mut self, starts_page: bool) {
        let capacity = self.open.batch.byte_len();
        let next = Piece { batch: EntryBatch::with_capacity(capacity), starts_page };
        let closed = std::mem::replace(&mut self.open, next);
        match closed.batch.is_empty() {
            true => self.open.starts_page |= closed.starts_page,
            false => self.ready.push(closed),
        }
        if self.open.starts_page {
            (self.references, self.reference_bytes) = (0, 0);
        }
    }

    fn count_reference(&mut self, root_key: &[u8], key: &[u8]) {
        self.references = self.references.saturating_add(1);
        let reference = Reference::encoded_len_at(root_key, key);
        self.reference_bytes = self.reference_bytes.saturating_add(reference);
    }

    fn check_root(&self, group: &Group<'_>) -> Result<(), FormatError> {
        too_long(group.root_key, &[], "root key", group.root_key.len(), ROOT_KEY_BYTES_MAX, "")?;
        let Some((root, key)) = &self.last else { return Ok(()) };
        let first = group.first_key();
        let after = match self.order.compare_roots(root, group.root_key) {
            Ordering::Less => true,
            Ordering::Equal => key.as_slice() < first,
            Ordering::Greater => false,
        };
        if after { Ok(()) } else { Err(self.out_of_order((root, key), (group.root_key, first))) }
    }

    fn check_entry(
        &self,
        root: &[u8],
        entry: &Entry<'_>,
        previous: Option<&[u8]>,
    ) -> Result<(), FormatError> {
        const RAISE: &str = "; raise the limit, up to 500 MiB, to back it up";
        too_long(root, entry.key, "key", entry.key.len(), KEY_BYTES_MAX, "")?;
        too_long(root, entry.key, "value", entry.value.len(), self.limits.value_bytes_max(), RAISE)?;
        match previous {
            Some(previous) if previous >= entry.key => {
                Err(self.out_of_order((root, previous), (root, entry.key)))
            }
            _ => Ok(()),
        }
    }

    fn out_of_order(&self, previous: (&[u8], &[u8]), found: (&[u8], &[u8])) -> FormatError {
        FormatError::OutOfOrder {
            order: self.order.into(),
            root_key: show(found.0),
            key: show(found.1),
            previous: format!("root_key={} key={}", show(previous.0), show(previous.1)),
        }
    }
}

fn too_long(
    root_key: &[u8],
    key: &[u8],
    what: &'static str,
    found: usize,
    limit: usize,
    hint: &'static str,
) -> Result<(), FormatError> {
    if found <= limit {
        return Ok(());
    }
    let (root_key, key) = (show(root_key), show(key));
    Err(FormatError::EntryTooLong { root_key, key, what, found: found as u64, limit: limit as u64, hint })
}
