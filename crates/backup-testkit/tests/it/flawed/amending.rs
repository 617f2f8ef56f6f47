//! Amendments with a flaw.

use std::sync::Mutex;

use async_trait::async_trait;
use backup_format::{AmendTarget, AmendedEntry, Amendment, EngineError, FoundValues, Lookup};

use super::{Database, Flaw, content_of};

#[async_trait]
impl AmendTarget for Database {
    fn name(&self) -> &str {
        AmendTarget::name(&self.inner)
    }

    async fn look(&self) -> Result<Box<dyn Lookup>, EngineError> {
        if self.flaw == Flaw::LooksAtHalfRestored && !self.is_free() {
            return Ok(Box::new(Nothing));
        }
        Ok(Box::new(View { flaw: self.flaw, inner: self.inner.look().await? }))
    }

    async fn amend(&self) -> Result<Box<dyn Amendment>, EngineError> {
        if self.flaw == Flaw::WritesOnOpening {
            self.inner.put(&[0; 33], b"opened", b"").unwrap();
        }
        let inner = match self.flaw {
            // What is held is not what is amended.
            Flaw::LetsTwoAmend => super::copy_of(&self.inner).await.amend().await?,
            _ => self.inner.amend().await?,
        };
        let view = View { flaw: self.flaw, inner: inner as Box<dyn Amendment> };
        Ok(Box::new(Amending { view, database: self.clone(), late: Mutex::default() }))
    }
}

/// Shows a half restored namespace as an empty one.
struct Nothing;

#[async_trait]
impl Lookup for Nothing {
    fn layout(&self) -> &str {
        "plain"
    }

    async fn root_keys(&self, _: &[u8]) -> Result<Vec<Vec<u8>>, EngineError> {
        Ok(Vec::new())
    }

    async fn values(&self, root_keys: &[Vec<u8>], keys: &[Vec<u8>]) -> Result<Vec<FoundValues>, EngineError> {
        Ok(vec![vec![None; keys.len()]; root_keys.len()])
    }
}

struct View<T: ?Sized> {
    flaw: Flaw,
    inner: Box<T>,
}

#[async_trait]
impl<T: Lookup + ?Sized> Lookup for View<T> {
    fn layout(&self) -> &str {
        self.inner.layout()
    }

    async fn root_keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, EngineError> {
        let prefix = if self.flaw == Flaw::IgnoresPrefixes { &[] } else { prefix };
        self.inner.root_keys(prefix).await
    }

    async fn values(&self, root_keys: &[Vec<u8>], keys: &[Vec<u8>]) -> Result<Vec<FoundValues>, EngineError> {
        let mut root_keys = root_keys.to_vec();
        if self.flaw == Flaw::AnswersInItsOwnOrder {
            root_keys.sort();
        }
        self.inner.values(&root_keys, keys).await
    }
}

struct Amending {
    view: View<dyn Amendment>,
    database: Database,
    /// What is written by the next call.
    late: Mutex<Vec<AmendedEntry>>,
}

#[async_trait]
impl Lookup for Amending {
    fn layout(&self) -> &str {
        self.view.layout()
    }

    async fn root_keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, EngineError> {
        self.view.root_keys(prefix).await
    }

    async fn values(&self, root_keys: &[Vec<u8>], keys: &[Vec<u8>]) -> Result<Vec<FoundValues>, EngineError> {
        self.view.values(root_keys, keys).await
    }
}

#[async_trait]
impl Amendment for Amending {
    async fn write(&self, mut entries: Vec<AmendedEntry>) -> Result<(), EngineError> {
        let put = |entry: &AmendedEntry| {
            self.database.inner.put(&entry.root_key, &entry.key, &entry.value).unwrap();
        };
        match self.database.flaw {
            Flaw::MakesPartitions | Flaw::LetsTwoAmend => entries.iter().for_each(put),
            Flaw::WritesHalfAPartition => {
                self.late.lock().unwrap().drain(..).for_each(|entry| put(&entry));
                let half = entries.split_off(entries.len().div_ceil(2));
                self.late.lock().unwrap().extend(half);
                self.view.inner.write(entries).await?;
            }
            Flaw::ReplacesPartitions => {
                let content = content_of(&self.database.inner).await;
                for AmendedEntry { root_key, .. } in &entries {
                    if content.root_keys().any(|there| there == root_key) {
                        self.database.inner.delete_prefix(root_key, b"\x01b").unwrap();
                    }
                }
                self.view.inner.write(entries).await?;
            }
            _ => self.view.inner.write(entries).await?,
        }
        Ok(())
    }
}
