//! Amendments that fail on purpose.

use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{AmendTarget, AmendedEntry, Amendment, EngineError, ErrorClass, FoundValues, Lookup};

use crate::faults::Faults;
use crate::faulty_engine::Hook;

/// Wraps an [`AmendTarget`] and fails as its [`Faults`] say, with errors of a chosen class.
///
/// Operations, in the words of [`Faults::only`]: `look`, `amend`, `root_keys`, `values`, `write_partition`. The entries of
/// each partition are written by a call of their own. So a write can fail between any two partitions, as the contract has it.
#[derive(Clone)]
pub struct FaultyAmendTarget {
    inner: Arc<dyn AmendTarget>,
    hook: Hook,
}

impl FaultyAmendTarget {
    /// Wraps a namespace.
    #[must_use]
    pub fn new(inner: Arc<dyn AmendTarget>, faults: Arc<Faults>, class: ErrorClass) -> Self {
        Self { inner, hook: Hook { faults, class } }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl AmendTarget for FaultyAmendTarget {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn look(&self) -> Result<Box<dyn Lookup>, EngineError> {
        let inner = self.hook.guard("look", self.inner.look()).await?;
        Ok(Box::new(Faulty { inner, hook: self.hook.clone() }))
    }

    async fn amend(&self) -> Result<Box<dyn Amendment>, EngineError> {
        let inner = self.hook.guard("amend", self.inner.amend()).await?;
        Ok(Box::new(Faulty { inner, hook: self.hook.clone() }))
    }
}

struct Faulty<T: ?Sized> {
    inner: Box<T>,
    hook: Hook,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Lookup + ?Sized> Lookup for Faulty<T> {
    fn layout(&self) -> &str {
        self.inner.layout()
    }

    async fn root_keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, EngineError> {
        self.hook.guard("root_keys", self.inner.root_keys(prefix)).await
    }

    async fn values(&self, root_keys: &[Vec<u8>], keys: &[Vec<u8>]) -> Result<Vec<FoundValues>, EngineError> {
        self.hook.guard("values", self.inner.values(root_keys, keys)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Amendment for Faulty<dyn Amendment> {
    async fn write(&self, entries: Vec<AmendedEntry>) -> Result<(), EngineError> {
        for partition in entries.chunk_by(|one, next| one.root_key == next.root_key) {
            self.hook.guard("write_partition", self.inner.write(partition.to_vec())).await?;
        }
        Ok(())
    }
}
