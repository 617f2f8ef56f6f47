//! Where in the packs each object lies.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use backup_format::pack::{self, Codec, PackVersion, Table, Trailer, WrappedKey};
use backup_format::{FormatError, ObjectId, limits};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};

use crate::error::RepositoryError;
use crate::pack_writer::SEGMENT_SALT_BYTES;
use crate::place::{ADDRESS_MAX, Place};
use crate::sealed_run::SealedRuns;
use crate::store::Store;
use crate::twice::read_twice;

/// How often tables are read until no pack went away meanwhile.
const LOADS: usize = 5;
/// Tables are read this many at a time.
const READS: usize = 16;
/// Bytes at the end of a pack that are read at once: trailer and table of packs of up to 300 objects, which have about 70 by default.
const TAIL_BYTES: u64 = 16 << 10;

/// Where an object lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Location {
    pub pack: ObjectId,
    pub offset: u64,
    pub stored_len: u64,
    pub plain_len: u64,
    /// That of the patch, if it is one.
    pub codec: Codec,
    /// The number of the place of a patch's base, or [`MISSING`]; `None` for an object that is stored whole.
    base: Option<u32>,
    /// The number of this place.
    number: u32,
    pub is_page: bool,
    /// The first half of its id.
    pub id: u128,
    /// How it is sealed: the aead, and the number of the key in the index.
    pub seal: Option<(u8, u32)>,
}

impl Location {
    pub(crate) fn range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.stored_len)
    }

    pub(crate) fn is_patch(&self) -> bool {
        self.base.is_some()
    }
}

/// The number of a base that is in no pack.
const MISSING: u32 = u32::MAX;

/// The objects of all packs: 32 bytes of memory for each, and 16 more for each patch while tables are read.
#[derive(Debug, Default)]
pub(crate) struct Index {
    version: PackVersion,
    /// Names and lengths, in the order of the names.
    packs: Vec<(ObjectId, u64)>,
    /// Where each pack begins when all lie one after the other, and where the last one ends.
    starts: Vec<u64>,
    /// Sorted by the first half of the id; of one object, those that are whole first.
    places: Vec<Place>,
    /// Numbers of patches whose bases are in no pack, with the first halves of the ids of these.
    missing: Vec<(u32, u128)>,
    damaged: Vec<(ObjectId, FormatError)>,
    sealed: SealedRuns,
    /// For each pack whether it is about to be removed; empty when that is not known or none is.
    condemned: Vec<bool>,
}

impl Index {
    /// Reads the tables of all packs. Damaged packs are remembered, and what they hold counts as missing. When a pack goes away
    /// meanwhile, this begins anew: what it held may lie in one that was not listed yet.
    pub(crate) async fn load(store: &Store, version: PackVersion) -> Result<Self, RepositoryError> {
        Self::load_without(store, version, &BTreeSet::new()).await
    }

    /// Reads the tables of all packs but these.
    pub(crate) async fn load_without(
        store: &Store,
        version: PackVersion,
        left_out: &BTreeSet<ObjectId>,
    ) -> Result<Self, RepositoryError> {
        for _ in 1..LOADS {
            match Self::load_once(store, version, left_out).await {
                Err(error) if error.is_gone() => {}
                result => return result,
            }
        }
        Self::load_once(store, version, left_out).await
    }

    async fn load_once(
        store: &Store,
        version: PackVersion,
        left_out: &BTreeSet<ObjectId>,
    ) -> Result<Self, RepositoryError> {
        let mut packs = store.packs().await?;
        packs.retain(|(pack, _)| !left_out.contains(pack));
        let mut index = Self { version, starts: vec![0], ..Self::default() };
        // The first halves of the ids of bases.
        let mut bases = Vec::new();
        let mut tables = futures::stream::iter(packs)
            .map(|(name, len)| async move {
                Ok::<_, RepositoryError>((name, len, read_table(store, version, (name, len)).await?))
            })
            .buffered(READS);
        while let Some((name, len, table)) = tables.try_next().await? {
            match table.and_then(|table| index.add(name, len, table, &mut bases)) {
                Ok(()) => {}
                Err(error) => index.damaged.push((name, error)),
            }
        }
        drop(tables);
        index.places.sort_unstable_by_key(|place| (place.id, place.is_patch(), place.address()));
        index.damaged.sort_unstable_by_key(|(name, _)| *name);
        index.find_bases(&bases);
        Ok(index)
    }

    fn add(
        &mut self,
        name: ObjectId,
        len: u64,
        Table { keys, objects }: Table,
        bases: &mut Vec<u128>,
    ) -> Result<(), FormatError> {
        let start = self.starts.last().copied().unwrap_or_default();
        let end = start.saturating_add(len);
        if end > ADDRESS_MAX || self.places.len().saturating_add(objects.len()) >= MISSING as usize {
            let problem = "with it the packs have more bytes or objects than can be counted".to_owned();
            return Err(FormatError::Malformed { object: "pack", offset: 0, problem });
        }
        self.packs.push((name, len));
        self.starts.push(end);
        let mut address = start.saturating_add(self.version.head_bytes());
        self.places.reserve(objects.len());
        let keys = self.sealed.add_keys(keys);
        for object in &objects {
            self.sealed.push(address, object.seal, &keys);
            self.places.push(Place::new(object, address, bases.len() as u32));
            bases.extend(object.base.map(|base| base.prefix()));
            address = address.saturating_add(object.line.stored_len);
        }
        Ok(())
    }

    /// Turns the places of bases in the list of their ids into the numbers of their places here.
    fn find_bases(&mut self, bases: &[u128]) {
        for number in 0..self.places.len() {
            let Some(base) = self.places.get(number).and_then(Place::base) else { continue };
            let id = bases.get(base as usize).copied().unwrap_or_default();
            let found = self.first(id).map_or(MISSING, |number| number as u32);
            if found == MISSING {
                self.missing.push((number as u32, id));
            }
            if let Some(place) = self.places.get_mut(number) {
                place.set_base(found);
            }
        }
    }

    /// Returns the version of the packs.
    pub(crate) fn version(&self) -> PackVersion {
        self.version
    }

    /// Returns the places that an object is read from: its own, and those of the bases of patches. The last one is whole. Otherwise
    /// returns what is wrong with them.
    pub(crate) fn chain(&self, location: Location) -> Result<Vec<Location>, String> {
        let mut chain = vec![location];
        let mut last = location;
        while last.is_patch() {
            if chain.len() > limits::PATCH_LINKS_MAX {
                return Err(format!(
                    "more than {} patches follow each other, or they go in a circle",
                    limits::PATCH_LINKS_MAX
                ));
            }
            last = self.base(&last)?;
            chain.push(last);
        }
        Ok(chain)
    }

    /// Returns the first place of the base of a patch, or what is wrong with it.
    pub(crate) fn base(&self, patch: &Location) -> Result<Location, String> {
        let place = patch.base.and_then(|number| self.at(number as usize));
        let base = place.ok_or_else(|| format!("the base {} is in no pack", self.base_text(patch)))?;
        if base.is_page {
            return Err(format!("the base {} is a page", self.base_text(patch)));
        }
        if base.plain_len > limits::PATCH_BYTES_MAX {
            let (id, len) = (self.base_text(patch), base.plain_len);
            return Err(format!("the base {id} of {len} bytes is too long for one"));
        }
        Ok(base)
    }

    /// Returns the first half of the id of the base of a patch; 0 for what is none.
    pub(crate) fn base_id(&self, patch: &Location) -> u128 {
        let number = patch.base.map(|number| number as usize);
        let missing = self.missing.binary_search_by_key(&patch.number, |(number, _)| *number);
        match (number.and_then(|number| self.places.get(number)), missing) {
            (Some(place), _) => place.id,
            (None, Ok(found)) => self.missing.get(found).map_or(0, |(_, id)| *id),
            (None, Err(_)) => 0,
        }
    }

    /// Returns the beginning of the id of the base of a patch, for errors.
    pub(crate) fn base_text(&self, patch: &Location) -> String {
        format!("{:032x}..", self.base_id(patch).swap_bytes())
    }

    /// Returns true if any segment is stored as a patch.
    pub(crate) fn has_patches(&self) -> bool {
        self.places.iter().any(Place::is_patch)
    }

    /// Returns the number of patches in the longest chain.
    pub(crate) fn longest_chain(&self) -> u64 {
        let mut longest = 0;
        for number in (0..self.len()).filter(|number| self.is_patch(*number)) {
            // Those that are too long end there, too.
            let bases = std::iter::successors(Some(number), |number| {
                let base = self.places.get(*number)?.base()? as usize;
                self.is_patch(base).then_some(base)
            });
            longest = longest.max(bases.take(limits::PATCH_LINKS_MAX + 1).count() as u64);
        }
        longest
    }

    /// Finds all places of an object, those where it is whole first, and then in the order of the packs' names; any one that is
    /// right will do.
    pub(crate) fn find(&self, id: ObjectId) -> impl Iterator<Item = Location> {
        self.find_half(id.prefix())
    }

    /// Finds all places of the object whose id begins with this half.
    pub(crate) fn find_half(&self, id: u128) -> impl Iterator<Item = Location> {
        let first = self.places.partition_point(|place| place.id < id);
        let same = move |number: &usize| self.places.get(*number).is_some_and(|place| place.id == id);
        (first..).take_while(same).filter_map(move |number| self.at(number))
    }

    /// Remembers which packs are about to be removed.
    pub(crate) fn condemn(&mut self, packs: &HashSet<ObjectId>) {
        self.condemned = self.packs.iter().map(|(pack, _)| packs.contains(pack)).collect();
    }

    /// Returns true if the pack of this number is about to be removed.
    pub(crate) fn is_condemned(&self, pack: usize) -> bool {
        self.condemned.get(pack).copied().unwrap_or(false)
    }

    /// Returns the places that an object is read from, if they lie in packs that are not about to be removed.
    pub(crate) fn kept_chain(&self, location: Location) -> Option<Vec<Location>> {
        self.chain(location).ok().filter(|chain| self.is_kept(chain))
    }

    /// Returns true if no pack of these places is about to be removed.
    pub(crate) fn is_kept(&self, chain: &[Location]) -> bool {
        chain.iter().all(|place| {
            let pack = self.packs.binary_search_by_key(&place.pack, |(name, _)| *name);
            !self.is_condemned(pack.unwrap_or(usize::MAX))
        })
    }

    /// Returns all places of the object whose first place has this number: number of the pack, and of the place.
    pub(crate) fn places_of(&self, first: usize) -> impl Iterator<Item = (usize, usize)> {
        let places = self.places.get(first..).unwrap_or_default();
        let id = places.first().map(|place| place.id);
        let same = places.iter().take_while(move |place| Some(place.id) == id);
        same.enumerate().map(move |(offset, place)| (self.pack_of(place), first.saturating_add(offset)))
    }

    /// Returns true if the object of this place is the first in its pack, and looks like the salt of a pack.
    pub(crate) fn may_be_salt(&self, number: usize) -> bool {
        self.places.get(number).is_some_and(|place| {
            let start = self.starts.get(self.pack_of(place)).copied().unwrap_or_default();
            self.version == PackVersion::V1
                && place.address() == start.saturating_add(self.version.head_bytes())
                && [place.stored_len(), place.plain_len()] == [SEGMENT_SALT_BYTES; 2]
                && place.codec() == Codec::Raw
        })
    }

    /// Returns the number of the pack that an object lies in.
    fn pack_of(&self, place: &Place) -> usize {
        self.starts.partition_point(|start| *start <= place.address()).saturating_sub(1)
    }

    /// Returns the number of places: of all objects, once for each pack that holds one.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Returns the number of the first place of an object, `None` if it is nowhere.
    pub(crate) fn number(&self, id: ObjectId) -> Option<usize> {
        self.first(id.prefix())
    }

    fn first(&self, id: u128) -> Option<usize> {
        let first = self.places.partition_point(|place| place.id < id);
        self.places.get(first).is_some_and(|place| place.id == id).then_some(first)
    }

    /// Returns the number of the first place of the base, if the object of this place is a patch and has one.
    pub(crate) fn base_number(&self, number: usize) -> Option<usize> {
        let base = self.places.get(number)?.base()?;
        (base != MISSING).then_some(base as usize)
    }

    /// Returns the number of the first place of the base of a patch, if it may be one.
    pub(crate) fn usable_base(&self, number: usize) -> Option<usize> {
        self.base(&self.at(number)?).ok().map(|base| base.number as usize)
    }

    /// Returns the number of the first place of each object.
    pub(crate) fn firsts(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).filter(|number| !self.is_copy(*number))
    }

    /// Returns true if the object of this place is stored as a patch.
    pub(crate) fn is_patch(&self, number: usize) -> bool {
        self.places.get(number).is_some_and(Place::is_patch)
    }

    /// Returns true if the object of this place has one of a lower number, too.
    pub(crate) fn is_copy(&self, number: usize) -> bool {
        let id = |number: usize| self.places.get(number).map(|place| place.id);
        number.checked_sub(1).is_some_and(|before| id(before) == id(number))
    }

    /// Returns stored and plain length of the object of this place; zeros if there is none.
    pub(crate) fn lengths(&self, number: usize) -> (u64, u64) {
        self.places.get(number).map_or((0, 0), |place| (place.stored_len(), place.plain_len()))
    }

    /// Returns name and length of the pack that the object of this place lies in.
    pub(crate) fn pack(&self, number: usize) -> Option<(ObjectId, u64)> {
        self.packs.get(self.pack_of(self.places.get(number)?)).copied()
    }

    fn at(&self, number: usize) -> Option<Location> {
        let place = self.places.get(number)?;
        let pack = self.pack_of(place);
        Some(Location {
            pack: self.packs.get(pack)?.0,
            offset: place.address().checked_sub(*self.starts.get(pack)?)?,
            stored_len: place.stored_len(),
            plain_len: place.plain_len(),
            codec: place.codec(),
            base: place.base(),
            number: number as u32,
            is_page: place.is_page(),
            id: place.id,
            seal: self.sealed.at(place.address()),
        })
    }

    /// Returns the data key of this number.
    pub(crate) fn key(&self, number: u32) -> Option<&Arc<WrappedKey>> {
        self.sealed.key(number)
    }

    /// Returns all data keys.
    pub(crate) fn keys(&self) -> &[Arc<WrappedKey>] {
        self.sealed.keys()
    }

    /// Returns the packs whose tables cannot be used, with the reasons.
    pub(crate) fn damaged(&self) -> &[(ObjectId, FormatError)] {
        &self.damaged
    }

    /// Returns the packs whose tables are good with their lengths, in the order of their names.
    pub(crate) fn packs(&self) -> &[(ObjectId, u64)] {
        &self.packs
    }
}

/// Reads and checks a pack's table; the inner result tells of damage.
pub(crate) async fn read_table(
    store: &Store,
    version: PackVersion,
    (name, len): (ObjectId, u64),
) -> Result<Result<Table, FormatError>, RepositoryError> {
    let path = Store::pack_path(name);
    if len <= pack::TRAILER_BYTES {
        let problem = format!("a file of {len} bytes is too short for a pack");
        return Ok(Err(FormatError::Malformed { object: "pack", offset: 0, problem }));
    }
    let path = &path;
    let read = || read_end(store, version, (path, len));
    let decode = |(tail, table): (Bytes, Bytes)| async move {
        let decoded = decode_trailer(version, &tail, len).and_then(|trailer| trailer.decode_all(&table));
        decoded.map_err(|source| RepositoryError::Damaged { path: path.clone(), source })
    };
    match read_twice(store, path, read, decode).await {
        Err(RepositoryError::Damaged { source, .. }) => Ok(Err(source)),
        table => table.map(Ok),
    }
}

/// Reads the end of a pack and its table; the table is empty when the trailer is not right.
async fn read_end(
    store: &Store,
    version: PackVersion,
    (path, len): (&str, u64),
) -> Result<(Bytes, Bytes), RepositoryError> {
    let tail_start = len.saturating_sub(TAIL_BYTES);
    let tail = store.read_range(path, tail_start..len).await?;
    let Ok(trailer) = decode_trailer(version, &tail, len) else { return Ok((tail, Bytes::new())) };
    let range = trailer.table_range();
    let table = match range.start.checked_sub(tail_start) {
        Some(start) => tail.slice(start as usize..range.end.saturating_sub(tail_start) as usize),
        None => store.read_range(path, range).await?,
    };
    Ok((tail, table))
}

fn decode_trailer(version: PackVersion, tail: &[u8], len: u64) -> Result<Trailer, FormatError> {
    match tail.last_chunk() {
        Some(trailer) => Trailer::decode_version(version, trailer, len),
        None => unreachable!("read_range gives as many bytes as it was asked for"),
    }
}

/// The objects that a backup need not store: those of the index, and those that it stored itself.
#[derive(Debug)]
pub(crate) struct Known {
    index: Arc<Index>,
    claimed: Mutex<HashSet<u128>>,
    /// Packs of the index that hold objects which were asked for, and the bases of those.
    reused: Mutex<HashSet<ObjectId>>,
    /// Whether any object that was asked for is a patch.
    reaches_patches: AtomicBool,
}

impl Known {
    pub(crate) fn new(index: Arc<Index>) -> Self {
        Self {
            index,
            claimed: Mutex::default(),
            reused: Mutex::default(),
            reaches_patches: AtomicBool::new(false),
        }
    }

    pub(crate) fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// Returns true if the caller must store this object; of several who ask for the same one, only the first. A patch without its
    /// base is as good as missing.
    pub(crate) fn claim(&self, id: ObjectId) -> bool {
        if let Some(chain) = self.index.find(id).find_map(|place| self.index.kept_chain(place)) {
            self.rely_on(&chain);
            return false;
        }
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).insert(id.prefix())
    }

    /// Remembers that the dump needs the packs of these places.
    pub(crate) fn rely_on(&self, chain: &[Location]) {
        if chain.len() > 1 {
            self.reaches_patches.store(true, Ordering::Relaxed);
        }
        let mut reused = self.reused.lock().unwrap_or_else(PoisonError::into_inner);
        reused.extend(chain.iter().map(|place| place.pack));
    }

    /// Remembers that a patch was stored.
    pub(crate) fn patched(&self) {
        self.reaches_patches.store(true, Ordering::Relaxed);
    }

    /// Returns true if any object that was asked for is a patch.
    pub(crate) fn reaches_patches(&self) -> bool {
        self.reaches_patches.load(Ordering::Relaxed)
    }

    /// Returns names and lengths of the packs that hold objects which need not be stored again.
    pub(crate) fn reused(&self) -> Vec<(ObjectId, u64)> {
        let reused = self.reused.lock().unwrap_or_else(PoisonError::into_inner);
        self.index.packs.iter().copied().filter(|(pack, _)| reused.contains(pack)).collect()
    }
}
