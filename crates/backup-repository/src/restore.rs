//! The restore pump: from a repository to a namespace.

use std::num::NonZeroUsize;
use std::sync::Arc;

use backup_format::{
    DatabaseBackup, DigestState, Limits, Manifest, Page, Reference, RestoreMarker, RestorePlan, RestoreSink,
    RestoreUnit,
};
use futures::{StreamExt, TryStreamExt};

use crate::digest::{DigestOptions, digest_snapshot};
use crate::error::RepositoryError;
use crate::progress::Progress;
use crate::reader::{DumpReader, ReadSegment};
use crate::repository::{Dump, Repository};
use crate::verify;
use crate::work;

/// How a dump is restored.
#[derive(Clone, Debug, Default)]
pub struct RestoreOptions {
    /// Pages that are restored at the same time; `None` means one more than there are cores.
    pub workers: Option<NonZeroUsize>,
    /// Ceilings on what is read.
    pub limits: Limits,
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
    /// Restores a dump into a namespace, which must be empty or carry the marker of this very restore: then this goes on
    /// where that one was.
    ///
    /// Before the first entry is written, all objects of the dump are known to be there; each is checked before it is
    /// used. The digest is recomputed from the target, and only when it is that of the manifest is the marker removed.
    /// When this fails, or is dropped, the target stays marked as half restored.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Engine`], of class `Refused` when the target is not free; [`RepositoryError::MissingObject`] and
    /// the like when the dump is damaged; [`RepositoryError::Different`] when the target does not hold what the dump does.
    pub async fn restore(
        &self,
        dump: &Dump,
        target: &dyn DatabaseBackup,
        options: &RestoreOptions,
    ) -> Result<RestoreReport, RepositoryError> {
        let namespace = target.source().namespace;
        let failed = |doing| RepositoryError::engine(doing, &namespace);
        let marker = RestoreMarker { dump: dump.id };
        target.check_restorable(&marker).await.map_err(failed("restoring into"))?;
        let reader = DumpReader::open(self, dump, options.limits).await?;
        let pages = verify::check_structure(&reader, &dump.manifest).await?;
        if options.dry_run {
            return Ok(RestoreReport { restored: None, pages_resumed: 0 });
        }
        options.progress.phase("restoring", Some(dump.manifest.plain_bytes));
        let plan = plan(&dump.manifest);
        let mut sink = target.restore(&marker, &plan).await.map_err(failed("restoring into"))?;
        let pages_resumed = write_pages(&reader, pages, &*sink, options, &namespace).await?;
        sink.finish().await.map_err(failed("completing"))?;
        let restored = check_target(&dump.manifest, &*sink, options, &namespace).await?;
        sink.publish().await.map_err(failed("publishing"))?;
        Ok(RestoreReport { restored: Some(restored), pages_resumed })
    }
}

fn plan(manifest: &Manifest) -> RestorePlan {
    let Manifest { order, partitions, entries, plain_bytes, .. } = *manifest;
    RestorePlan { order, partitions, entries, plain_bytes }
}

async fn write_pages(
    reader: &DumpReader,
    pages: Vec<Reference>,
    sink: &dyn RestoreSink,
    options: &RestoreOptions,
    namespace: &str,
) -> Result<u64, RepositoryError> {
    // One more than there are cores: a writer waits while what it wrote becomes durable.
    let workers = options.workers.map_or_else(|| work::default_workers() + 1, NonZeroUsize::get);
    // Decoding and the engine's work run on threads of their own; what is concurrent here only hands segments on.
    let written = futures::stream::iter(pages)
        .map(|reference| async move {
            let unit = RestoreUnit { page: reference.id, entries: reference.entries };
            let failed = || RepositoryError::engine("writing", namespace);
            match sink.writer(&unit).await.map_err(failed())? {
                None => {
                    let page = reader.page(&reference).await?;
                    options.progress.advance(plain_bytes(&page), reference.entries);
                    Ok::<_, RepositoryError>(1)
                }
                Some(mut writer) => {
                    let page = reader.page(&reference).await?;
                    let mut segments = reader.segments(&reference, page);
                    while let Some(ReadSegment { segment, .. }) = segments.try_next().await? {
                        let (bytes, entries) = (segment.plaintext().len() as u64, segment.entries());
                        writer.write(segment).await.map_err(failed())?;
                        options.progress.advance(bytes, entries);
                    }
                    writer.finish().await.map_err(failed())?;
                    Ok(0)
                }
            }
        })
        .buffer_unordered(workers);
    written.try_fold(0, |sum, resumed| async move { Ok(sum + resumed) }).await
}

fn plain_bytes(page: &Page) -> u64 {
    page.references.iter().map(|reference| reference.plain_len).sum()
}

async fn check_target(
    manifest: &Manifest,
    sink: &dyn RestoreSink,
    options: &RestoreOptions,
    namespace: &str,
) -> Result<DigestState, RepositoryError> {
    let snapshot =
        Arc::from(sink.snapshot().await.map_err(RepositoryError::engine("reading back", namespace))?);
    let read = DigestOptions {
        workers: options.workers,
        limits: options.limits,
        progress: options.progress.clone(),
    };
    let found = digest_snapshot(snapshot, namespace, "reading back", &read).await?.state;
    verify::compare(manifest, &found, &format!("what was restored into namespace {namespace}"))?;
    Ok(found)
}
