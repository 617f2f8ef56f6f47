//! The export pump: from a dump to the upstream file.

use std::io::Write;

use backup_format::upstream::{Scratch, UpstreamWriter};
use backup_format::{Limits, Manifest, Reference};
use futures::TryStreamExt;

use crate::error::RepositoryError;
use crate::progress::Progress;
use crate::reader::{DumpReader, ReadSegment};
use crate::repository::{Dump, Repository, inventory_of};
use crate::verify;
use crate::work::{Stop, Stopped, Worker};

/// How a dump is exported.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    /// Ceilings on what is read.
    pub limits: Limits,
    /// Receives events.
    pub progress: Progress,
}

impl Repository {
    /// Writes the entries of a dump as the upstream file: BCS of a map of maps. Sorts with scratch files, some twice the size
    /// of the dump together. Returns what was given as `out`; making that durable is the caller's.
    ///
    /// # Errors
    ///
    /// As [`Repository::restore`] for what is read, and [`RepositoryError::Export`] when `out` or a scratch file fails.
    pub async fn export<W, S>(
        &self,
        dump: &Dump,
        out: W,
        scratch: S,
        options: &ExportOptions,
    ) -> Result<W, RepositoryError>
    where
        W: Write + Send + 'static,
        S: Scratch + Send + 'static,
    {
        let (reader, pages) = verify::open_checked(self, dump, options.limits).await?;
        options.progress.phase("exporting", Some(dump.manifest.plain_bytes));
        let stop = Stop::default();
        let export = Export {
            reader,
            manifest: dump.manifest.clone(),
            progress: options.progress.clone(),
            stopped: stop.watch(),
        };
        Worker::spawn(stop.watch(), export.run(pages, UpstreamWriter::new(out, scratch)))?.join().await
    }
}

struct Export {
    reader: DumpReader,
    manifest: Manifest,
    progress: Progress,
    stopped: Stopped,
}

impl Export {
    async fn run<W: Write, S: Scratch>(
        self,
        pages: Vec<Reference>,
        mut writer: UpstreamWriter<W, S>,
    ) -> Result<W, RepositoryError> {
        let failed = |source| RepositoryError::Export { namespace: self.manifest.namespace.clone(), source };
        for reference in &pages {
            let page = self.reader.page(reference).await?;
            let mut segments = self.reader.segments(reference, page);
            while let Some(ReadSegment { segment, .. }) = segments.try_next().await? {
                self.stopped.check()?;
                segment.groups().try_for_each(|group| writer.push(&group)).map_err(failed)?;
                self.progress.advance(segment.plaintext().len() as u64, segment.entries());
            }
        }
        let inventory = inventory_of(&self.manifest)?;
        writer.finish(inventory.partitions, inventory.entries).map_err(failed)
    }
}
