//! Checking the names of packs: what is read of a pack anyway is hashed as it comes, and only the rest is read for that.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backup_format::pack::PackVersion;
use backup_format::{ErrorClass, ObjectId, limits};
use blake3::Hasher;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use tokio::task::spawn_blocking;

use crate::error::RepositoryError;
use crate::index::Index;
use crate::reader::StoredAt;
use crate::repository::Repository;
use crate::store::{CONFIG, Store};
use crate::twice::{read_twice, second_result};
use crate::work::{Stop, Stopped};

/// Bytes of a pack that are read at once, and that are read between objects to continue a check.
const PART_BYTES: u64 = 2 << 20;
/// Packs that a page may go back and forth between: those of the bases and patches of a segment, for two segments. Each takes two
/// kilobytes of memory.
const OPEN_MAX: usize = 2 * (limits::PATCH_LINKS_MAX + 1);

/// Checks the names of packs, so many at a time, and in no order. Of each this tells what [`PackCheck::finish`] does.
pub(crate) fn check_names(
    repository: &Repository,
    packs: Vec<(ObjectId, u64)>,
    (stop, at_once): (&Stop, usize),
) -> impl Stream<Item = ((ObjectId, u64), Result<u64, RepositoryError>)> {
    let place = (repository.store.clone(), repository.config.pack_version());
    let stopped = stop.watch();
    let check = move |pack| {
        let check = PackCheck::new(place.clone(), pack, stopped.clone()).finish();
        async move { (pack, check.await) }
    };
    stream::iter(packs).map(check).buffer_unordered(at_once)
}

/// The check of one pack.
pub(crate) struct PackCheck {
    store: Arc<Store>,
    version: PackVersion,
    pack: ObjectId,
    len: u64,
    hasher: Hasher,
    /// Where the bytes begin that were not hashed yet.
    at: u64,
    stopped: Stopped,
}

impl PackCheck {
    pub(crate) fn new(
        (store, version): (Arc<Store>, PackVersion),
        (pack, len): (ObjectId, u64),
        stopped: Stopped,
    ) -> Self {
        Self { store, version, pack, len, hasher: Hasher::new(), at: 0, stopped }
    }

    /// Reads what is missing, part by part; returns the length of the pack, whose name is right then, and 0 if the pack went
    /// away meanwhile.
    pub(crate) async fn finish(self) -> Result<u64, RepositoryError> {
        let store = self.store.clone();
        match self.finish_there().await {
            Err(error)
                if error.is_gone() && store.read(CONFIG, limits::MANIFEST_BYTES_MAX).await?.is_some() =>
            {
                Ok(0)
            }
            result => result,
        }
    }

    async fn finish_there(self) -> Result<u64, RepositoryError> {
        let place = (self.store.clone(), self.version);
        let again = Self::new(place, (self.pack, self.len), self.stopped.clone());
        let error = match self.check().await {
            Err(RepositoryError::WrongName { path, found }) => (path, found),
            result => return result,
        };
        let (store, (path, first)) = (again.store.clone(), error);
        match again.check().await {
            Err(RepositoryError::WrongName { found, .. }) if found == first => {
                Err(RepositoryError::WrongName { path, found })
            }
            result => second_result(&store, &path, result),
        }
    }

    async fn check(mut self) -> Result<u64, RepositoryError> {
        self.read_to(self.len).await?;
        match ObjectId(*self.hasher.finalize().as_bytes()) {
            found if found == self.pack => Ok(self.len),
            found => Err(RepositoryError::WrongName { path: Store::pack_path(self.pack), found }),
        }
    }

    /// Hashes bytes of the pack, after those before them. Bytes that were hashed already are not hashed again.
    async fn take(&mut self, offset: u64, bytes: &[u8]) -> Result<(), RepositoryError> {
        self.read_to(offset).await?;
        if self.at == offset {
            self.hasher.update(bytes);
            self.at = self.at.saturating_add(bytes.len() as u64);
        }
        Ok(())
    }

    /// Reads a part; the first one begins with the magic of packs.
    async fn read_part(&self, path: &str, range: Range<u64>) -> Result<Bytes, RepositoryError> {
        let is_first = range.start == 0;
        let read = || self.store.read_range(path, range.clone());
        let check = |part: Bytes| async move {
            if is_first {
                let magic = self.version.check_magic(&part);
                magic.map_err(|source| RepositoryError::Damaged { path: path.to_owned(), source })?;
            }
            Ok(part)
        };
        read_twice(&self.store, path, read, check).await
    }

    async fn read_to(&mut self, end: u64) -> Result<(), RepositoryError> {
        let path = Store::pack_path(self.pack);
        while self.at < end {
            self.stopped.check()?;
            let part = self.read_part(&path, self.at..end.min(self.at.saturating_add(PART_BYTES))).await?;
            self.at = self.at.saturating_add(part.len() as u64);
            let mut hasher = std::mem::take(&mut self.hasher);
            let hash = move || {
                hasher.update(&part);
                hasher
            };
            self.hasher = spawn_blocking(hash).await?;
        }
        Ok(())
    }
}

/// The packs whose check somebody has begun while reading segments. Nobody begins one again.
pub(crate) struct Begun {
    store: Arc<Store>,
    index: Arc<Index>,
    /// With whether the check was given up.
    packs: Mutex<HashMap<ObjectId, bool>>,
}

impl Begun {
    pub(crate) fn new(store: Arc<Store>, index: Arc<Index>) -> Self {
        Self { store, index, packs: Mutex::default() }
    }

    /// Begins the check of a pack, unless somebody did.
    fn begin(&self, pack: ObjectId, stopped: Stopped) -> Option<PackCheck> {
        let packs = self.index.packs();
        let found = packs.binary_search_by_key(&pack, |(name, _)| *name).ok()?;
        let found = *packs.get(found)?;
        match self.lock().entry(pack) {
            Entry::Occupied(_) => None,
            Entry::Vacant(begun) => {
                begun.insert(false);
                let place = (self.store.clone(), self.index.version());
                Some(PackCheck::new(place, found, stopped))
            }
        }
    }

    /// Leaves a pack to the one that checks what is left.
    fn give_up(&self, check: &PackCheck) {
        self.lock().insert(check.pack, true);
    }

    /// Returns true if the pack was checked, once all that was begun is finished.
    pub(crate) fn has_checked(&self, pack: ObjectId) -> bool {
        self.lock().get(&pack) == Some(&false)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectId, bool>> {
        self.packs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The checks of the packs that a page's segments come from.
pub(crate) struct Alongside {
    begun: Arc<Begun>,
    stopped: Stopped,
    /// The one that was used last is at the end.
    open: Vec<PackCheck>,
    /// How many may be open.
    room: usize,
}

impl Alongside {
    pub(crate) fn new(begun: Arc<Begun>, stopped: Stopped) -> Self {
        Self { begun, stopped, open: Vec::new(), room: OPEN_MAX }
    }

    /// Goes back and forth between so many packs: 2 KiB of memory for each.
    pub(crate) fn with_room(self, room: usize) -> Self {
        Self { room, ..self }
    }

    /// Hashes the stored bytes of an object, if that spares another reading of them: if those before them in the pack were hashed here,
    /// but for a few.
    pub(crate) async fn take(&mut self, stored: StoredAt) -> Result<(), RepositoryError> {
        let StoredAt { pack, offset, bytes } = stored;
        let mut check = match self.open.iter().position(|check| check.pack == pack) {
            Some(place) => self.open.remove(place),
            None if offset > PART_BYTES => return Ok(()),
            None => match self.begun.begin(pack, self.stopped.clone()) {
                Some(check) => check,
                None => return Ok(()),
            },
        };
        if offset > check.at.saturating_add(PART_BYTES) {
            self.begun.give_up(&check);
            return Ok(());
        }
        match check.take(offset, &bytes).await {
            // The pack went away.
            Err(error) if error.is_gone() => {
                self.begun.give_up(&check);
                return Ok(());
            }
            result => result?,
        }
        self.open.push(check);
        if self.open.len() <= self.room {
            return Ok(());
        }
        let oldest = self.open.remove(0);
        if oldest.at < oldest.len / 2 {
            self.begun.give_up(&oldest);
            return Ok(());
        }
        oldest.finish().await.map(drop)
    }

    /// Finishes all that was begun and not given up.
    pub(crate) async fn finish(self) -> Result<(), RepositoryError> {
        for check in self.open {
            check.finish().await?;
        }
        Ok(())
    }

    /// Does what [`Alongside::finish`] does, and returns what is wrong with packs.
    pub(crate) async fn finish_all(self) -> Result<Vec<RepositoryError>, RepositoryError> {
        let mut damaged = Vec::new();
        for check in self.open {
            match check.finish().await {
                Ok(_) => {}
                Err(error) if error.class() == ErrorClass::Damaged => damaged.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(damaged)
    }
}
