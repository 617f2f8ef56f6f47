//! Reading on when packs go away: a pruner has copied what it removes, and newer tables say where.

use std::sync::Arc;

use backup_format::{Kind, Level, ObjectId, Page, Reference};
use tokio::sync::Mutex;

use crate::error::RepositoryError;
use crate::index::Index;
use crate::reader::{DumpReader, ReadSegment};
use crate::run::Run;

/// How often the tables are read again for one object.
const RELOADS: usize = 5;

/// The tables that were read last, by a reader or one of its clones.
#[derive(Clone, Debug)]
pub(crate) struct Latest(Arc<Mutex<Arc<Index>>>);

impl Latest {
    pub(crate) fn new(index: Arc<Index>) -> Self {
        Self(Arc::new(Mutex::new(index)))
    }
}

impl DumpReader {
    /// Returns this reader with tables that were read after its own.
    async fn reloaded(&self) -> Result<Self, RepositoryError> {
        let mut latest = self.latest.0.lock().await;
        if Arc::ptr_eq(&latest, &self.index) {
            // Where the whole repository went away, nothing in it is missing.
            self.repository.check_unchanged().await?;
            *latest = self.repository.index().await?;
        }
        Ok(Self { index: latest.clone(), ..self.clone() })
    }

    /// Reads a page from the first of its places where it is right; when its pack went away, by newer tables.
    pub(crate) async fn read_page(
        &self,
        object: (ObjectId, Option<u64>),
        level: Level,
        needed_by: &str,
    ) -> Result<Page, RepositoryError> {
        let mut result = self.read_page_here(object, level, needed_by).await;
        let mut reader = self.clone();
        for _ in 0..RELOADS {
            match result {
                Err(error) if error.is_gone() => reader = reader.reloaded().await?,
                result => return result,
            }
            result = reader.read_page_here(object, level, needed_by).await;
        }
        result
    }

    /// Reads a run; when its pack went away, each segment by newer tables.
    pub(crate) async fn read_run(self, run: Run) -> Result<Vec<ReadSegment>, RepositoryError> {
        match self.clone().read_run_here(run.clone()).await {
            Err(error) if error.is_gone() => {}
            result => return result,
        }
        let mut segments = Vec::with_capacity(run.objects.len());
        for (reference, _) in run.objects {
            segments.extend(self.read_moved(reference).await?);
        }
        Ok(segments)
    }

    async fn read_moved(&self, reference: Reference) -> Result<Vec<ReadSegment>, RepositoryError> {
        let mut reader = self.reloaded().await?;
        for _ in 1..RELOADS {
            reader.find(Kind::Segment, reference.id, "a page")?;
            match reader.read_anywhere(reference.clone()).await {
                Err(error) if error.is_gone() => reader = reader.reloaded().await?,
                result => return result,
            }
        }
        reader.read_anywhere(reference).await
    }
}
