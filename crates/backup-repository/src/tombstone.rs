//! The tombstones of a repository: which packs are about to be removed.

use std::collections::HashSet;

use backup_format::{FormatError, ObjectId, Tombstone, limits};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};

use crate::error::RepositoryError;
use crate::store::Store;
use crate::twice::read_twice;

/// Tombstones are read this many at a time.
const READS: usize = 8;

/// A tombstone that was read.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    /// The name of its file.
    pub name: String,
    /// When it was written, by the store's clock: milliseconds since 1970.
    pub written: i64,
    pub packs: Vec<ObjectId>,
}

/// Reads all tombstones. One that goes away meanwhile is left out: its packs are gone.
pub(crate) async fn read_all(store: &Store) -> Result<Vec<Pending>, RepositoryError> {
    let listed = store.pending().await?;
    let read = futures::stream::iter(listed).map(|(name, written)| async move {
        let packs = read(store, &name).await?;
        Ok(packs.map(|packs| Pending { name, written, packs }))
    });
    read.buffered(READS).try_filter_map(|pending| std::future::ready(Ok(pending))).try_collect().await
}

/// Returns the packs that no later dump may rely on.
pub(crate) async fn condemned(store: &Store) -> Result<HashSet<ObjectId>, RepositoryError> {
    Ok(read_all(store).await?.into_iter().flat_map(|pending| pending.packs).collect())
}

async fn read(store: &Store, name: &str) -> Result<Option<Vec<ObjectId>>, RepositoryError> {
    let path = &Store::pending_path(name);
    let read = || store.read(path, limits::MANIFEST_BYTES_MAX);
    let decode = |json: Option<Bytes>| async move {
        let Some(json) = json else { return Ok(None) };
        if Tombstone::name_of(&json) != name {
            let problem = "its bytes do not hash to its name".to_owned();
            let source = FormatError::Malformed { object: "tombstone", offset: 0, problem };
            return Err(RepositoryError::Damaged { path: path.clone(), source });
        }
        let tombstone = Tombstone::decode(&json);
        let tombstone = tombstone.map_err(|source| RepositoryError::file(path.clone(), source))?;
        Ok(Some(tombstone.packs))
    };
    read_twice(store, path, read, decode).await
}

/// Condemns packs, durably. What is there by then may be read as before; no later dump relies on it.
pub(crate) async fn write(store: &Store, packs: &[ObjectId]) -> Result<(), RepositoryError> {
    for packs in packs.chunks(Tombstone::PACKS_MAX) {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|source| RepositoryError::Random { source })?;
        let encoded = Tombstone::new(salt, packs.to_vec()).encode();
        let (name, json) =
            encoded.map_err(|source| RepositoryError::file("a new tombstone".to_owned(), source))?;
        store.write(&Store::pending_path(&name), json.into()).await?;
    }
    Ok(())
}
