//! Copying objects to new packs, as they are stored.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use backup_format::pack::{Object, TableLine};
use backup_format::{Limits, ObjectId, Order, Segment};
use bytes::Bytes;
use tokio::task::spawn_blocking;

use crate::chain;
use crate::codec::{self, Compression, Problem, Stored};
use crate::error::{RepositoryError, may_be_right_elsewhere};
use crate::index::{self, Index, Location};
use crate::pack_check::PackCheck;
use crate::pack_writer::{PackWriter, Written};
use crate::progress::Progress;
use crate::reader::{DumpReader, bad_object};
use crate::repository::Repository;
use crate::store::Store;
use crate::vault::IDENTITY;
use crate::work::Stop;

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
    /// Packs whose names were checked.
    checked_names: HashSet<ObjectId>,
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
            checked_names: HashSet::new(),
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
        if self.repository.is_locked() {
            self.check_name(pack).await?;
        }
        let mut offset = version.head_bytes();
        let mut batch = Batch::default();
        for object in objects.map_err(damaged)?.objects {
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
        Wanted { object: Object { line, base, .. }, range, whole }: Wanted,
        bytes: Bytes,
    ) -> Result<Stored, RepositoryError> {
        let Some(place) = self.place_in(&line, pack) else { return Err(RepositoryError::Stopped) };
        let stored = Stored { base, ..self.as_stored(&place, &bytes) };
        if self.repository.is_locked() {
            // The name of the pack was checked.
            return if whole { Err(whole_needs_identity()) } else { Ok(stored) };
        }
        let error = if base.is_none() {
            match self.decodes(&line, place, bytes).await? {
                Ok(()) => return Ok(stored),
                Err(found) => bad_object((line.kind, line.id), (pack, range.start), found),
            }
        } else {
            match self.segment(&line, place).await {
                Ok(_) if !whole => return Ok(stored),
                Ok(segment) => return self.encode_whole(line, segment).await,
                Err(error) if may_be_right_elsewhere(&error) => error,
                Err(error) => return Err(error),
            }
        };
        for place in self.index.clone().find(line.id) {
            match self.read_right(&line, place).await? {
                Some(Right::Stored(place, bytes)) => return Ok(self.as_stored(&place, &bytes)),
                Some(Right::Segment(segment)) => return self.encode_whole(line, segment).await,
                None => {}
            }
        }
        Err(error)
    }

    /// Returns true if an object is right in the pack of this number.
    async fn is_right(&mut self, line: &TableLine, pack: usize) -> Result<bool, RepositoryError> {
        let name = self.index.packs().get(pack).map(|(name, _)| *name);
        if self.repository.is_locked() {
            return match self.check_name(pack).await {
                Err(RepositoryError::WrongName { .. }) => Ok(false),
                result => result.map(|()| true),
            };
        }
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
        let is_right = self.decodes(line, place, bytes.clone()).await?.is_ok();
        Ok(is_right.then_some(Right::Stored(place, bytes)))
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
        place: Location,
        bytes: Bytes,
    ) -> Result<Result<(), Problem>, RepositoryError> {
        let (keys, object) = (self.repository.keys()?.clone(), (line.kind, line.id, line.plain_len));
        let reader =
            DumpReader::in_order(&self.repository, self.index.clone(), Order::Plain, Limits::default());
        let decode = move || {
            let bytes = match reader.open_object(object.1, &place, &bytes) {
                Err(RepositoryError::BadObject { problem, source, .. }) => {
                    return Ok(Err(Problem { problem, source }));
                }
                opened => opened?,
            };
            Ok(codec::decode_checked(&keys, object, place.codec, &bytes).map(drop))
        };
        spawn_blocking(decode).await?
    }

    /// Returns how an object that is stored whole is stored at a place.
    fn as_stored(&self, place: &Location, bytes: &Bytes) -> Stored {
        let seal = place.seal.and_then(|(aead, key)| Some((aead, self.index.key(key)?.clone())));
        Stored { codec: place.codec, base: None, bytes: bytes.to_vec(), seal }
    }

    async fn encode_whole(&self, line: TableLine, segment: Segment) -> Result<Stored, RepositoryError> {
        let repository = self.repository.clone();
        let encode = move || {
            let TableLine { kind, id, plain_len, .. } = line;
            let stored = codec::encode(Compression::default(), kind, id, segment.plaintext())?;
            repository.seal((kind, id, plain_len), &[], stored)
        };
        spawn_blocking(encode).await?
    }

    /// Checks the name of the pack of this number, once: what is sealed can be checked in no other way without an identity.
    async fn check_name(&mut self, pack: usize) -> Result<(), RepositoryError> {
        let Some((name, len)) = self.index.packs().get(pack).copied() else { return Ok(()) };
        if self.checked_names.contains(&name) {
            return Ok(());
        }
        let place = (self.repository.store.clone(), self.index.version());
        PackCheck::new(place, (name, len), Stop::default().watch()).finish().await?;
        self.checked_names.insert(name);
        Ok(())
    }
}

fn whole_needs_identity() -> RepositoryError {
    RepositoryError::locked("storing a patch as a whole segment", IDENTITY)
}

/// An object that is what its id says.
enum Right {
    /// It is stored whole, like this.
    Stored(Location, Bytes),
    /// It is stored as a patch, which gives this.
    Segment(Segment),
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
