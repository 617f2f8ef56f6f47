//! Copying objects to new packs, as they are stored.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use backup_format::pack::{Codec, Object, TableLine};
use backup_format::{Manifest, ObjectId};
use bytes::Bytes;
use tokio::task::spawn_blocking;

use crate::codec::{self, Problem, Stored};
use crate::error::RepositoryError;
use crate::index::{self, Index, Location};
use crate::mark::Marks;
use crate::pack_writer::{PackWriter, Written};
use crate::progress::Progress;
use crate::reader::{DumpReader, bad_object};
use crate::repository::Repository;
use crate::store::Store;

/// Stored bytes that are read at once, unless one object is longer.
const BATCH_BYTES: u64 = 1 << 20;
/// Objects that are read at once.
const BATCH_OBJECTS: usize = 64;

/// Why a repository with patches is left alone: the base of a patch would have to be kept in its place, or copied with it.
pub(crate) const HAS_PATCHES: &str = "it has segments that are stored as patches, which cannot be pruned yet";

/// What becomes of an object of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// It stays where it is, or goes with its pack.
    Leave,
    /// It is copied.
    Copy,
    /// It lies in the pack of this number, too, and is copied if it is not right there.
    Check(usize),
}

/// Copies objects of packs to new ones, and checks each against its id.
pub(crate) struct Copier {
    repository: Repository,
    index: Arc<Index>,
    writer: PackWriter,
    progress: Progress,
    /// Objects that were copied because they were not right elsewhere.
    mended: HashSet<usize>,
    /// Bytes of the objects that were copied, as they are stored.
    pub bytes: u64,
}

impl Copier {
    pub(crate) fn new(repository: &Repository, index: &Arc<Index>, progress: &Progress) -> Self {
        Self {
            repository: repository.clone(),
            index: index.clone(),
            writer: PackWriter::new(repository, progress.clone(), true),
            progress: progress.clone(),
            mended: HashSet::new(),
            bytes: 0,
        }
    }

    /// Copies the objects of a pack that `action` names by the numbers of their first places.
    pub(crate) async fn copy_from(
        &mut self,
        pack: usize,
        action: impl Fn(usize) -> Action,
    ) -> Result<(), RepositoryError> {
        let Some((name, len)) = self.index.packs().get(pack).copied() else { return Ok(()) };
        let version = self.index.version();
        let objects = index::read_table(&self.repository.store, version, (name, len)).await?;
        let damaged = |source| RepositoryError::Damaged { path: Store::pack_path(name), source };
        let mut offset = version.head_bytes();
        let mut batch = Batch::default();
        for Object { line, base } in objects.map_err(damaged)? {
            let range = offset..offset.saturating_add(line.stored_len);
            offset = range.end;
            let Some(first) = self.index.number(line.id) else { continue };
            let copies = match action(first) {
                Action::Leave => false,
                Action::Copy => true,
                Action::Check(other) => !self.is_right(&line, other).await? && self.mended.insert(first),
            };
            if copies && base.is_some() {
                return Err(RepositoryError::Prune { problem: HAS_PATCHES.to_owned(), source: None });
            }
            if copies {
                batch.push(line, range);
            }
            if batch.is_full() {
                self.copy(name, std::mem::take(&mut batch)).await?;
            }
        }
        self.copy(name, batch).await
    }

    /// Makes all copies durable.
    pub(crate) async fn finish(self) -> Result<Written, RepositoryError> {
        self.writer.finish().await
    }

    async fn copy(&mut self, pack: ObjectId, batch: Batch) -> Result<(), RepositoryError> {
        if batch.lines.is_empty() {
            return Ok(());
        }
        let stored = self.repository.store.read_ranges(&Store::pack_path(pack), &batch.ranges).await?;
        for ((line, range), bytes) in batch.lines.into_iter().zip(batch.ranges).zip(stored) {
            let TableLine { kind, codec, id, plain_len, .. } = line;
            let stored = match self.decodes(&line, codec, bytes.clone()).await? {
                Ok(()) => Stored { codec, base: None, bytes: bytes.to_vec() },
                Err(found) => {
                    let error = bad_object((kind, id), (pack, range.start), found);
                    self.read_elsewhere(&line, error).await?
                }
            };
            let (plain, len) = (plain_len, stored.bytes.len() as u64);
            self.writer.push(kind, id, plain, stored).await?;
            self.bytes = self.bytes.saturating_add(len);
            self.progress.advance(plain, 0);
        }
        Ok(())
    }

    /// Reads an object from any of its places where it is right.
    async fn read_elsewhere(
        &self,
        line: &TableLine,
        error: RepositoryError,
    ) -> Result<Stored, RepositoryError> {
        for place in self.index.find(line.id) {
            if let Some(bytes) = self.read_right(line, &place).await? {
                return Ok(Stored { codec: place.codec, base: None, bytes: bytes.to_vec() });
            }
        }
        Err(error)
    }

    /// Returns true if an object is right in the pack of this number.
    async fn is_right(&self, line: &TableLine, pack: usize) -> Result<bool, RepositoryError> {
        let name = self.index.packs().get(pack).map(|(name, _)| *name);
        let place = self.index.find(line.id).find(|place| Some(place.pack) == name);
        match place {
            Some(place) => Ok(self.read_right(line, &place).await?.is_some()),
            None => Ok(false),
        }
    }

    async fn read_right(&self, line: &TableLine, place: &Location) -> Result<Option<Bytes>, RepositoryError> {
        if place.plain_len != line.plain_len || place.is_patch() {
            return Ok(None);
        }
        let bytes = self.repository.store.read_range(&Store::pack_path(place.pack), place.range()).await?;
        Ok(self.decodes(line, place.codec, bytes.clone()).await?.is_ok().then_some(bytes))
    }

    async fn decodes(
        &self,
        line: &TableLine,
        codec: Codec,
        bytes: Bytes,
    ) -> Result<Result<(), Problem>, RepositoryError> {
        let (keys, object) = (self.repository.keys.clone(), (line.kind, line.id, line.plain_len));
        let decode = move || codec::decode_checked(&keys, object, codec, &bytes).map(drop);
        Ok(spawn_blocking(decode).await?)
    }
}

/// Neighbouring objects that are read at once.
#[derive(Default)]
struct Batch {
    lines: Vec<TableLine>,
    ranges: Vec<Range<u64>>,
    bytes: u64,
}

impl Batch {
    fn push(&mut self, line: TableLine, range: Range<u64>) {
        self.bytes = self.bytes.saturating_add(line.stored_len);
        self.lines.push(line);
        self.ranges.push(range);
    }

    fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.lines.len() >= BATCH_OBJECTS
    }
}

impl Repository {
    /// Finds for all that a dump reaches a pack that nobody removes; what lies in no such pack is copied to a new one. Returns
    /// these packs.
    pub(crate) async fn secure(
        &self,
        reader: &DumpReader,
        manifest: &Manifest,
        progress: &Progress,
    ) -> Result<Vec<(ObjectId, u64)>, RepositoryError> {
        let marks = Marks::of(reader, manifest).await?;
        let index = &reader.index;
        let mut relied = vec![false; index.packs().len()];
        for first in marks.iter() {
            let kept = index.places_of(first).map(|(pack, _)| pack).find(|pack| !index.is_condemned(*pack));
            if let Some(relied) = kept.and_then(|pack| relied.get_mut(pack)) {
                *relied = true;
            }
        }
        let packs = index.packs().iter().zip(relied).filter(|(_, relied)| *relied).map(|(pack, _)| *pack);
        match self.rescue(index, &marks, progress).await {
            Err(error) if error.is_gone() => Err(RepositoryError::Pruned { problem: error.to_string() }),
            result => Ok(packs.chain(result?.0.packs).collect()),
        }
    }

    /// Copies the objects of a set that lie in packs alone that are about to be removed; returns also their stored bytes.
    pub(crate) async fn rescue(
        &self,
        index: &Arc<Index>,
        marks: &Marks,
        progress: &Progress,
    ) -> Result<(Written, u64), RepositoryError> {
        let mut endangered = Marks::none(index);
        let mut packs = std::collections::BTreeSet::new();
        for first in marks.iter() {
            if index.places_of(first).all(|(pack, _)| index.is_condemned(pack)) {
                endangered.insert(first);
                packs.extend(index.places_of(first).map(|(pack, _)| pack).next());
            }
        }
        let mut copier = Copier::new(self, index, progress);
        for pack in packs {
            let is_here = |first| index.places_of(first).next().is_some_and(|(place, _)| place == pack);
            let action = |first| match endangered.has(first) && is_here(first) {
                true => Action::Copy,
                false => Action::Leave,
            };
            copier.copy_from(pack, action).await?;
        }
        let bytes = copier.bytes;
        Ok((copier.finish().await?, bytes))
    }
}
