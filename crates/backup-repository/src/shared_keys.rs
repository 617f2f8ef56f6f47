//! Data keys of the past, wrapped for those who became recipients later.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::collections::BTreeMap;

use backup_format::{ObjectId, limits};
use backup_seal::{DataKey, Identities, KeyId, Recipients, SealError};

use crate::error::RepositoryError;
use crate::repository::Repository;
use crate::store::Store;
use crate::vault::{IDENTITY, not_unwrapped, unfit};

impl Repository {
    /// Wraps all data keys of the past that the identities open for other recipients, so that these can read what was written before
    /// they were recipients. Returns how many keys there are, and how many could not be opened.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Secret`] when no identity was given, or a key cannot be wrapped; [`RepositoryError::Store`]. A damaged key is an error:
    /// what it opens would be lost unnoticed.
    pub async fn share_keys(&self, recipients: &dyn Recipients) -> Result<(u64, u64), RepositoryError> {
        let Some(opener) = &self.opener else {
            return Err(RepositoryError::locked("reading the data keys of the past", IDENTITY));
        };
        let (mut keys, mut foreign) = (BTreeMap::new(), 0_u64);
        for (id, (path, wrapped)) in self.wrapped_keys().await? {
            match opener.unwrap(id, &wrapped) {
                Ok(key) => drop(keys.insert(id, key)),
                Err(SealError::NoIdentity) => foreign = foreign.saturating_add(1),
                Err(source) => return Err(not_unwrapped(path, source)),
            }
        }
        let keys: Vec<DataKey> = keys.into_values().collect();
        for some in keys.chunks(DataKey::TOGETHER_MAX) {
            let wrapped = DataKey::wrap_all(some, recipients, &self.config.repository_id());
            let failed = |source| unfit("the data keys of the past cannot be wrapped", Some(source));
            let wrapped = wrapped.map_err(failed)?;
            self.store.put(&Store::shared_keys_path(ObjectId::of_file(&wrapped)), wrapped.into()).await?;
        }
        Ok((keys.len() as u64, foreign))
    }

    /// Copies files of data keys that were shared to another copy of this repository.
    pub(crate) async fn copy_shared_keys(&self, to: &Self) -> Result<(), RepositoryError> {
        if !self.config.is_encrypted() {
            return Ok(());
        }
        let there = to.store.shared_keys().await?;
        let mut missing = self.store.shared_keys().await?;
        missing.retain(|(id, _)| there.iter().all(|(found, _)| found != id));
        for (id, _) in missing {
            let path = Store::shared_keys_path(id);
            if let Some(wrapped) = self.store.read(&path, limits::WRAPPED_KEY_BYTES_MAX as u64).await? {
                to.store.put(&path, wrapped.into()).await?;
            }
        }
        Ok(())
    }

    /// Finds the data keys of all packs and manifests, with the place of one that names them.
    async fn wrapped_keys(&self) -> Result<BTreeMap<KeyId, (String, Vec<u8>)>, RepositoryError> {
        let mut found = BTreeMap::new();
        let index = self.index().await?;
        for key in index.keys() {
            found.insert(KeyId(key.id), ("packs".to_owned(), key.wrapped.clone()));
        }
        let dumps = self.dumps().await?;
        for dump in dumps.good.iter().chain(&self.forgotten().await?) {
            if let Some(sealed) = &dump.manifest.sealed {
                let path = Store::manifest_path(dump.id);
                found.entry(KeyId(sealed.key)).or_insert_with(|| (path, sealed.wrapped.clone()));
            }
        }
        Ok(found)
    }

    /// Unwraps the data keys of the past that were shared with these identities. A file that is damaged, or for others, is passed over: the data keys
    /// themselves may be readable all the same.
    pub(crate) async fn shared_keys(
        &self,
        identities: &dyn Identities,
    ) -> Result<Vec<DataKey>, RepositoryError> {
        let mut keys = Vec::new();
        for (id, _) in self.store.shared_keys().await? {
            let path = Store::shared_keys_path(id);
            let wrapped = match self.store.read(&path, limits::WRAPPED_KEY_BYTES_MAX as u64).await {
                Err(RepositoryError::Damaged { .. }) | Ok(None) => continue,
                wrapped => wrapped?.unwrap_or_default(),
            };
            let unwrapped = DataKey::unwrap_all(identities, &self.config.repository_id(), &wrapped);
            keys.extend(unwrapped.unwrap_or_default());
        }
        Ok(keys)
    }
}
