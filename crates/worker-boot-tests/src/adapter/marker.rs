//! The marker of a restore: a partition that linera never makes.
//!
//! linera's databases have no place for it outside of partitions, and RocksDB's never forget a root key that was written to.
//! So its root key looks like one of linera's, lest what is left of it in the list of root keys make the namespace look
//! foreign: the blocks by height of a chain whose id is a text, and no hash. Its entries look like nothing of linera's:
//!
//! | key | value |
//! |---|---|
//! | `01` | id of the dump, 32 bytes |
//! | `02`, id of a page | empty: the page is written |
//!
//! No key is empty or begins with `00`, which linera keeps for itself. linera knows nothing of the marker: it would open a
//! half restored namespace. Whoever dumps or restores one through linera's stores sees it; others see entries that fit no
//! layout.

use backup_format::{ObjectId, RestoreMarker};
use linera_views::batch::Batch;
use linera_views::store::{ReadableKeyValueStore, WritableKeyValueStore};

use crate::adapter::database::ViewsNamespace;
use crate::adapter::error::ViewsError;
use crate::worker::WorkerDatabase;

/// Root key of the marker.
pub(crate) const MARKER_ROOT_KEY: &[u8] = b"\x07kvbackup: the marker of restores";

const DUMP: u8 = 1;
const PAGE: u8 = 2;

fn page_key(page: ObjectId) -> Vec<u8> {
    [&[PAGE][..], &page.0].concat()
}

impl<D: WorkerDatabase> ViewsNamespace<D> {
    /// Reads the marker, among these root keys of the namespace; `None` when there is none.
    pub(crate) async fn marker(&self, root_keys: &[Vec<u8>]) -> Result<Option<RestoreMarker>, ViewsError> {
        // Opening a partition of linera's MemoryDatabase makes it, and reading must not change anything.
        match root_keys.iter().any(|root_key| root_key == MARKER_ROOT_KEY) {
            true => self.read_marker().await,
            false => Ok(None),
        }
    }

    /// Checks that the namespace still carries the marker.
    pub(crate) async fn check_marker(
        &self,
        doing: &'static str,
        marker: &RestoreMarker,
    ) -> Result<(), ViewsError> {
        if self.read_marker().await? == Some(*marker) {
            return Ok(());
        }
        Err(ViewsError::Ended { doing, namespace: self.name().to_owned(), dump: marker.dump })
    }

    async fn read_marker(&self) -> Result<Option<RestoreMarker>, ViewsError> {
        let doing = "reading the marker";
        let store = self.open_shared(doing, MARKER_ROOT_KEY)?;
        let dump = store.read_value_bytes(&[DUMP]).await.map_err(ViewsError::store(doing, self.name()))?;
        match dump.map(TryInto::try_into) {
            None => Ok(None),
            Some(Ok(dump)) => Ok(Some(RestoreMarker { dump: ObjectId(dump) })),
            Some(Err(_)) => Err(ViewsError::BadMarker { namespace: self.name().to_owned() }),
        }
    }

    pub(crate) async fn set_marker(&self, marker: &RestoreMarker) -> Result<(), ViewsError> {
        self.put_marker("writing the marker", vec![DUMP], marker.dump.0.to_vec()).await
    }

    /// Removes the marker, and what it tells of pages.
    pub(crate) async fn remove_marker(&self) -> Result<(), ViewsError> {
        self.remove_partition("removing the marker", MARKER_ROOT_KEY).await
    }

    /// Tells whether a page was written whole.
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
