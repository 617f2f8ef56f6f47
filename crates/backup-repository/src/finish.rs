//! From the records of a job to a dump.

use std::collections::BTreeMap;

use backup_format::{Consistency, Content, DigestState, Level, Limits, Manifest, Page, Reference};

use crate::backup::{self, BackupOptions, BackupReport};
use crate::codec::Compression;
use crate::error::RepositoryError;
use crate::index::Known;
use crate::job::JobName;
use crate::job_files::{self, Found, JobFiles, refused};
use crate::job_share::{barrier_of, list};
use crate::pack_writer::PackWriter;
use crate::part::{Part, PartId, Phase};
use crate::plausible;
use crate::progress::Progress;
use crate::reader::DumpReader;
use crate::repository::{Dump, Repository};
use crate::store::Store;
use crate::verify;

/// How a job is finished.
#[derive(Clone, Debug, Default)]
pub struct FinishOptions {
    /// How the root page is stored.
    pub compression: Compression,
    /// Ceilings on what is read.
    pub limits: Limits,
    /// Makes a dump also of a namespace that does not seem to be a validator's; false by default.
    pub allow_implausible: bool,
    /// Checks the records and writes nothing; false by default.
    pub dry_run: bool,
    /// Receives events.
    pub progress: Progress,
}

impl Repository {
    /// Makes the dump of a job whose shares are all done, and removes the records of the job.
    ///
    /// The manifest is the one that a single process would have published, and the same whenever this is called again after
    /// an interruption. Before it is written, every segment and page that it reaches is known to be there.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Job`] when there is no such job, or records are missing, torn or of another job;
    /// [`RepositoryError::Implausible`]; [`RepositoryError::MissingObject`] and the like when the repository lost what the
    /// shares stored.
    pub async fn finish(
        &self,
        name: &JobName,
        options: &FinishOptions,
    ) -> Result<BackupReport, RepositoryError> {
        let Some(files) = JobFiles::find(self, name).await? else {
            let problem =
                "there is none of that name; it was never begun, or is finished: list shows the dumps";
            return Err(refused(name, problem.to_owned()));
        };
        options.progress.phase("adding up", None);
        let sum = Sum::of(&files).await?;
        let known = Known::new(self.index().await?);
        let progress = options.progress.clone();
        let mut writer =
            PackWriter::new(self.store.clone(), self.config.pack_target, progress, !options.dry_run);
        let (manifest, mut report) = sum.manifest(&files, &known, &mut writer, options).await?;
        if !options.allow_implausible {
            plausible::check(&manifest)?;
        }
        let written = writer.finish().await?;
        let (dump, json) = manifest.encode().map_err(|source| entry(&files, source))?;
        let bytes = json.len() as u64;
        report.dump = dump;
        report.new_objects += written.objects;
        report.new_packs += written.packs.len() as u64;
        report.stored_bytes += written.bytes() + bytes;
        if !options.dry_run {
            let unpublished = Dump { id: dump, manifest: manifest.clone() };
            let reader = DumpReader::open(self, &unpublished, options.limits).await?;
            options.progress.phase("checking structure", None);
            verify::check_structure(&reader, &manifest).await?;
            files.check_there().await?;
            self.check_unchanged(&[known.reused(), written.packs].concat()).await?;
            self.store.write(&Store::manifest_path(dump), json.into()).await?;
            options.progress.stored(bytes);
            job_files::remove(self, name).await?;
        }
        Ok(BackupReport { manifest, ..report })
    }

    /// Removes the records of a job without a dump; returns their number. What its shares stored stays: other dumps may
    /// use it.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Store`].
    pub async fn discard_job(&self, name: &JobName) -> Result<u64, RepositoryError> {
        job_files::remove(self, name).await
    }
}

fn entry(files: &JobFiles, source: backup_format::FormatError) -> RepositoryError {
    RepositoryError::Entry { namespace: files.job.source.namespace.clone(), source }
}

/// All parts of a job together.
struct Sum {
    state: DigestState,
    plain_bytes: u64,
    segments: u64,
    contents: BTreeMap<String, Content>,
    pages: Vec<Reference>,
    consistency: Consistency,
    finished: String,
    new: (u64, u64, u64),
}

impl Sum {
    /// Reads the records of all parts. If some cannot be used, all of them are named.
    async fn of(files: &JobFiles) -> Result<Self, RepositoryError> {
        let mut sum = Self {
            state: DigestState::default(),
            plain_bytes: 0,
            segments: 0,
            contents: BTreeMap::new(),
            pages: Vec::new(),
            consistency: Consistency::Causal,
            finished: files.job.started.clone(),
            new: (0, 0, 0),
        };
        let mut problems = Problems::default();
        let mut hashes = Vec::new();
        for id in files.ids(Phase::First) {
            if let Some((part, hash)) = problems.take(id, files.look(id).await?) {
                hashes.push(hash);
                sum.add(part);
            }
        }
        let barrier = barrier_of(&hashes);
        let is_complete = hashes.len() as u64 == files.job.first;
        for id in files.ids(Phase::Second) {
            match problems.take(id, files.look(id).await?) {
                Some((part, _)) if part.barrier == barrier => sum.add(part),
                Some(_) if is_complete => problems.early.push(id),
                _ => {}
            }
        }
        problems.check(&files.name).map(|()| sum)
    }

    fn add(&mut self, part: Part) {
        self.state.add(&part.state);
        self.plain_bytes = self.plain_bytes.saturating_add(part.plain_bytes);
        self.segments = self.segments.saturating_add(part.segments);
        for content in part.contents {
            let kind = content.kind.clone();
            let nothing = Content { kind: kind.clone(), partitions: 0, entries: 0, plain_bytes: 0 };
            let sum = self.contents.entry(kind).or_insert(nothing);
            sum.partitions = sum.partitions.saturating_add(content.partitions);
            sum.entries = sum.entries.saturating_add(content.entries);
            sum.plain_bytes = sum.plain_bytes.saturating_add(content.plain_bytes);
        }
        self.pages.extend(part.pages);
        self.consistency = self.consistency.min(part.consistency);
        self.finished = std::mem::take(&mut self.finished).max(part.finished);
        let (objects, packs, bytes) = self.new;
        self.new = (
            objects.saturating_add(part.new_objects),
            packs.saturating_add(part.new_packs),
            bytes.saturating_add(part.stored_bytes),
        );
    }

    /// Makes the root page and the manifest.
    async fn manifest(
        self,
        files: &JobFiles,
        known: &Known,
        writer: &mut PackWriter,
        options: &FinishOptions,
    ) -> Result<(Manifest, BackupReport), RepositoryError> {
        let job = &files.job;
        let pages = self.pages.len() as u64;
        let root = Page { level: Level::Root, references: self.pages };
        let place = (&files.repository, known, options.compression);
        let root = backup::store_page(place, writer, &root).await?.map_err(|source| entry(files, source))?;
        let metadata = BackupOptions {
            tool: job.tool.clone(),
            origin: job.origin.clone(),
            annotations: job.annotations.clone(),
            ..BackupOptions::default()
        };
        let draft =
            backup::draft(job.source.clone(), &metadata, (job.started.clone(), job.order, self.consistency));
        let manifest = Manifest {
            root: root.id,
            digest: self.state.digest(),
            partitions: self.state.partitions,
            entries: self.state.entries,
            lthash: self.state.lthash,
            plain_bytes: self.plain_bytes,
            segments: self.segments,
            pages,
            finished: self.finished,
            contents: self.contents.into_values().collect(),
            ..draft
        };
        let (new_objects, new_packs, stored_bytes) = self.new;
        let dump = root.id;
        Ok((manifest.clone(), BackupReport { dump, manifest, new_objects, new_packs, stored_bytes }))
    }
}

/// What is in the way of a dump.
#[derive(Default)]
struct Problems {
    missing: Vec<PartId>,
    bad: Vec<String>,
    /// Parts of the second phase that were begun before the first was complete in its present form.
    early: Vec<PartId>,
}

impl Problems {
    fn take(&mut self, id: PartId, found: Found) -> Option<(Part, [u8; 32])> {
        match found {
            Found::Good(part, hash) => return Some((*part, hash)),
            Found::Missing => self.missing.push(id),
            Found::Bad(problem) => self.bad.push(problem),
        }
        None
    }

    fn check(self, name: &JobName) -> Result<(), RepositoryError> {
        const SHOWN: usize = 5;
        let mut problems: Vec<String> = self.bad.iter().take(SHOWN).cloned().collect();
        if let Some(more @ 1..) = self.bad.len().checked_sub(SHOWN) {
            problems.push(format!("{more} more records are like that"));
        }
        if !self.missing.is_empty() {
            problems.insert(0, format!("not read yet: {}", list(&self.missing)));
        }
        if !self.early.is_empty() {
            problems.push(format!("begun before the first phase was complete: {}", list(&self.early)));
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(refused(name, format!("{}; run these shares again", problems.join("; "))))
    }
}
