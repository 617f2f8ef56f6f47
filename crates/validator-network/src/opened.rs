//! A database of linera's that is open already, so that a worker and a dump can share it.

use linera_views::store::{KeyValueDatabase, KeyValueStoreError, WithError};

/// An open database. To connect to it is to clone it: its configuration is itself.
///
/// `DbStorage` makes its own connections from a configuration. Most engines cannot be opened twice, and a dump must read
/// what the worker writes.
#[derive(Clone, Debug)]
pub struct Opened<D>(pub D);

impl<D: WithError> WithError for Opened<D>
where
    D::Error: KeyValueStoreError,
{
    type Error = D::Error;
}

impl<D> KeyValueDatabase for Opened<D>
where
    D: KeyValueDatabase + Clone + Send + Sync,
{
    type Config = Self;
    type Store = D::Store;

    fn get_name() -> String {
        D::get_name()
    }

    async fn connect(config: &Self, _namespace: &str) -> Result<Self, Self::Error> {
        Ok(config.clone())
    }

    fn open_shared(&self, root_key: &[u8]) -> Result<Self::Store, Self::Error> {
        self.0.open_shared(root_key)
    }

    fn open_exclusive(&self, root_key: &[u8]) -> Result<Self::Store, Self::Error> {
        self.0.open_exclusive(root_key)
    }

    async fn list_all(_config: &Self) -> Result<Vec<String>, Self::Error> {
        Ok(Vec::new())
    }

    async fn list_root_keys(&self) -> Result<Vec<Vec<u8>>, Self::Error> {
        self.0.list_root_keys().await
    }

    async fn exists(_config: &Self, _namespace: &str) -> Result<bool, Self::Error> {
        Ok(true)
    }

    /// Does nothing: the namespace is there.
    async fn create(_config: &Self, _namespace: &str) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Does nothing: an open database is not ours to delete.
    async fn delete(_config: &Self, _namespace: &str) -> Result<(), Self::Error> {
        Ok(())
    }
}
