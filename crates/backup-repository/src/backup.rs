//! The backup pump: from a namespace to a repository.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use backup_format::pack::PackVersion;
use backup_format::{
    Consistency, DatabaseBackup, DigestState, FormatError, Inventory, Keys, Level, Limits, Manifest,
    ObjectId, Order, Page, ReadPlan, Reference, Snapshot, Source, SourceInfo,
};
use time::OffsetDateTime;

use crate::bases::Bases;
use crate::clock;
use crate::codec::Compression;
use crate::difference::{Difference, Predecessor};
use crate::error::RepositoryError;
use crate::index::{Index, Known};
use crate::last::Retiring;
use crate::lineage::Lineage;
use crate::pack_writer::{Gate, PackWriter, Written};
use crate::part::{self, Part};
use crate::plan;
use crate::plausible;
use crate::progress::Progress;
use crate::read::{self, Phases};
use crate::reader::DumpReader;
use crate::repository::{Dumps, Repository};
use crate::segmenter::Segmenter;
use crate::signed::Statement;
use crate::sketches::{Purpose, SketchReport, Sketches};
use crate::store_page::store_page;
use crate::warning::BackupWarning;
use crate::work::{self, Stop, Worker};

/// What a backup may do, and how.
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// How new objects are stored; zstd at level -5 by default.
    pub compression: Compression,
    /// Threads that encode; `None` means one for each core.
    pub workers: Option<NonZeroUsize>,
    /// Ranges of the namespace that are read at the same time, which take some 30 MB of memory each. `None` means one for
    /// every two workers, but at least two where there are two, and none of less than 256 MiB. So it is one where the engine
    /// cannot estimate. It is fewer where the engine makes several requests for each range.
    pub ranges: Option<NonZeroUsize>,
    /// Ceilings on what is read.
    pub limits: Limits,
    /// Program and version, for the manifest.
    pub tool: String,
    /// The validator's public key, for the manifest.
    pub origin: Option<String>,
    /// Remarks, for the manifest.
    pub annotations: BTreeMap<String, String>,
    /// Makes a dump also of a namespace that does not seem to be a validator's; false by default.
    pub allow_implausible: bool,
    /// How many percent fewer entries than the dump before it, of the same namespace and layout, a dump may hold: 20 by
    /// default; 100 allows all.
    pub max_shrink_percent: u8,
    /// Makes a dump although the clock is more than five minutes behind that of a dump which is there; false by default.
    pub allow_clock_behind: bool,
    /// Stores no segment as a patch of one of the dump before; false by default. Repositories of version 1 have no patches.
    pub whole: bool,
    /// Directory of the sketches of this node, which is made if it is missing: with the sketch of the dump before, patches are made
    /// without reading it. `None` by default. A dump that several processes make has none.
    pub sketch: Option<PathBuf>,
    /// Reads and encodes everything, and writes nothing; false by default.
    pub dry_run: bool,
    /// Receives events.
    pub progress: Progress,
}

impl BackupOptions {
    /// Default of [`BackupOptions::max_shrink_percent`].
    pub const MAX_SHRINK_PERCENT: u8 = 20;
}

impl Default for BackupOptions {
    fn default() -> Self {
        Self {
            compression: Compression::default(),
            workers: None,
            ranges: None,
            limits: Limits::default(),
            tool: concat!("backup-repository ", env!("CARGO_PKG_VERSION")).to_owned(),
            origin: None,
            annotations: BTreeMap::new(),
            allow_implausible: false,
            max_shrink_percent: Self::MAX_SHRINK_PERCENT,
            allow_clock_behind: false,
            whole: false,
            sketch: None,
            dry_run: false,
            progress: Progress::default(),
        }
    }
}

/// What a backup made.
#[derive(Clone, Debug)]
pub struct BackupReport {
    /// Id of the dump. After a dry run there is none of that name.
    pub dump: ObjectId,
    /// Its manifest.
    pub manifest: Manifest,
    /// Objects that were not in the repository before.
    pub new_objects: u64,
    /// Packs that were written.
    pub new_packs: u64,
    /// Bytes of these packs and of the manifest.
    pub stored_bytes: u64,
    /// How it differs from the dump before it, of the same namespace and layout; `None` for the first.
    pub since: Option<Difference>,
    /// The sketch that was written for the next one; `None` where none is kept.
    pub sketch: Option<SketchReport>,
    /// What was odd, and is no reason to stop.
    pub warnings: Vec<BackupWarning>,
}

impl BackupReport {
    pub(crate) fn since(mut self, (difference, warning): (Difference, Option<BackupWarning>)) -> Self {
        self.since = Some(difference);
        self.warnings.extend(warning);
        self
    }
}

/// What was known of the repository before the namespace was opened.
#[derive(Debug)]
pub(crate) struct Seen {
    pub started: OffsetDateTime,
    pub dumps: Dumps,
    pub index: Arc<Index>,
}

impl Seen {
    /// Finds what a dump of a namespace follows, and holds the clock against it.
    pub(crate) fn lineage(
        &self,
        source: &SourceInfo,
        options: &BackupOptions,
    ) -> Result<Lineage, RepositoryError> {
        let mut lineage = Lineage::new(&self.dumps, source, options.origin.as_deref())?;
        lineage.check_clock(&self.dumps, self.started, options.allow_clock_behind)?;
        Ok(lineage)
    }
}

/// What the workers of a backup have in common.
pub(crate) struct Context {
    pub repository: Repository,
    pub keys: Keys,
    pub snapshot: Arc<dyn Snapshot>,
    pub order: Order,
    pub namespace: String,
    pub known: Known,
    pub options: BackupOptions,
    pub predecessor: Option<Predecessor>,
    /// Segments that new ones may be patches of.
    pub bases: Option<Arc<Bases>>,
    pub sketches: Arc<Sketches>,
    pub warnings: Vec<BackupWarning>,
    /// Ranges that are read at a time.
    pub readers: usize,
    /// Segments that may wait for encoding or be encoded at a time, for each range.
    pub in_flight: usize,
    pub gate: Gate,
    /// Makes this the last dump of the namespace.
    pub retiring: Option<Retiring>,
}

impl Context {
    pub(crate) fn new(
        repository: &Repository,
        (snapshot, order): (Arc<dyn Snapshot>, Order),
        (index, options): (Arc<Index>, BackupOptions),
        plan: &ReadPlan,
    ) -> Result<Self, RepositoryError> {
        let workers = options.workers.map_or_else(work::default_workers, NonZeroUsize::get);
        let default = || work::default_readers(workers, plan.requests_per_range);
        let longest = plan.phases.iter().map(Vec::len).max().unwrap_or(1);
        let readers = options.ranges.map_or_else(default, NonZeroUsize::get).min(longest).max(1);
        Ok(Self {
            repository: repository.clone(),
            keys: repository.keys()?.clone(),
            namespace: snapshot.source().namespace.clone(),
            snapshot,
            order,
            known: Known::new(index),
            readers,
            in_flight: workers.div_ceil(readers).max(2),
            gate: Gate::of(readers, options.ranges),
            options,
            predecessor: None,
            bases: None,
            sketches: Arc::default(),
            warnings: Vec::new(),
            retiring: None,
        })
    }

    /// Opens the dump that the new one is compared with.
    async fn follow(&mut self, lineage: Lineage) {
        self.warnings = lineage.warnings;
        if let Some(directory) = &self.options.sketch {
            let purpose =
                Purpose { directory, namespace: &self.namespace, order: self.order, options: &self.options };
            let before = (lineage.predecessor.as_ref(), self.known.index());
            self.sketches = Arc::new(Sketches::begin(&self.repository, &purpose, before));
        }
        if let Some(dump) = lineage.predecessor {
            let index = self.known.index().clone();
            let reader = DumpReader::with_index(&self.repository, index, &dump, self.options.limits);
            let has_patches = self.repository.config.pack_version() == PackVersion::V2;
            // A dump of another order has no neighbours in common with this one.
            let may_read = has_patches && !self.repository.is_locked() && self.sketches.read.is_none();
            if may_read && !self.options.whole && dump.manifest.order == self.order {
                self.bases = Some(Arc::new(Bases::open(reader.clone(), &dump).await));
            }
            self.predecessor = Some(Predecessor::open(reader, dump).await);
        }
    }

    pub(crate) fn pack_writer(&self) -> PackWriter {
        let writes = !self.options.dry_run;
        PackWriter::new(&self.repository, self.options.progress.clone(), writes).behind(self.gate.clone())
    }

    pub(crate) fn segmenter(&self) -> Segmenter {
        Segmenter::new(&self.repository.config, &self.keys, self.order, self.options.limits)
    }

    /// Makes an error of a broken contract.
    pub(crate) fn bug(&self, problem: String) -> RepositoryError {
        bug(&*self.snapshot, problem)
    }

    /// Encodes a page and stores it, unless it is there already; returns the reference to it.
    pub(crate) async fn store_page(
        &self,
        writer: &mut PackWriter,
        page: &Page,
    ) -> Result<Reference, RepositoryError> {
        let place = (&self.repository, &self.known, self.options.compression);
        let reference = store_page(place, writer, page).await?.map_err(|source| self.bad_entry(source))?;
        if let (Some(predecessor), Level::Segments) = (&self.predecessor, page.level) {
            predecessor.push(reference.id, page);
        }
        Ok(reference)
    }

    pub(crate) fn bad_entry(&self, source: FormatError) -> RepositoryError {
        RepositoryError::Entry { namespace: self.namespace.clone(), source }
    }
}

/// Makes an error of a broken contract.
pub(crate) fn bug(snapshot: &dyn Snapshot, problem: String) -> RepositoryError {
    let SourceInfo { engine, namespace, .. } = snapshot.source().clone();
    RepositoryError::Bug { doing: "reading", engine, namespace, problem }
}

impl Repository {
    /// Dumps a namespace. Objects that the repository holds already are not stored again; so running a backup again that
    /// was killed resumes it.
    ///
    /// Every new object is decoded again from its stored bytes and compared before it is stored, and everything is durable
    /// before the manifest is written, last. When this fails, or is dropped, there is no new dump, and all older ones are
    /// as they were. A dropped backup has no threads left when the drop returns.
    ///
    /// When a prune removes packs that the dump relies on, this begins anew by itself, once.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Engine`] when the source fails, [`RepositoryError::Entry`] when it holds what cannot go into a
    /// dump, [`RepositoryError::Bug`] when the engine breaks its contract.
    /// [`RepositoryError::Implausible`], [`RepositoryError::Shrunk`], [`RepositoryError::Store`],
    /// [`RepositoryError::Changed`] when the repository is not what it was, [`RepositoryError::Pruned`] when packs went
    /// away twice. Before anything is read [`RepositoryError::Metadata`], [`RepositoryError::ClockBehind`] and
    /// [`RepositoryError::LastSequence`].
    pub async fn backup(
        &self,
        database: &dyn DatabaseBackup,
        options: BackupOptions,
    ) -> Result<BackupReport, RepositoryError> {
        self.backup_or_again(database, options, None).await
    }

    pub(crate) async fn backup_or_again(
        &self,
        database: &dyn DatabaseBackup,
        options: BackupOptions,
        retiring: Option<Retiring>,
    ) -> Result<BackupReport, RepositoryError> {
        match self.backup_once(database, options.clone(), retiring.clone()).await {
            Err(RepositoryError::Pruned { .. }) => {
                options.progress.phase("beginning anew beside a prune", None);
                self.backup_once(database, options, retiring).await
            }
            result => result,
        }
    }

    async fn backup_once(
        &self,
        database: &dyn DatabaseBackup,
        options: BackupOptions,
        retiring: Option<Retiring>,
    ) -> Result<BackupReport, RepositoryError> {
        let (repository, dry_run) = (self.clone(), options.dry_run);
        let seen = work::drive(async move {
            if !dry_run {
                repository.check_signs()?;
                repository.check_seals()?;
                repository.check_writable().await?;
                repository.store.remove_leftovers().await?;
            }
            repository.seen().await
        });
        let seen = seen.await?;
        let failed = RepositoryError::engine("opening", database.name());
        let snapshot: Arc<dyn Snapshot> = Arc::from(database.snapshot().await.map_err(failed)?);
        let repository = self.clone();
        let backup = async move { repository.backup_snapshot(snapshot, seen, (options, retiring)).await };
        work::drive(backup).await
    }

    /// Reads all that a backup must know before its namespace is opened: what it follows.
    pub(crate) async fn seen(&self) -> Result<Seen, RepositoryError> {
        Ok(Seen { started: self.clock.now(), dumps: self.dumps().await?, index: self.writer_index().await? })
    }

    async fn backup_snapshot(
        &self,
        snapshot: Arc<dyn Snapshot>,
        seen: Seen,
        (options, retiring): (BackupOptions, Option<Retiring>),
    ) -> Result<BackupReport, RepositoryError> {
        let info = snapshot.source().clone();
        let failed = |doing| RepositoryError::engine(doing, &info.namespace);
        let estimate = snapshot.estimate().await.map_err(failed("reading"))?;
        let lineage = seen.lineage(&info, &options)?;
        let draft = draft(info.clone(), &options, (clock::text(seen.started), snapshot.order()));
        let draft = Manifest {
            sequence: lineage.sequence,
            previous: lineage.previous.clone(),
            last: retiring.is_some(),
            ..draft
        };
        draft.encode().map_err(|source| RepositoryError::Metadata { source })?;
        options.progress.phase("reading", estimate);
        let workers = options.workers.map_or_else(work::default_workers, NonZeroUsize::get);
        let ranges = options.ranges.unwrap_or_else(|| work::default_ranges(workers, estimate));
        let plan = snapshot.plan(ranges).await.map_err(failed("dividing"))?;
        plan::check(&plan, draft.order, ranges.get()).map_err(|problem| bug(&*snapshot, problem))?;
        let mut context = Context::new(self, (snapshot, draft.order), (seen.index, options), &plan)?;
        context.retiring = retiring;
        context.follow(lineage).await;
        let context = Arc::new(context);
        let whole = plan.starts_pages;
        let (parts, written) = read_phases(&context, plan).await?;
        let assembled = part::assemble(draft, parts, whole).map_err(|problem| context.bug(problem))?;
        complete(&context, assembled, written).await
    }
}

/// Makes the manifest of an empty dump, from all that is known before anything is read.
pub(crate) fn draft(
    info: SourceInfo,
    options: &BackupOptions,
    (started, order): (String, Order),
) -> Manifest {
    let nothing = DigestState::default();
    Manifest {
        format: Manifest::FORMAT.to_owned(),
        version: 1,
        requires: Vec::new(),
        tool: options.tool.clone(),
        namespace: info.namespace,
        order,
        root: ObjectId([0; 32]),
        inventory: Some(Inventory { annotations: options.annotations.clone(), ..nothing.into() }),
        sealed: None,
        plain_bytes: 0,
        segments: 0,
        pages: 0,
        finished: started.clone(),
        started,
        sequence: 0,
        previous: Vec::new(),
        last: false,
        consistency: Consistency::Fuzzy,
        source: Source {
            engine: info.engine,
            engine_version: info.engine_version,
            layout: info.layout,
            origin: options.origin.clone(),
        },
    }
}

/// Reads one phase after the other; returns the parts of all ranges in the order of the dump.
async fn read_phases(
    context: &Arc<Context>,
    plan: ReadPlan,
) -> Result<(Vec<Part>, Written), RepositoryError> {
    let (mut parts, mut written) = (Vec::new(), Written::default());
    let (starts_pages, count) = (plan.starts_pages, plan.phases.len());
    let mut earlier = Arc::default();
    for (phase, ranges) in (0u8..).zip(plan.phases) {
        let wanted: Vec<usize> = (0..ranges.len()).collect();
        let phases = Phases { earlier, is_followed: usize::from(phase) + 1 < count };
        let runs = plan::runs((phase, &ranges.into()), &wanted, starts_pages, context.readers);
        let stop = Stop::default();
        let workers = runs.into_iter().map(|run| {
            let read = read::read_run(context.clone(), run, (phases.clone(), None), stop.watch());
            Worker::spawn(stop.watch(), read)
        });
        for (more, packs) in work::join_all(workers.collect::<Result<_, _>>()?).await? {
            parts.extend(more);
            written.add(packs);
        }
        earlier = Arc::new(parts.iter_mut().flat_map(|part| std::mem::take(&mut part.partitions)).collect());
    }
    Ok((parts, written))
}

/// Stores the root page, and publishes the manifest.
async fn complete(
    context: &Context,
    (root, manifest): (Page, Manifest),
    mut written: Written,
) -> Result<BackupReport, RepositoryError> {
    let mut writer = context.pack_writer();
    let reference = context.store_page(&mut writer, &root).await?;
    let requires = requires(context.known.reaches_patches());
    let manifest = Manifest { root: reference.id, requires, ..manifest };
    if !context.options.allow_implausible {
        plausible::check(&manifest)?;
    }
    let before = context.predecessor.as_ref().map(|predecessor| &predecessor.dump);
    plausible::check_shrink(&manifest, before, context.options.max_shrink_percent)?;
    written.add(writer.finish().await?);
    let report = publish(context, manifest, written).await?;
    match &context.predecessor {
        Some(predecessor) => Ok(report.since(predecessor.compare(&root).await)),
        None => Ok(report),
    }
}

/// Returns what a reader must know of a dump.
pub(crate) fn requires(reaches_patches: bool) -> Vec<String> {
    if reaches_patches { vec![Manifest::PATCHES.to_owned()] } else { Vec::new() }
}

async fn publish(
    context: &Context,
    manifest: Manifest,
    written: Written,
) -> Result<BackupReport, RepositoryError> {
    let manifest = context.repository.seal_manifest(manifest)?;
    let (dump, json) = manifest.encode().map_err(|source| context.bad_entry(source))?;
    let bytes = json.len() as u64;
    if !context.options.dry_run {
        let packs = [context.known.reused(), written.packs.clone()].concat();
        let place = (dump, manifest.sequence);
        let signature = context.repository.sign(Statement::Dump, place, &json)?;
        let files = (dump, json.into(), signature);
        context.repository.publish_after(files, &packs, context.retiring.as_ref()).await?;
        context.options.progress.stored(bytes);
    }
    let (sketch, sketch_warnings) = context.sketches.finish((!context.options.dry_run).then_some(dump));
    let no_base = context.bases.as_ref().and_then(|bases| bases.warning());
    Ok(BackupReport {
        dump,
        manifest,
        new_objects: written.objects,
        new_packs: written.packs.len() as u64,
        stored_bytes: written.bytes() + bytes,
        since: None,
        sketch,
        warnings: context.warnings.iter().cloned().chain(no_base).chain(sketch_warnings).collect(),
    })
}
