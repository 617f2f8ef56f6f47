//! Checking the names of packs: what is read of a pack anyway is hashed as it comes, and only the rest is read for that.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use backup_format::ObjectId;
use blake3::Hasher;
use tokio::task::spawn_blocking;

use crate::error::RepositoryError;
use crate::index::Index;
use crate::reader::StoredAt;
use crate::store::Store;

/// Bytes of a pack that are read at once.
const PART_BYTES: u64 = 2 << 20;
/// Packs that a page may go back and forth between: its new segments and those of older dumps.
const OPEN_MAX: usize = 4;

/// The check of one pack.
pub(crate) struct PackCheck {
    store: Arc<Store>,
    pack: ObjectId,
    len: u64,
    hasher: Hasher,
    /// Where the bytes begin that were not hashed yet.
    at: u64,
}

impl PackCheck {
    pub(crate) fn new(store: Arc<Store>, (pack, len): (ObjectId, u64)) -> Self {
        Self { store, pack, len, hasher: Hasher::new(), at: 0 }
    }

    /// Reads what is missing, part by part; returns the length of the pack, whose name is right then.
    pub(crate) async fn finish(mut self) -> Result<u64, RepositoryError> {
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
            self.at += bytes.len() as u64;
        }
        Ok(())
    }

    async fn read_to(&mut self, end: u64) -> Result<(), RepositoryError> {
        let path = Store::pack_path(self.pack);
        while self.at < end {
            let part = self.store.read_range(&path, self.at..end.min(self.at + PART_BYTES)).await?;
            if self.at == 0 {
                let magic = backup_format::pack::check_magic(&part);
                magic.map_err(|source| RepositoryError::Damaged { path: path.clone(), source })?;
            }
            self.at += part.len() as u64;
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

/// The packs whose check somebody has begun. Each is checked once.
pub(crate) struct Begun {
    store: Arc<Store>,
    index: Arc<Index>,
    packs: Mutex<HashSet<ObjectId>>,
}

impl Begun {
    pub(crate) fn new(store: Arc<Store>, index: Arc<Index>) -> Self {
        Self { store, index, packs: Mutex::default() }
    }

    /// Begins the check of a pack, unless somebody did.
    fn begin(&self, pack: ObjectId) -> Option<PackCheck> {
        let packs = self.index.packs();
        let found = packs.binary_search_by_key(&pack, |(name, _)| *name).ok()?;
        let begun = &mut *self.packs.lock().unwrap_or_else(PoisonError::into_inner);
        begun.insert(pack).then(|| PackCheck::new(self.store.clone(), packs[found]))
    }

    /// Tells whether somebody has begun to check the pack.
    pub(crate) fn has(&self, pack: ObjectId) -> bool {
        self.packs.lock().unwrap_or_else(PoisonError::into_inner).contains(&pack)
    }
}

/// The checks of the packs that a page's segments come from.
pub(crate) struct Alongside {
    begun: Arc<Begun>,
    open: Vec<PackCheck>,
}

impl Alongside {
    pub(crate) fn new(begun: Arc<Begun>) -> Self {
        Self { begun, open: Vec::new() }
    }

    /// Hashes the stored bytes of an object, if the check of its pack is here.
    pub(crate) async fn take(&mut self, stored: StoredAt) -> Result<(), RepositoryError> {
        let StoredAt { pack, offset, bytes } = stored;
        if !self.open.iter().any(|check| check.pack == pack) {
            let Some(check) = self.begun.begin(pack) else { return Ok(()) };
            if self.open.len() == OPEN_MAX {
                self.open.remove(0).finish().await?;
            }
            self.open.push(check);
        }
        match self.open.iter_mut().find(|check| check.pack == pack) {
            Some(check) => check.take(offset, &bytes).await,
            None => Ok(()),
        }
    }

    /// Finishes all that was begun.
    pub(crate) async fn finish(self) -> Result<(), RepositoryError> {
        for check in self.open {
            check.finish().await?;
        }
        Ok(())
    }
}
