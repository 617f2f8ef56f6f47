//! Namespaces in memory.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use backup_format::{
    ContractError, DatabaseBackup, EngineError, ObjectId, Restore, RestoreSink, RestoreTarget, Snapshot,
    SourceInfo,
};

use crate::batch::{Change, WriteBatch};
use crate::contents::Contents;
use crate::error::Error;
use crate::options::Options;
use crate::restore::MemoryRestore;
use crate::snapshot::MemorySnapshot;

/// Longest root key, key or value, in bytes: what a batch of entries can carry.
const BYTES_MAX: u64 = u32::MAX as u64;

/// A namespace that lives in memory.
///
/// Clones are handles of one and the same namespace, which lives as long as one of them. All methods may be called from
/// any thread; each takes effect at once and whole.
#[derive(Clone, Debug)]
pub struct MemoryNamespace {
    name: Arc<str>,
    options: Options,
    state: Arc<Mutex<State>>,
}

/// What all handles of a namespace share.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub contents: Contents,
    /// The marker: the dump of a restore that was neither published nor discarded.
    pub restoring: Option<ObjectId>,
    /// Pages whose entries were written whole by that restore.
    pub written: HashSet<ObjectId>,
    /// Whether an amendment is under way.
    pub amending: bool,
}

impl MemoryNamespace {
    /// Makes an empty namespace with default [`Options`]. The name goes into the manifests of its dumps.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: Arc::from(name), options: Options::default(), state: Arc::default() }
    }

    /// Sets the options of this handle, and of the clones that will be made of it.
    #[must_use]
    pub fn with_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Sets the layout that this handle reports, and how it calls its partitions; see [`Options::with_layout`].
    #[must_use]
    pub fn with_layout(mut self, name: &str, kind: fn(&[u8]) -> Option<&'static str>) -> Self {
        self.options = self.options.with_layout(name, kind);
        self
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the number of entries, also while a restore is under way.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.lock().contents.entries()
    }

    /// Returns true if there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of partitions: root keys that have entries.
    #[must_use]
    pub fn partitions(&self) -> u64 {
        self.lock().contents.partition_count()
    }

    /// Returns the dump of the restore that is under way, or was left half done; `None` when there is none.
    #[must_use]
    pub fn marker(&self) -> Option<ObjectId> {
        self.lock().restoring
    }

    /// Returns the value of an entry, `None` when there is no such entry.
    ///
    /// # Errors
    ///
    /// [`ContractError::HalfRestored`] while a marker is there.
    pub fn get(&self, root_key: &[u8], key: &[u8]) -> Result<Option<Arc<[u8]>>, Error> {
        let state = self.lock_usable("reading")?;
        Ok(state.contents.get(root_key, key).map(Arc::clone))
    }

    /// Adds an entry, or gives it another value. Root key, key and value may be empty.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] from 4 GiB on, [`ContractError::HalfRestored`] while a marker is there.
    pub fn put(&self, root_key: &[u8], key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.check_lengths(root_key, key, value)?;
        self.lock_usable("writing to")?.contents.put(root_key, key, value);
        Ok(())
    }

    /// Removes an entry, if it is there.
    ///
    /// # Errors
    ///
    /// [`ContractError::HalfRestored`] while a marker is there.
    pub fn delete(&self, root_key: &[u8], key: &[u8]) -> Result<(), Error> {
        self.lock_usable("writing to")?.contents.delete(root_key, key);
        Ok(())
    }

    /// Removes the entries of a partition whose keys begin with `prefix`; an empty prefix means all of them.
    ///
    /// # Errors
    ///
    /// [`ContractError::HalfRestored`] while a marker is there.
    pub fn delete_prefix(&self, root_key: &[u8], prefix: &[u8]) -> Result<(), Error> {
        self.lock_usable("writing to")?.contents.delete_prefix(root_key, prefix);
        Ok(())
    }

    /// Makes all changes of a batch, in their order, or none. No reader and no snapshot sees some of them only.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] from 4 GiB on, [`ContractError::HalfRestored`] while a marker is there.
    pub fn write_batch(&self, batch: &WriteBatch) -> Result<(), Error> {
        for change in batch.changes() {
            if let Change::Put { root_key, key, value } = change {
                self.check_lengths(root_key, key, value)?;
            }
        }
        let mut state = self.lock_usable("writing to")?;
        batch.changes().iter().for_each(|change| state.contents.apply(change));
        Ok(())
    }

    pub(crate) fn view(&self, contents: &Contents) -> Box<dyn Snapshot> {
        let source = SourceInfo {
            engine: "memory".to_owned(),
            engine_version: String::new(),
            layout: self.options.layout.clone(),
            namespace: self.name.to_string(),
        };
        Box::new(MemorySnapshot::new(source, self.options.clone(), contents.clone()))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // The state changes by calls that do not panic, so it is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lock_usable(&self, doing: &'static str) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.lock();
        match state.restoring {
            None => Ok(state),
            Some(dump) => Err(ContractError::HalfRestored { doing, place: self.place(), dump }.into()),
        }
    }

    pub(crate) fn check_lengths(&self, root_key: &[u8], key: &[u8], value: &[u8]) -> Result<(), Error> {
        for (what, bytes) in [("root key", root_key), ("key", key), ("value", value)] {
            let (found, limit) = (bytes.len() as u64, BYTES_MAX);
            if found > limit {
                return Err(Error::TooLong { namespace: self.name.to_string(), what, found, limit });
            }
        }
        Ok(())
    }

    fn check_target(&self, state: &State, dump: ObjectId) -> Result<(), ContractError> {
        let place = self.place();
        match (state.restoring, state.contents.entries()) {
            (Some(found), _) if found == dump => Ok(()),
            (Some(found), _) => Err(ContractError::OtherRestore { place, dump, found }),
            (None, 0) => Ok(()),
            (None, entries) => {
                Err(ContractError::NotEmpty { place, dump, found: format!("{entries} entries are there") })
            }
        }
    }

    pub(crate) fn layout(&self) -> &str {
        &self.options.layout
    }

    /// Names the namespace for errors of the contract.
    pub(crate) fn place(&self) -> String {
        format!("namespace {}", self.name)
    }
}

#[async_trait]
impl DatabaseBackup for MemoryNamespace {
    fn name(&self) -> &str {
        &self.name
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let state = self.lock_usable("opening a snapshot of")?;
        Ok(self.view(&state.contents))
    }
}

#[async_trait]
impl RestoreTarget for MemoryNamespace {
    fn name(&self) -> &str {
        &self.name
    }

    async fn check(&self, restore: &Restore) -> Result<(), EngineError> {
        Ok(self.check_target(&self.lock(), restore.dump)?)
    }

    async fn begin(&self, restore: &Restore) -> Result<Box<dyn RestoreSink>, EngineError> {
        let dump = restore.dump;
        let mut state = self.lock();
        self.check_target(&state, dump)?;
        state.restoring = Some(dump);
        drop(state);
        Ok(Box::new(MemoryRestore::new(self.clone(), dump)))
    }
}
