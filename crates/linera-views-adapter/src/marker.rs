//! The marker of a restore: a partition that linera never makes.
//!
//! linera's databases have no place for it outside of partitions, and RocksDB's never forget a root key that was written to.
//! So its root key looks like one of linera's: the blocks by height of a chain whose id is a text, and no hash. What is left
//! of it in the list of root keys does not make the namespace look foreign. Its entries look like nothing of linera's:
//!
//! | key | value |
//! |---|---|
//! | `01` | id of the dump, 32 bytes |
//! | `02`, id of a page | empty: the page is written |
//!
//! No key is empty or begins with `00`, which linera keeps for itself. linera knows nothing of the marker: it would open a
//! half restored namespace. A dump or restore through linera's stores sees the marker; others see entries that fit no
//! layout.

use backup_format::{ContractError, ObjectId};
use linera_views::batch::Batch;
use linera_views::store::{ReadableKeyValueStore, WritableKeyValueStore};

use crate::database::{ViewsDatabase, ViewsNamespace};
use crate::error::ViewsError;

/// Root key of the marker.
pub(crate) const MARKER_ROOT_KEY: &[u8] = b"\x07kvbackup: the marker of restores";

const DUMP: u8 = 1;
const PAGE: u8 = 2;

fn page_key(page: ObjectId) -> Vec<u8> {
    [&[PAGE][..], &page.0].concat()
}

impl<D: ViewsDatabase> ViewsNamespace<D> {
    /// Returns the dump that the marker names, if the marker is among these root keys of the namespace.
    pub(crate) async fn marker(&self, root_keys: &[Vec<u8>]) -> Result<Option<ObjectId>, ViewsError> {
        // Opening a partition of linera's MemoryDatabase makes it, and reading must not change anything.
        match root_keys.iter().any(|root_key| root_key == MARKER_ROOT_KEY) {
            true => self.read_marker().await,
            false => Ok(None),
        }
    }

    /// Checks that the namespace still carries the marker of a restore.
    pub(crate) async fn check_marker(&self, doing: &'static str, dump: ObjectId) -> Result<(), ViewsError> {
        if self.read_marker().await? == Some(dump) {
            return Ok(());
        }
        Err(ContractError::Ended { doing, place: self.name().to_owned(), dump }.into())
    }

    async fn read_marker(&self) -> Result<Option<ObjectId>, ViewsError> {
        let doing = "reading the marker";
        let store = self.open_shared(doing, MARKER_ROOT_KEY)?;
        let dump = store.read_value_bytes(&[DUMP]).await.map_err(ViewsError::store(doing, self.name()))?;
        match dump.map(TryInto::try_into) {
            None => Ok(None),
            Some(Ok(dump)) => Ok(Some(ObjectId(dump))),
            Some(Err(_)) => Err(ViewsError::BadMarker { namespace: self.name().to_owned() }),
        }
    }

    pub(crate) async fn set_marker(&self, dump: ObjectId) -> Result<(), ViewsError> {
        self.put_marker("writing the marker", vec![DUMP], dump.0.to_vec()).await
    }

    /// Removes the marker, and its records of pages.
    pub(crate) async fn remove_marker(&self) -> Result<(), ViewsError> {
        self.remove_partition("removing the marker", MARKER_ROOT_KEY).await
    }

    /// Returns true if a page was written whole.
    pub(crate) async fn is_written(&self, page: ObjectId) -> Result<bool, ViewsError> {
        let doing = "reading the marker";
        let store = self.open_shared(doing, MARKER_ROOT_KEY)?;
        store.contains_key(&page_key(page)).await.map_err(ViewsError::store(doing, self.name()))
    }

    pub(crate) async fn set_written(&self, page: ObjectId) -> Result<(), ViewsError> {
        self.put_marker("writing the marker", page_key(page), Vec::new()).await
    }

    async fn put_marker(&self, doing: &'static str, key: Vec<u8>, value: Vec<u8>) -> Result<(), ViewsError> {
        let store = self.open_shared(doing, MARKER_ROOT_KEY)?;
        let mut batch = Batch::new();
        batch.put_key_value_bytes(key, value);
        store.write_batch(batch).await.map_err(ViewsError::store(doing, self.name()))
    }
}
