//! Merging scratch files.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::arena::Arena;
use super::scratch::{Scratch, ScratchFile};
use super::spill::{Item, Sink, SpillReader, SpillWriter};
use crate::error::FormatError;

/// Scratch files that are merged at a time.
const FAN_IN: usize = 64;

/// Sorts items, however many. Those that fit in memory are sorted there and written to a scratch file. The files of a
/// level are merged into one of the next as soon as there are [`FAN_IN`] of them. So few are open, and each item is
/// written once per level.
pub(super) struct Sorter<S> {
    arena: Arena,
    scratch: S,
    levels: Vec<Vec<Box<dyn ScratchFile>>>,
}

impl<S: Scratch> Sorter<S> {
    pub(super) fn new(scratch: S, memory_bytes: usize) -> Self {
        Self { arena: Arena::new(memory_bytes), scratch, levels: Vec::new() }
    }

    pub(super) fn set_memory_bytes(&mut self, bytes: usize) {
        self.arena.set_size(bytes);
    }

    pub(super) fn add(&mut self, item: &Item<'_>) -> Result<(), FormatError> {
        if self.arena.is_long(item) {
            let mut writer = self.create()?;
            writer.put(item)?;
            return self.keep(writer.finish()?);
        }
        if !self.arena.has_room(item) {
            self.spill()?;
        }
        self.arena.push(item);
        Ok(())
    }

    /// Hands all items to `sink`, in order.
    pub(super) fn merge_to(mut self, sink: &mut dyn Sink) -> Result<(), FormatError> {
        self.spill()?;
        self.arena = Arena::new(0);
        let mut level = 0;
        while self.levels.iter().map(Vec::len).sum::<usize>() > FAN_IN {
            self.merge_level(level)?;
            level += 1;
        }
        merge(self.levels.into_iter().flatten().collect(), sink)
    }

    fn spill(&mut self) -> Result<(), FormatError> {
        if self.arena.is_empty() {
            return Ok(());
        }
        self.arena.sort();
        let mut writer = self.create()?;
        self.arena.items().try_for_each(|item| writer.put(&item))?;
        self.arena.clear();
        self.keep(writer.finish()?)
    }

    fn keep(&mut self, file: Box<dyn ScratchFile>) -> Result<(), FormatError> {
        self.push(0, file);
        let mut level = 0;
        while self.levels.get(level).is_some_and(|files| files.len() >= FAN_IN) {
            self.merge_level(level)?;
            level += 1;
        }
        Ok(())
    }

    fn merge_level(&mut self, level: usize) -> Result<(), FormatError> {
        let files = self.levels.get_mut(level).map(std::mem::take).unwrap_or_default();
        let mut writer = self.create()?;
        merge(files, &mut writer)?;
        let merged = writer.finish()?;
        self.push(level + 1, merged);
        Ok(())
    }

    fn push(&mut self, level: usize, file: Box<dyn ScratchFile>) {
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, Vec::new);
        }
        if let Some(files) = self.levels.get_mut(level) {
            files.push(file);
        }
    }

    fn create(&mut self) -> Result<SpillWriter, FormatError> {
        let doing = "creating a scratch file";
        let file = self.scratch.create().map_err(|source| FormatError::Io { doing, offset: 0, source })?;
        Ok(SpillWriter::new(file))
    }
}

fn merge(files: Vec<Box<dyn ScratchFile>>, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let mut heap = BinaryHeap::new();
    for file in files {
        heap.extend(SpillReader::open(file)?.map(Reverse));
    }
    while let Some(mut top) = heap.peek_mut() {
        if !top.0.move_to(sink)? {
            PeekMut::pop(top);
        }
    }
    Ok(())
}
