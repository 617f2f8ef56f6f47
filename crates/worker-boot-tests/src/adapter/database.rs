//! A namespace as source of a backup and target of a restore.

use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{
    DatabaseBackup, EngineError, RestoreMarker, RestorePlan, RestoreSink, Snapshot, SourceInfo, show,
};
use backup_layout::Layout;
use linera_views::batch::Batch;
use linera_views::store::{ReadableKeyValueStore, WritableKeyValueStore};

use crate::adapter::engine::Engine;
use crate::adapter::error::ViewsError;
use crate::adapter::marker::MARKER_ROOT_KEY;
use crate::adapter::restore::ViewsRestore;
use crate::adapter::snapshot::ViewsSnapshot;
use crate::worker::WorkerDatabase;

/// An open database of linera's as a namespace. Clones are handles of the same one.
///
/// It may be in use by workers while it is read. A target of a restore must not be in use by anybody else, which nothing
/// checks: linera's databases have no lock. What a restore writes is as durable as what linera writes: with RocksDB it
/// outlives the process, but not a loss of power.
#[derive(Clone, Debug)]
pub struct ViewsNamespace<D> {
    name: Arc<str>,
    layout: Layout,
    engine: Engine,
    database: D,
}

impl<D: WorkerDatabase> ViewsNamespace<D> {
    /// Names an open database. The name and the layout go into the manifests of its dumps; the layout also tells which
    /// partitions have one owner, so it must be that of linera for a dump to be more than fuzzy.
    #[must_use]
    pub fn new(name: &str, layout: Layout, database: D) -> Self {
        Self { name: Arc::from(name), layout, engine: Engine::of::<D>(), database }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Tells whether linera opens a partition as its only owner.
    pub(crate) fn is_exclusive(&self, root_key: &[u8]) -> bool {
        matches!(self.layout.kind(root_key), Some("chain_state" | "exporter_state"))
    }

    /// Opens a partition to read it.
    pub(crate) fn open_shared(&self, doing: &'static str, root_key: &[u8]) -> Result<D::Store, ViewsError> {
        self.database.open_shared(root_key).map_err(ViewsError::store(doing, &self.name))
    }

    /// Opens a partition to write to it, in the way in which linera does.
    pub(crate) fn open_to_write(&self, doing: &'static str, root_key: &[u8]) -> Result<D::Store, ViewsError> {
        match self.is_exclusive(root_key) {
            true => self.database.open_exclusive(root_key).map_err(ViewsError::store(doing, &self.name)),
            false => self.open_shared(doing, root_key),
        }
    }

    /// Lists all root keys, also those without entries and that of the marker.
    pub(crate) async fn root_keys(&self) -> Result<Vec<Vec<u8>>, ViewsError> {
        let listed = self.database.list_root_keys().await;
        listed.map_err(ViewsError::store("listing the root keys", &self.name))
    }

    /// Lists the root keys of what may be partitions; those without entries are none.
    pub(crate) async fn partitions(&self) -> Result<Vec<Vec<u8>>, ViewsError> {
        let mut root_keys = self.root_keys().await?;
        root_keys.sort_unstable();
        self.check_told_apart(&root_keys)?;
        root_keys.retain(|root_key| root_key != MARKER_ROOT_KEY);
        Ok(root_keys)
    }

    /// Removes all entries of a partition.
    pub(crate) async fn remove_partition(
        &self,
        doing: &'static str,
        root_key: &[u8],
    ) -> Result<(), ViewsError> {
        let store = self.open_to_write(doing, root_key)?;
        let mut batch = Batch::new();
        batch.delete_key_prefix(Vec::new());
        store.write_batch(batch).await.map_err(ViewsError::store(doing, &self.name))
    }

    /// Checks that none of these sorted root keys hides rows of another: the one after a prefix of any begins with it.
    fn check_told_apart(&self, root_keys: &[Vec<u8>]) -> Result<(), ViewsError> {
        let mut neighbours = root_keys.iter().zip(root_keys.iter().skip(1));
        match neighbours.find(|(root_key, next)| next.starts_with(root_key)) {
            Some((shorter, longer)) if self.engine.is_prefix_free => {
                let (shorter, longer) = (show(shorter), show(longer));
                Err(ViewsError::NestedRootKeys { namespace: self.name.to_string(), shorter, longer })
            }
            _ => Ok(()),
        }
    }

    /// Checks that a restore may begin or go on; tells whether it goes on.
    async fn check_target(&self, marker: &RestoreMarker) -> Result<bool, ViewsError> {
        let (namespace, dump) = (self.name.to_string(), marker.dump);
        let root_keys = self.root_keys().await?;
        match self.marker(&root_keys).await? {
            Some(found) if found == *marker => return Ok(true),
            Some(found) => return Err(ViewsError::OtherMarker { namespace, dump, found: found.dump }),
            None => {}
        }
        let doing = "looking for entries";
        for root_key in root_keys {
            let store = self.open_shared(doing, &root_key)?;
            let keys = store.find_keys_by_prefix(&[]).await.map_err(ViewsError::store(doing, &self.name))?;
            if !keys.is_empty() {
                return Err(ViewsError::NotEmpty { namespace, dump, root_key: show(&root_key) });
            }
        }
        Ok(false)
    }
}

#[async_trait]
impl<D: WorkerDatabase> DatabaseBackup for ViewsNamespace<D> {
    fn source(&self) -> SourceInfo {
        SourceInfo {
            engine: self.engine.name.clone(),
            engine_version: String::new(),
            layout: self.layout.name().to_owned(),
            namespace: self.name.to_string(),
        }
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let root_keys = self.root_keys().await?;
        if let Some(marker) = self.marker(&root_keys).await? {
            let namespace = self.name.to_string();
            return Err(ViewsError::HalfRestored { namespace, dump: marker.dump }.into());
        }
        Ok(Box::new(ViewsSnapshot::open(self.clone()).await?))
    }

    async fn restore(
        &self,
        marker: &RestoreMarker,
        _plan: &RestorePlan,
    ) -> Result<Box<dyn RestoreSink>, EngineError> {
        if !self.check_target(marker).await? {
            self.set_marker(marker).await?;
        }
        Ok(Box::new(ViewsRestore::new(self.clone(), *marker)))
    }

    async fn check_restorable(&self, marker: &RestoreMarker) -> Result<(), EngineError> {
        self.check_target(marker).await?;
        Ok(())
    }
}
