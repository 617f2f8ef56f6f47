//! Copying objects to new packs, as they are stored.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use backup_format::pack::{Codec, Object, TableLine};
use backup_format::{Limits, ObjectId, Order, Segment};
use bytes::Bytes;
use tokio::task::spawn_blocking;

use crate::chain;
use crate::codec::{self, Compression, Problem, Stored};
use crate::error::RepositoryError;
use crate::index::{self, Index, Location};
use crate::pack_writer::{PackWriter, Written};
use crate::progress::Progress;
use crate::reader::{DumpReader, bad_object, may_be_right_elsewhere};
use crate::repository::Repository;
use crate::store::Store;

/// Stored bytes that are read at once, unless one object is longer.
const BATCH_BYTES: u64 = 1 << 20;
/// Objects that are read at once.
const BATCH_OBJECTS: usize = 64;

/// What becomes of an object of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// It stays where it is, or goes with its pack.
    Leave,
    /// It is copied as it is stored: a patch as a patch.
    Copy,
    /// It is copied, and stored whole if it is a patch.
    CopyWhole,
    /// It lies in the pack of this number, too, and is copied if it is not right there.
    Check(usize),
}

/// Copies objects of packs to new ones, and checks each against its id.
pub(crate) struct Copier {
    repository: Repository,
    index: Arc<Index>,
    writer: PackWriter,
    progress: Progress,
    /// That of the segments that were read last; a table does not say it.
    order: Order,
    /// Objects that were copied because they were not right elsewhere.
    mended: HashSet<usize>,
    /// Bytes of the objects that were copied, as they are stored.
    pub bytes: u64,
}

/// An object to be copied.
struct Wanted {
    object: Object,
    range: Range<u64>,
    whole: bool,
}

impl Copier {
    pub(crate) fn new(repository: &Repository, index: &Arc<Index>, progress: &Progress) -> Self {
        Self {
            repository: repository.clone(),
            index: index.clone(),
            writer: PackWriter::new(repository, progress.clone(), true),
            progress: progress.clone(),
            order: Order::Plain,
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
        for object in objects.map_err(damaged)? {
            let range = offset..offset.saturating_add(object.line.stored_len);
            offset = range.end;
            let Some(first) = self.index.number(object.line.id) else { continue };
            let whole = match action(first) {
                Action::Leave => continue,
                Action::Copy => false,
                Action::CopyWhole => true,
                Action::Check(other) if self.is_right(&object.line, other).await? => continue,
                Action::Check(_) if !self.mended.insert(first) => continue,
                Action::Check(_) => false,
            };
            batch.push(Wanted { object, range, whole });
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
        if batch.wanted.is_empty() {
            return Ok(());
        }
        let ranges: Vec<_> = batch.wanted.iter().map(|wanted| wanted.range.clone()).collect();
        let stored = self.repository.store.read_ranges(&Store::pack_path(pack), &ranges).await?;
        for (wanted, bytes) in batch.wanted.into_iter().zip(stored) {
            let TableLine { kind, id, plain_len, .. } = wanted.object.line;
            let stored = self.checked(pack, wanted, bytes).await?;
            let len = stored.bytes.len() as u64;
            self.writer.push(kind, id, plain_len, stored).await?;
            self.bytes = self.bytes.saturating_add(len);
            self.progress.advance(plain_len, 0);
        }
        Ok(())
    }

    /// Checks an object, and returns how its copy is stored. What is not right here may be right elsewhere.
    async fn checked(
        &mut self,
        pack: ObjectId,
        Wanted { object: Object { line, base }, range, whole }: Wanted,
        bytes: Bytes,
    ) -> Result<Stored, RepositoryError> {
        let stored = Stored { codec: line.codec, base, bytes: bytes.to_vec() };
        let error = if base.is_none() {
            match self.decodes(&line, line.codec, bytes).await? {
                Ok(()) => return Ok(stored),
                Err(found) => bad_object((line.kind, line.id), (pack, range.start), found),
            }
        } else {
            let Some(place) = self.place_in(&line, pack) else { return Err(RepositoryError::Stopped) };
            match self.segment(&line, place).await {
                Ok(_) if !whole => return Ok(stored),
                Ok(segment) => return encode_whole(line, segment).await,
                Err(error) if may_be_right_elsewhere(&error) => error,
                Err(error) => return Err(error),
            }
        };
        for place in self.index.clone().find(line.id) {
            match self.read_right(&line, place).await? {
                Some(Right::Stored(codec, bytes)) => {
                    return Ok(Stored { codec, base: None, bytes: bytes.to_vec() });
                }
                Some(Right::Segment(segment)) => return encode_whole(line, segment).await,
                None => {}
            }
        }
        Err(error)
    }

    /// Returns true if an object is right in the pack of this number.
    async fn is_right(&mut self, line: &TableLine, pack: usize) -> Result<bool, RepositoryError> {
        let name = self.index.packs().get(pack).map(|(name, _)| *name);
        match name.and_then(|name| self.place_in(line, name)) {
            Some(place) => Ok(self.read_right(line, place).await?.is_some()),
            None => Ok(false),
        }
    }

    fn place_in(&self, line: &TableLine, pack: ObjectId) -> Option<Location> {
        self.index.find(line.id).find(|place| place.pack == pack)
    }

    async fn read_right(
        &mut self,
        line: &TableLine,
        place: Location,
    ) -> Result<Option<Right>, RepositoryError> {
        if place.plain_len != line.plain_len {
            return Ok(None);
        }
        if place.is_patch() {
            return match self.segment(line, place).await {
                Err(error) if may_be_right_elsewhere(&error) => Ok(None),
                segment => Ok(Some(Right::Segment(segment?))),
            };
        }
        let bytes = self.repository.store.read_range(&Store::pack_path(place.pack), place.range()).await?;
        let is_right = self.decodes(line, place.codec, bytes.clone()).await?.is_ok();
        Ok(is_right.then_some(Right::Stored(place.codec, bytes)))
    }

    /// Reads a segment that is stored as a patch from one place. In which order its entries stand is tried out.
    async fn segment(&mut self, line: &TableLine, place: Location) -> Result<Segment, RepositoryError> {
        let mut first_error = None;
        for order in [self.order, Order::Plain, Order::Token, Order::Prefixed] {
            if first_error.is_some() && order == self.order {
                continue;
            }
            let reader = DumpReader::in_order(&self.repository, self.index.clone(), order, Limits::default());
            match chain::read_place(&reader, line.id, place).await {
                Ok(segment) => {
                    self.order = order;
                    return Ok(segment);
                }
                Err(error) if may_be_right_elsewhere(&error) => first_error = first_error.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        Err(first_error.unwrap_or(RepositoryError::Stopped))
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

/// An object that is what its id says.
enum Right {
    /// It is stored whole, like this.
    Stored(Codec, Bytes),
    /// It is stored as a patch, which gives this.
    Segment(Segment),
}

async fn encode_whole(line: TableLine, segment: Segment) -> Result<Stored, RepositoryError> {
    let encode = move || codec::encode(Compression::default(), line.kind, line.id, segment.plaintext());
    spawn_blocking(encode).await?
}

/// Neighbouring objects that are read at once.
#[derive(Default)]
struct Batch {
    wanted: Vec<Wanted>,
    bytes: u64,
}

impl Batch {
    fn push(&mut self, wanted: Wanted) {
        self.bytes = self.bytes.saturating_add(wanted.object.line.stored_len);
        self.wanted.push(wanted);
    }

    fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.wanted.len() >= BATCH_OBJECTS
    }
}
