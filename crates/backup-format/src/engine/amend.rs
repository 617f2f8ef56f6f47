//! Looking entries up, and changing a few of them in place.

use async_trait::async_trait;

use crate::engine::EngineError;

/// Values of the entries that were asked for in one partition, in the order of the question; `None` where there is no
/// such entry.
pub type FoundValues = Vec<Option<Vec<u8>>>;

/// An entry that an amendment writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmendedEntry {
    /// Root key of its partition, which is there already.
    pub root_key: Vec<u8>,
    /// Its key.
    pub key: Vec<u8>,
    /// Its new value.
    pub value: Vec<u8>,
}

/// One namespace of one engine, whose entries can be looked up one by one and changed in place.
#[async_trait]
pub trait AmendTarget: Send + Sync {
    /// Returns the name of the namespace, for errors.
    fn name(&self) -> &str;

    /// Opens the namespace to look entries up. Never writes to it, and never disturbs a process that does.
    ///
    /// # Errors
    ///
    /// [`ErrorClass::Failed`](crate::ErrorClass::Failed) when the namespace is missing or cannot be read,
    /// [`ErrorClass::Refused`](crate::ErrorClass::Refused) when it is half restored, or of a layout that is not looked up.
    async fn look(&self) -> Result<Box<dyn Lookup>, EngineError>;

    /// Opens the namespace to change entries in place, and keeps others from writing until the answer is dropped, as
    /// far as the engine can. It changes no entry itself.
    ///
    /// # Errors
    ///
    /// As [`AmendTarget::look`], and [`ErrorClass::Refused`](crate::ErrorClass::Refused) when somebody else writes to the
    /// namespace or has it open for that.
    async fn amend(&self) -> Result<Box<dyn Amendment>, EngineError>;
}

/// A namespace that is open for looking entries up.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// Returns the layout of the rows: `linera-0.15`, `linera-0.16` or `plain`.
    fn layout(&self) -> &str;

    /// Lists the root keys that have entries and begin with `prefix`, each once, in the order of their bytes. What is
    /// listed was found in the entries: an index that lacks some hides none.
    ///
    /// # Errors
    ///
    /// As the engine reports them.
    async fn root_keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, EngineError>;

    /// Looks up the same keys in some partitions. The answer has an item for each root key, in their order.
    ///
    /// # Errors
    ///
    /// As the engine reports them.
    async fn values(&self, root_keys: &[Vec<u8>], keys: &[Vec<u8>]) -> Result<Vec<FoundValues>, EngineError>;
}

/// A namespace that is open for changing entries in place. Dropping it ends that.
#[async_trait]
pub trait Amendment: Lookup {
    /// Writes entries, over older ones where there are any. When this returns they are durable, and each later reader
    /// sees them. All entries of one partition are written, or none; several partitions may be written in part when this
    /// fails. Of several entries with one key the last counts.
    ///
    /// # Errors
    ///
    /// [`ErrorClass::Refused`](crate::ErrorClass::Refused), with nothing written, when a partition has no entries; else as
    /// the engine reports them. What was written is then known by looking it up again.
    async fn write(&self, entries: Vec<AmendedEntry>) -> Result<(), EngineError>;
}
