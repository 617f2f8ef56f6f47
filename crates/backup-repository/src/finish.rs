//! From the records of a job to a dump.

use backup_format::{Limits, Manifest, ObjectId, Page};

use crate::backup::{self, BackupOptions, BackupReport};
use crate::codec::Compression;
use crate::difference::Predecessor;
use crate::error::RepositoryError;
use crate::index::Known;
use crate::job::JobName;
use crate::job_files::{self, Found, JobFiles, refused};
use crate::lineage;
use crate::pack_writer::PackWriter;
use crate::part::{self, Part, PartId, list};
use crate::plausible;
use crate::progress::Progress;
use crate::reader::DumpReader;
use crate::record::{New, Record, RecordHash};
use crate::repository::{Dump, Repository};
use crate::share::barrier_of;
use crate::signed::Statement;
use crate::store_page::store_page;
use crate::verify;
use crate::work;

/// How a job is finished.
#[derive(Clone, Debug)]
pub struct FinishOptions {
    /// How the root page is stored.
    pub compression: Compression,
    /// Ceilings on what is read.
    pub limits: Limits,
    /// Makes a dump also of a namespace that does not seem to be a validator's; false by default.
    pub allow_implausible: bool,
    /// How many percent fewer entries than the dump before it, of the same namespace and layout, a dump may hold: 20 by
    /// default; 100 allows all.
    pub max_shrink_percent: u8,
    /// Checks the records and writes nothing; false by default.
    pub dry_run: bool,
    /// Receives events.
    pub progress: Progress,
}

impl Default for FinishOptions {
    fn default() -> Self {
        Self {
            compression: Compression::default(),
            limits: Limits::default(),
            allow_implausible: false,
            max_shrink_percent: BackupOptions::MAX_SHRINK_PERCENT,
            dry_run: false,
            progress: Progress::default(),
        }
    }
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
    /// [`RepositoryError::Implausible`], [`RepositoryError::Shrunk`]; [`RepositoryError::MissingObject`] and the like when the repository lost what the
    /// shares stored.
    pub async fn finish(
        &self,
        name: &JobName,
        options: &FinishOptions,
    ) -> Result<BackupReport, RepositoryError> {
        let (repository, name, options) = (self.clone(), name.clone(), options.clone());
        work::drive(async move {
            match repository.finish_job(&name, &options).await {
                // What a prune is about to remove is copied first, the second time.
                Err(RepositoryError::Pruned { .. }) => repository.finish_job(&name, &options).await,
                result => result,
            }
        })
        .await
    }

    async fn finish_job(
        &self,
        name: &JobName,
        options: &FinishOptions,
    ) -> Result<BackupReport, RepositoryError> {
        if !options.dry_run {
            self.check_signs()?;
        }
        let Some(files) = JobFiles::find(self, name).await? else {
            let problem = "there is none of that name; it was never begun, or is finished already";
            return Err(refused(name, problem.to_owned()));
        };
        options.progress.phase("adding up", None);
        let (parts, mut new) = read_records(&files).await?;
        let dumps = self.dumps().await?;
        let known = Known::new(self.index().await?);
        let progress = options.progress.clone();
        let mut writer = PackWriter::new(self, progress, !options.dry_run);
        let (root, manifest) = manifest(&files, parts, (&known, &mut writer), options).await?;
        let unpublished = Dump { id: manifest.root, manifest };
        let reader = DumpReader::with_index(self, known.index().clone(), &unpublished, options.limits);
        let requires = backup::requires(reader.reaches_patches(&root).await?);
        let manifest = Manifest { requires, ..unpublished.manifest };
        let manifest = self.seal_manifest(manifest)?;
        let (dump, json) = manifest.encode().map_err(|source| entry(&files, source))?;
        let before = lineage::predecessor(&dumps, &manifest, dump).cloned();
        plausible::check_shrink(&manifest, before.as_ref(), options.max_shrink_percent)?;
        let written = writer.finish().await?;
        let bytes = json.len() as u64;
        new.add(New {
            objects: written.objects,
            packs: written.packs.len() as u64,
            bytes: written.bytes() + bytes,
        });
        if !options.dry_run {
            let unpublished = Dump { id: dump, manifest: manifest.clone() };
            // The shares relied on packs that this process did not see them ask for.
            let packs = self.check_reached(&files, &unpublished, options).await?;
            let signature = self.sign(Statement::Dump, (dump, manifest.sequence), &json)?;
            self.publish((dump, json.into(), signature), &packs).await?;
            options.progress.stored(bytes);
            job_files::remove(self, name).await?;
        }
        let New { objects: new_objects, packs: new_packs, bytes: stored_bytes } = new;
        let warnings = lineage::unreadable(&dumps).into_iter().collect();
        let report = BackupReport {
            dump,
            manifest,
            new_objects,
            new_packs,
            stored_bytes,
            since: None,
            sketch: None,
            warnings,
        };
        let Some(before) = before else { return Ok(report) };
        let reader = DumpReader::with_index(self, known.index().clone(), &before, options.limits);
        let mut predecessor = Predecessor::open(reader, before).await;
        predecessor.push_stored(&root).await;
        Ok(report.since(predecessor.compare(&root).await))
    }

    /// Checks that everything which a dump reaches is there, and that the job is. Returns the packs that hold it.
    async fn check_reached(
        &self,
        files: &JobFiles,
        unpublished: &Dump,
        options: &FinishOptions,
    ) -> Result<Vec<(ObjectId, u64)>, RepositoryError> {
        let index = self.writer_index().await?;
        let reader = DumpReader::with_index(self, index, unpublished, options.limits);
        options.progress.phase("checking structure", None);
        verify::check_structure(&reader, &unpublished.manifest).await?;
        let packs = self.secure(&reader, &unpublished.manifest, &options.progress).await?;
        files.check_there().await?;
        Ok(packs)
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

/// Reads the records of all parts. If some cannot be used, all of them are named.
async fn read_records(files: &JobFiles) -> Result<(Vec<Part>, New), RepositoryError> {
    let (mut parts, mut new) = (Vec::new(), New::default());
    let mut problems = Problems::default();
    let mut hashes: Vec<RecordHash> = Vec::new();
    let mut is_complete = true;
    for phase in files.phases() {
        let barrier = barrier_of(&hashes);
        let ids = files.ids(phase);
        let before = hashes.len();
        for id in &ids {
            let Some((record, hash)) = problems.take(*id, files.look(*id).await?) else { continue };
            hashes.push(hash);
            if record.barrier == barrier {
                new.add(record.new);
                parts.push(record.part);
            } else if is_complete {
                problems.early.push(*id);
            }
        }
        is_complete &= hashes.len() - before == ids.len();
    }
    problems.check(&files.name).map(|()| (parts, new))
}

/// Makes the root page and the manifest, and stores the page.
async fn manifest(
    files: &JobFiles,
    parts: Vec<Part>,
    (known, writer): (&Known, &mut PackWriter),
    options: &FinishOptions,
) -> Result<(Page, Manifest), RepositoryError> {
    let job = &files.job;
    let metadata = BackupOptions {
        tool: job.tool.clone(),
        origin: job.origin.clone(),
        annotations: job.annotations.clone(),
        ..BackupOptions::default()
    };
    let draft = backup::draft(job.source.clone(), &metadata, (job.started.clone(), job.order));
    let draft = Manifest { sequence: job.sequence, previous: job.previous.clone(), ..draft };
    let (engine, namespace) = (job.source.engine.clone(), job.source.namespace.clone());
    let broken = |problem| RepositoryError::Bug { doing: "reading", engine, namespace, problem };
    let (root, manifest) = part::assemble(draft, parts, true).map_err(broken)?;
    let place = (&files.repository, known, options.compression);
    let stored = store_page(place, writer, &root).await?;
    let reference = stored.map_err(|source| entry(files, source))?;
    let manifest = Manifest { root: reference.id, ..manifest };
    if !options.allow_implausible {
        plausible::check(&manifest)?;
    }
    Ok((root, manifest))
}

/// What is in the way of a dump.
#[derive(Default)]
struct Problems {
    missing: Vec<PartId>,
    bad: Vec<String>,
    /// Parts that were begun before the phases before them were complete in their present form.
    early: Vec<PartId>,
}

impl Problems {
    fn take(&mut self, id: PartId, found: Found) -> Option<(Record, RecordHash)> {
        match found {
            Found::Good(record, hash) => return Some((*record, hash)),
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
            problems.push(format!("begun before the phase before was complete: {}", list(&self.early)));
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(refused(name, format!("{}; run these shares again", problems.join("; "))))
    }
}
