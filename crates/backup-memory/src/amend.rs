//! Looking entries up, and changing some in place.

use async_trait::async_trait;
use backup_format::{
    AmendTarget, AmendedEntry, Amendment, ContractError, EngineError, FoundValues, Lookup, show,
};

use crate::contents::Contents;
use crate::database::MemoryNamespace;

const AMENDING: &str = "amending";

#[async_trait]
impl AmendTarget for MemoryNamespace {
    fn name(&self) -> &str {
        MemoryNamespace::name(self)
    }

    async fn look(&self) -> Result<Box<dyn Lookup>, EngineError> {
        let contents = self.lock_usable("looking entries up in")?.contents.clone();
        Ok(Box::new(MemoryLookup { layout: self.layout().to_owned(), contents }))
    }

    async fn amend(&self) -> Result<Box<dyn Amendment>, EngineError> {
        let mut state = self.lock_usable(AMENDING)?;
        if state.amending {
            let found = "another amendment is under way".to_owned();
            return Err(ContractError::InUse { doing: AMENDING, place: self.place(), found }.into());
        }
        state.amending = true;
        drop(state);
        Ok(Box::new(MemoryAmendment(self.clone())))
    }
}

/// The content of a namespace at the moment when it was opened.
struct MemoryLookup {
    layout: String,
    contents: Contents,
}

#[async_trait]
impl Lookup for MemoryLookup {
    fn layout(&self) -> &str {
        &self.layout
    }

    async fn root_keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, EngineError> {
        Ok(root_keys(&self.contents, prefix))
    }

    async fn values(&self, root_keys: &[Vec<u8>], keys: &[Vec<u8>]) -> Result<Vec<FoundValues>, EngineError> {
        Ok(values(&self.contents, root_keys, keys))
    }
}

/// Keeps other amendments away until it is dropped.
struct MemoryAmendment(MemoryNamespace);

impl Drop for MemoryAmendment {
    fn drop(&mut self) {
        self.0.lock().amending = false;
    }
}

#[async_trait]
impl Lookup for MemoryAmendment {
    fn layout(&self) -> &str {
        self.0.layout()
    }

    async fn root_keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, EngineError> {
        Ok(root_keys(&self.0.lock_usable(AMENDING)?.contents, prefix))
    }

    async fn values(&self, root_keys: &[Vec<u8>], keys: &[Vec<u8>]) -> Result<Vec<FoundValues>, EngineError> {
        Ok(values(&self.0.lock_usable(AMENDING)?.contents, root_keys, keys))
    }
}

#[async_trait]
impl Amendment for MemoryAmendment {
    async fn write(&self, entries: Vec<AmendedEntry>) -> Result<(), EngineError> {
        for AmendedEntry { root_key, key, value } in &entries {
            self.0.check_lengths(root_key, key, value)?;
        }
        let mut state = self.0.lock_usable(AMENDING)?;
        if let Some(entry) = entries.iter().find(|entry| !state.contents.has_partition(&entry.root_key)) {
            let root_key = show(&entry.root_key);
            return Err(
                ContractError::NoPartition { doing: AMENDING, place: self.0.place(), root_key }.into()
            );
        }
        for AmendedEntry { root_key, key, value } in &entries {
            state.contents.put(root_key, key, value);
        }
        Ok(())
    }
}

fn root_keys(contents: &Contents, prefix: &[u8]) -> Vec<Vec<u8>> {
    let root_keys = contents.partitions().map(|(root_key, _)| root_key);
    root_keys.filter(|root_key| root_key.starts_with(prefix)).map(<[u8]>::to_vec).collect()
}

fn values(contents: &Contents, root_keys: &[Vec<u8>], keys: &[Vec<u8>]) -> Vec<FoundValues> {
    let of = |root_key: &Vec<u8>| {
        keys.iter().map(|key| contents.get(root_key, key).map(|value| value.to_vec())).collect()
    };
    root_keys.iter().map(of).collect()
}
