//! A namespace as source of a backup and target of a restore.

use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{
    ContractError, DatabaseBackup, EngineError, Restore, RestoreSink, RestoreTarget, Snapshot, show,
};
use backup_layout::{Layout, cql};
use linera_views::batch::Batch;
use linera_views::store::{KeyValueDatabase, KeyValueStore, ReadableKeyValueStore, WritableKeyValueStore};

use crate::engine::Engine;
use crate::error::ViewsError;
use crate::marker::MARKER_ROOT_KEY;
use crate::plan::Phase;
use crate::restore::ViewsRestore;
use crate::snapshot::ViewsSnapshot;

/// A database of linera-views that can be backed up and restored to: all of linera's are.
pub trait ViewsDatabase:
    KeyValueDatabase<Store: KeyValueStore + Clone + Send + Sync + 'static, Error: Send + Sync>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<D> ViewsDatabase for D where
    D: KeyValueDatabase<Store: KeyValueStore + Clone + Send + Sync + 'static, Error: Send + Sync>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// An open database of linera's as a namespace. Clones are handles of the same one.
///
/// Workers may use it while it is read. Nobody else may use the target of a restore, which nothing checks: linera's
/// databases have no lock. What a restore writes is as durable as what linera writes: with RocksDB it survives the
/// process, but not a loss of power.
#[derive(Clone, Debug)]
pub struct ViewsNamespace<D> {
    name: Arc<str>,
    layout: Layout,
    engine: Engine,
    database: D,
}

impl<D: ViewsDatabase> ViewsNamespace<D> {
    /// Names an open database.
    ///
    /// The name and the layout go into the manifests of its dumps. The layout also tells which partitions are
    /// exclusive, so it must be one of linera's for a dump to be more than fuzzy.
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

    /// Returns true if linera opens a partition exclusively.
    pub(crate) fn is_exclusive(&self, root_key: &[u8]) -> bool {
        cql::is_exclusive(self.layout, root_key)
    }

    /// Returns the phase in which a partition is read.
    pub(crate) fn phase(&self, root_key: &[u8]) -> Phase {
        if self.is_exclusive(root_key) { Phase::Exclusive } else { Phase::Shared }
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

    /// Lists the root keys of what may be partitions: some have no entries.
    pub(crate) async fn partitions(&self) -> Result<Vec<Vec<u8>>, ViewsError> {
        let mut root_keys = self.root_keys().await?;
        root_keys.sort_unstable();
        self.check_distinct(&root_keys)?;
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
    fn check_distinct(&self, root_keys: &[Vec<u8>]) -> Result<(), ViewsError> {
        let mut neighbours = root_keys.iter().zip(root_keys.iter().skip(1));
        match neighbours.find(|(root_key, next)| next.starts_with(root_key)) {
            Some((shorter, longer)) if self.engine.is_prefix_free => {
                let (shorter, longer) = (show(shorter), show(longer));
                Err(ViewsError::NestedRootKeys { namespace: self.name.to_string(), shorter, longer })
            }
            _ => Ok(()),
        }
    }

    /// Checks that a restore may begin or resume; returns true if it resumes.
    async fn check_target(&self, restore: &Restore) -> Result<bool, ViewsError> {
        let (place, dump) = (self.name.to_string(), restore.dump);
        let root_keys = self.root_keys().await?;
        match self.marker(&root_keys).await? {
            Some(found) if found == dump => return Ok(true),
            Some(found) => return Err(ContractError::OtherRestore { place, dump, found }.into()),
            None => {}
        }
        let doing = "looking for entries";
        for root_key in root_keys {
            let store = self.open_shared(doing, &root_key)?;
            let keys = store.find_keys_by_prefix(&[]).await.map_err(ViewsError::store(doing, &self.name))?;
            if !keys.is_empty() {
                let found = format!("it holds partition {}", show(&root_key));
                return Err(ContractError::NotEmpty { place, dump, found }.into());
            }
        }
        Ok(false)
    }
}

#[async_trait]
impl<D: ViewsDatabase> DatabaseBackup for ViewsNamespace<D> {
    fn name(&self) -> &str {
        &self.name
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let root_keys = self.root_keys().await?;
        if let Some(dump) = self.marker(&root_keys).await? {
            let (doing, place) = ("reading", self.name.to_string());
            return Err(ContractError::HalfRestored { doing, place, dump }.into());
        }
        Ok(Box::new(ViewsSnapshot::open(self.clone()).await?))
    }
}

#[async_trait]
impl<D: ViewsDatabase> RestoreTarget for ViewsNamespace<D> {
    fn name(&self) -> &str {
        &self.name
    }

    async fn check(&self, restore: &Restore) -> Result<(), EngineError> {
        self.check_target(restore).await?;
        Ok(())
    }

    async fn begin(&self, restore: &Restore) -> Result<Box<dyn RestoreSink>, EngineError> {
        if !self.check_target(restore).await? {
            self.set_marker(restore.dump).await?;
        }
        Ok(Box::new(ViewsRestore::new(self.clone(), restore.dump)))
    }
}
