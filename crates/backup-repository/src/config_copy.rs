//! The second copy of the config: without its 300 bytes a whole repository could not be read.
//!
//! It lies in `configs/`, under the hash of its bytes. So it tells by itself whether it is what was written, which the config does not.

use backup_format::{Config, ObjectId, limits};
use bytes::Bytes;

use crate::error::RepositoryError;
use crate::repository::Repository;
use crate::store::{CONFIG, CONFIGS, Store};

impl Repository {
    /// Writes the second copy of the config if there is none, as in a repository of an earlier program.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::ConfigLost`] when there is one of another config: the config was altered, and nothing more should be written.
    pub(crate) async fn keep_config_copy(&self) -> Result<(), RepositoryError> {
        let Some(json) = Self::read_config(&self.store).await? else { return Ok(()) };
        let own = ObjectId::of_file(&json);
        // Listed once: another process may write the same copy at any moment.
        let names = self.store.config_copies().await?;
        if names.iter().any(|(name, _)| *name == own) {
            return Ok(());
        }
        if let Some((name, ..)) = good_of(&self.store, names).await?.first() {
            let problem = "is not what was written".to_owned();
            return Err(lost(&self.store, problem, Some(*name), None));
        }
        self.store.put(&Store::config_copy_path(own), json.into()).await
    }

    /// Removes the config and its copies.
    pub(crate) async fn remove_config(&self) -> Result<(), RepositoryError> {
        for (name, _) in self.store.config_copies().await? {
            self.store.remove(&Store::config_copy_path(name)).await?;
        }
        self.store.remove_folder(CONFIGS);
        self.store.remove(CONFIG).await
    }
}

/// A good copy: its name, its bytes and what they say.
pub(crate) type Copy = (ObjectId, Bytes, Config);

/// Returns the good copies of the config: there should be one.
pub(crate) async fn good(store: &Store) -> Result<Vec<Copy>, RepositoryError> {
    good_of(store, store.config_copies().await?).await
}

/// Returns those of the listed copies that are good.
async fn good_of(store: &Store, listed: Vec<(ObjectId, u64)>) -> Result<Vec<Copy>, RepositoryError> {
    let mut copies = Vec::new();
    for (name, _) in listed {
        let path = Store::config_copy_path(name);
        let json = match store.read(&path, limits::MANIFEST_BYTES_MAX).await {
            Err(RepositoryError::Damaged { .. }) | Ok(None) => continue,
            json => json?.unwrap_or_default(),
        };
        if ObjectId::of_file(&json) != name {
            continue;
        }
        if let Ok(config) = Config::decode(&json) {
            copies.push((name, json, config));
        }
    }
    Ok(copies)
}

/// Says that the config is lost, if a repository is there without one. `damage` is what is wrong with it; `None`: it is missing.
pub(crate) async fn explain(
    store: &Store,
    damage: Option<RepositoryError>,
) -> Result<Option<RepositoryError>, RepositoryError> {
    let copy = good(store).await?.first().map(|(name, ..)| *name);
    let is_repository = copy.is_some() || damage.is_some() || !store.manifests().await?.is_empty();
    let problem = if damage.is_some() { "is damaged" } else { "is missing" };
    Ok(is_repository.then(|| lost(store, problem.to_owned(), copy, damage)))
}

fn lost(
    store: &Store,
    problem: String,
    copy: Option<ObjectId>,
    damage: Option<RepositoryError>,
) -> RepositoryError {
    let remedy = match copy {
        Some(name) => {
            format!("{} is a good copy of it, which a repair puts back", Store::config_copy_path(name))
        }
        None => "there is no copy of it in the repository; a repair can take it from another copy of the \
                 repository"
            .to_owned(),
    };
    let location = store.to_string();
    RepositoryError::ConfigLost { location, problem, remedy, source: damage.map(Box::new) }
}
