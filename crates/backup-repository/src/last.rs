//! The last dump of a namespace: nothing can start from the namespace any more, so nobody signs what the dump does not know.
//!
//! The namespace is locked before it is read, and retired when the dump is staged. The manifest comes last. So wherever a dump says that
//! it is the last one, its namespace is retired, whenever the writer died.

use std::sync::Arc;

use backup_format::{DatabaseBackup, ObjectId, Retirement};

use crate::backup::{BackupOptions, BackupReport};
use crate::error::RepositoryError;
use crate::repository::{Dump, DumpChoice, Repository};
use crate::store::Store;
use crate::warning::BackupWarning;
use crate::work;

/// A namespace that is retired when its dump is staged.
#[derive(Clone)]
pub(crate) struct Retiring {
    pub namespace: String,
    pub lock: Arc<dyn Retirement>,
}

impl Retiring {
    pub(crate) async fn run(&self, dump: ObjectId) -> Result<(), RepositoryError> {
        self.lock.retire(dump).await.map_err(RepositoryError::engine("retiring", &self.namespace))
    }
}

impl Repository {
    /// Makes the last dump of a namespace, as [`Repository::backup`] makes others, and retires the namespace. It must have been locked
    /// before `database` was opened.
    ///
    /// When this fails, there is no dump, and the namespace may be retired. Running it again makes the dump from what the retired
    /// namespace holds. When the dump is there already, its report comes back with [`BackupWarning::Retired`], and nothing is read.
    /// A dry run retires nothing.
    ///
    /// # Errors
    ///
    /// As [`Repository::backup`], and [`RepositoryError::Retired`] when the namespace was retired for a dump of another repository.
    pub async fn backup_last(
        &self,
        database: &dyn DatabaseBackup,
        lock: Arc<dyn Retirement>,
        options: BackupOptions,
    ) -> Result<BackupReport, RepositoryError> {
        let namespace = database.name().to_owned();
        let earlier = lock.retired_for();
        if let Some(dump) = earlier {
            let (repository, namespace) = (self.clone(), namespace.clone());
            let made = work::drive(async move { repository.earlier_last(dump, namespace).await }).await?;
            if let Some(made) = made {
                return Ok(BackupReport::of_earlier(made));
            }
        }
        let report = self.backup_or_again(database, options, Some(Retiring { namespace, lock })).await?;
        if let Some(dump) = earlier.filter(|dump| *dump != report.dump) {
            let store = self.store.clone();
            let remove = async move {
                store.remove_or_leave(&Store::staged_path(dump)).await;
                Ok(())
            };
            work::drive(remove).await?;
        }
        Ok(report)
    }

    /// Returns the dump that a namespace was retired for; `None` if its writer died before it was published.
    async fn earlier_last(&self, dump: ObjectId, namespace: String) -> Result<Option<Dump>, RepositoryError> {
        match self.dump(&DumpChoice::Id(dump.to_string())).await {
            Err(RepositoryError::NoDump { .. }) => {
                let staged = self.store.staged().await?;
                let is_staged = staged.iter().any(|(staged, _)| *staged == dump);
                if is_staged { Ok(None) } else { Err(RepositoryError::Retired { namespace, dump }) }
            }
            found => found.map(Some),
        }
    }
}

impl BackupReport {
    /// Reports a last dump that was there already.
    fn of_earlier(dump: Dump) -> Self {
        Self {
            dump: dump.id,
            manifest: dump.manifest,
            new_objects: 0,
            new_packs: 0,
            stored_bytes: 0,
            since: None,
            sketch: None,
            warnings: vec![BackupWarning::Retired { dump: dump.id }],
        }
    }
}
