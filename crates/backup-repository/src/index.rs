//! Where in the packs each object lies.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use backup_format::pack::{self, Codec, TableLine, Trailer};
use backup_format::{FormatError, ObjectId};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};

use crate::error::RepositoryError;
use crate::store::Store;

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
    pub codec: Codec,
}

/// The objects of all packs: 32 bytes of memory for each.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Names and lengths, in the order of the names.
    packs: Vec<(ObjectId, u64)>,
    /// Sorted by the first half of the id.
    places: Vec<Place>,
    damaged: Vec<(ObjectId, FormatError)>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    id: u128,
    /// Number of the pack, times two, plus the number of the codec.
    pack_and_codec: u32,
    offset: u32,
    stored_len: u32,
    plain_len: u32,
}

impl Place {
    fn pack(&self) -> usize {
        (self.pack_and_codec >> 1) as usize
    }

    fn codec(&self) -> Codec {
        if self.pack_and_codec & 1 == 0 { Codec::Raw } else { Codec::Zstd }
    }
}

impl Index {
    /// Reads the tables of all packs. Damaged packs are remembered, and what they hold counts as missing.
    pub(crate) async fn load(store: &Store) -> Result<Self, RepositoryError> {
        let packs = store.packs().await?;
        let mut index = Self::default();
        let mut tables = futures::stream::iter(packs)
            .map(|(name, len)| async move {
                Ok::<_, RepositoryError>((name, len, read_table(store, name, len).await?))
            })
            .buffered(READS);
        while let Some((name, len, table)) = tables.try_next().await? {
            match table {
                Ok(lines) => index.add(name, len, &lines),
                Err(error) => index.damaged.push((name, error)),
            }
        }
        drop(tables);
        index.places.sort_unstable_by_key(|place| (place.id, place.pack_and_codec));
        index.damaged.sort_unstable_by_key(|(name, _)| *name);
        Ok(index)
    }

    fn add(&mut self, name: ObjectId, len: u64, lines: &[TableLine]) {
        let pack = self.packs.len() as u32;
        self.packs.push((name, len));
        let mut offset = pack::MAGIC.len() as u64;
        self.places.reserve(lines.len());
        for line in lines {
            // A pack has at most 1 GiB, and a plaintext 512 MiB, so all three numbers fit.
            self.places.push(Place {
                id: line.id.prefix(),
                pack_and_codec: pack << 1 | u32::from(line.codec == Codec::Zstd),
                offset: offset as u32,
                stored_len: line.stored_len as u32,
                plain_len: line.plain_len as u32,
            });
            offset += line.stored_len;
        }
    }

    /// Finds all places of an object, in the order of the packs' names; any one that is right will do.
    pub(crate) fn find(&self, id: ObjectId) -> impl Iterator<Item = Location> {
        let prefix = id.prefix();
        let first = self.places.partition_point(|place| place.id < prefix);
        let places = self.places.iter().skip(first).take_while(move |place| place.id == prefix);
        places.filter_map(|place| self.location(place))
    }

    fn location(&self, place: &Place) -> Option<Location> {
        let (pack, _) = *self.packs.get(place.pack())?;
        Some(Location {
            pack,
            offset: u64::from(place.offset),
            stored_len: u64::from(place.stored_len),
            plain_len: u64::from(place.plain_len),
            codec: place.codec(),
        })
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
async fn read_table(
    store: &Store,
    name: ObjectId,
    len: u64,
) -> Result<Result<Vec<TableLine>, FormatError>, RepositoryError> {
    let path = Store::pack_path(name);
    if len <= pack::TRAILER_BYTES {
        let problem = format!("a file of {len} bytes is too short for a pack");
        return Ok(Err(FormatError::Malformed { object: "pack", offset: 0, problem }));
    }
    let tail_start = len - len.min(TAIL_BYTES);
    let tail = store.read_range(&path, tail_start..len).await?;
    let trailer = match tail.last_chunk().map(|trailer| Trailer::decode(trailer, len)) {
        Some(Ok(trailer)) => trailer,
        Some(Err(error)) => return Ok(Err(error)),
        None => unreachable!("read_range gives as many bytes as it was asked for"),
    };
    let range = trailer.table_range();
    let table: Bytes = match range.start.checked_sub(tail_start) {
        Some(start) => tail.slice(start as usize..(range.end - tail_start) as usize),
        None => store.read_range(&path, range).await?,
    };
    Ok(trailer.decode_table(&table))
}

/// The objects that a backup need not store: those of the index, and those that it stored itself.
#[derive(Debug)]
pub(crate) struct Known {
    index: Arc<Index>,
    claimed: Mutex<HashSet<u128>>,
    /// Packs of the index that hold objects which were asked for.
    reused: Mutex<HashSet<ObjectId>>,
}

impl Known {
    pub(crate) fn new(index: Arc<Index>) -> Self {
        Self { index, claimed: Mutex::default(), reused: Mutex::default() }
    }

    /// Tells whether the caller must store this object; of several who ask for the same one, only the first.
    pub(crate) fn claim(&self, id: ObjectId) -> bool {
        if let Some(location) = self.index.find(id).next() {
            self.reused.lock().unwrap_or_else(PoisonError::into_inner).insert(location.pack);
            return false;
        }
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).insert(id.prefix())
    }

    /// Returns names and lengths of the packs that hold objects which need not be stored again.
    pub(crate) fn reused(&self) -> Vec<(ObjectId, u64)> {
        let reused = self.reused.lock().unwrap_or_else(PoisonError::into_inner);
        self.index.packs.iter().copied().filter(|(pack, _)| reused.contains(pack)).collect()
    }
}
