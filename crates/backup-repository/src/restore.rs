//! The restore pump: from a repository to a namespace.

use std::num::NonZeroUsize;
use std::sync::Arc;

use backup_format::{
    DigestState, EngineError, Limits, Manifest, ObjectId, Page, Reference, Restore, RestoreSink,
    RestoreTarget, RestoreUnit, Restored, Snapshot, SourceInfo,
};
use futures::{StreamExt, TryStreamExt};

use crate::digest::{DigestOptions, digest_snapshot};
use crate::error::RepositoryError;
use crate::progress::Progress;
use crate::reader::{DumpReader, ReadSegment};
use crate::repository::{Dump, Repository};
use crate::spent::Claim;
use crate::verify;
use crate::work;

/// How a dump is restored.
#[derive(Clone, Debug, Default)]
pub struct RestoreOptions {
    /// Pages that are restored at the same time; `None` means one more than there are cores.
    pub workers: Option<NonZeroUsize>,
    /// Ceilings on what is read.
    pub limits: Limits,
    /// Restores a last dump for the key of its validator, which is possible once; `None`, the default, for all other restores.
    pub claim: Option<Claim>,
    /// Checks the dump's structure and that the target is free, and writes nothing; false by default.
    pub dry_run: bool,
    /// Receives events.
    pub progress: Progress,
}

/// What a restore wrote.
#[derive(Clone, Debug)]
pub struct RestoreReport {
    /// What was read back from the target; `None` after a dry run.
    pub restored: Option<DigestState>,
    /// Pages that an earlier try had written already.
    pub pages_resumed: u64,
}

impl Repository {
    /// Restores a dump into a namespace, which must be empty or carry the marker of this very restore: then this
    /// resumes that one.
    ///
    /// Before the first entry is written, all objects of the dump are known to be there; each is checked before it is
    /// used. The digest is recomputed from the target, and only when it is that of the manifest is the marker removed.
    /// When this fails, or is dropped, the target stays marked as half restored.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Engine`], of class `Refused` when the target is not free; [`RepositoryError::MissingObject`] and
    /// the like when the dump is damaged; [`RepositoryError::Different`] when the target does not hold what the dump does. [`RepositoryError::Spent`] when it cannot be
    /// restored for the claim's key.
    pub async fn restore(
        &self,
        dump: &Dump,
        target: &dyn RestoreTarget,
        options: &RestoreOptions,
    ) -> Result<RestoreReport, RepositoryError> {
        let failed = || RepositoryError::engine("restoring into", target.name());
        let (order, entries) = (dump.manifest.order, dump.inventory()?.entries);
        let restore = Restore { dump: dump.id, order, entries };
        target.check(&restore).await.map_err(failed())?;
        if options.claim.is_some() {
            self.check_unspent(dump).await?;
        }
        let (reader, pages) = verify::open_checked(self, dump, options.limits).await?;
        if options.dry_run {
            return Ok(RestoreReport { restored: None, pages_resumed: 0 });
        }
        options.progress.phase("restoring", Some(dump.manifest.plain_bytes));
        let sink = target.begin(&restore).await.map_err(failed())?;
        let pump = Pump {
            repository: self.clone(),
            dump: dump.id,
            manifest: dump.manifest.clone(),
            namespace: target.name().to_owned(),
            options: options.clone(),
        };
        work::drive(async move { pump.run(&reader, pages, sink).await }).await
    }
}

/// A restore under way.
struct Pump {
    repository: Repository,
    dump: ObjectId,
    manifest: Manifest,
    /// Name of the target.
    namespace: String,
    options: RestoreOptions,
}

impl Pump {
    async fn run(
        self,
        reader: &DumpReader,
        pages: Vec<Reference>,
        sink: Box<dyn RestoreSink>,
    ) -> Result<RestoreReport, RepositoryError> {
        let pages_resumed = self.write_pages(reader, pages, &*sink).await?;
        let written = sink.finish().await.map_err(self.failed("completing"))?;
        let restored = self.check_target(&*written).await?;
        if let Some(claim) = &self.options.claim {
            self.repository.spend(self.dump, claim).await?;
        }
        written.publish().await.map_err(self.failed("publishing"))?;
        Ok(RestoreReport { restored: Some(restored), pages_resumed })
    }

    fn failed(&self, doing: &'static str) -> impl FnOnce(EngineError) -> RepositoryError + '_ {
        RepositoryError::engine(doing, &self.namespace)
    }

    /// Writes the units that are not written yet; returns the number of those that were.
    async fn write_pages(
        &self,
        reader: &DumpReader,
        pages: Vec<Reference>,
        sink: &dyn RestoreSink,
    ) -> Result<u64, RepositoryError> {
        // One more than there are cores: a writer waits while what it wrote becomes durable.
        let workers = self.options.workers.map_or_else(|| work::default_workers() + 1, NonZeroUsize::get);
        // Decoding and the engine's work run on threads of their own; what is concurrent here only hands segments on.
        let units = futures::stream::iter(pages).map(|page| self.write_unit(reader, page, sink));
        units.buffer_unordered(workers).try_fold(0, |sum, resumed| async move { Ok(sum + resumed) }).await
    }

    /// Writes a unit; returns 1 if an earlier try had written it, else 0.
    async fn write_unit(
        &self,
        reader: &DumpReader,
        reference: Reference,
        sink: &dyn RestoreSink,
    ) -> Result<u64, RepositoryError> {
        let unit = RestoreUnit { page: reference.id, entries: reference.entries };
        let writer = sink.writer(&unit).await.map_err(self.failed("writing"))?;
        let page = reader.page(&reference).await?;
        let Some(mut writer) = writer else {
            self.options.progress.advance(plain_bytes(&page), reference.entries);
            return Ok(1);
        };
        let mut written = 0;
        let mut segments = reader.segments(&reference, page);
        while let Some(ReadSegment { segment, .. }) = segments.try_next().await? {
            let (bytes, entries) = (segment.plaintext().len() as u64, segment.entries());
            writer.write(segment).await.map_err(self.failed("writing"))?;
            self.options.progress.advance(bytes, entries);
            written += entries;
        }
        if written != unit.entries {
            let problem = format!("its segments hold {written} entries, and the root says {}", unit.entries);
            let place = format!("page {}", unit.page);
            return Err(RepositoryError::Inconsistent { place, problem, source: None });
        }
        writer.finish().await.map_err(self.failed("writing"))?;
        Ok(0)
    }

    async fn check_target(&self, restored: &dyn Restored) -> Result<DigestState, RepositoryError> {
        const DOING: &str = "reading back";
        let snapshot: Arc<dyn Snapshot> = Arc::from(restored.snapshot().await.map_err(self.failed(DOING))?);
        let read = DigestOptions {
            workers: self.options.workers,
            limits: self.options.limits,
            progress: self.options.progress.clone(),
        };
        let SourceInfo { namespace, .. } = snapshot.source().clone();
        let found = digest_snapshot(snapshot, DOING, &read).await?.state;
        verify::compare(&self.manifest, &found, &format!("what was restored into namespace {namespace}"))?;
        Ok(found)
    }
}

fn plain_bytes(page: &Page) -> u64 {
    page.references.iter().map(|reference| reference.plain_len).fold(0, u64::saturating_add)
}
