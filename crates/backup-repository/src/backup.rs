//! The backup pump: from a namespace to a repository.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use backup_format::{
    Consistency, DatabaseBackup, DigestState, FormatError, Kind, Level, Limits, Manifest, ObjectId, Order,
    Page, Reference, Snapshot, Source, SourceInfo,
};

use crate::codec::{self, Compression};
use crate::error::RepositoryError;
use crate::index::Known;
use crate::pack_writer::{Gate, PackWriter, Written};
use crate::plausible;
use crate::progress::Progress;
use crate::range;
use crate::repository::Repository;
use crate::share::{self, ShareResult};
use crate::store::Store;
use crate::tally::Tally;
use crate::work::{self, Stop};

/// What a backup may do, and how.
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// How new objects are stored; zstd at level -5 by default.
    pub compression: Compression,
    /// Threads that encode; `None` means one for each core.
    pub workers: Option<NonZeroUsize>,
    /// Ranges of the namespace that are read at the same time, which take some 30 MB of memory each. `None` means one for
    /// every two workers, but at least two where there are two, and none of less than 256 MiB, so one where the engine cannot
    /// estimate; one for every four workers where it reads a range with several requests at a time ([`Order::Token`]).
    pub shares: Option<NonZeroUsize>,
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
    /// Reads and encodes everything, and writes nothing; false by default.
    pub dry_run: bool,
    /// Receives events.
    pub progress: Progress,
}

impl Default for BackupOptions {
    fn default() -> Self {
        Self {
            compression: Compression::default(),
            workers: None,
            shares: None,
            limits: Limits::default(),
            tool: concat!("backup-repository ", env!("CARGO_PKG_VERSION")).to_owned(),
            origin: None,
            annotations: BTreeMap::new(),
            allow_implausible: false,
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
}

/// What the workers of a backup share.
pub(crate) struct Context {
    pub repository: Repository,
    pub snapshot: Arc<dyn Snapshot>,
    pub order: Order,
    pub namespace: String,
    pub known: Known,
    pub options: BackupOptions,
    /// Segments that may wait for encoding or be encoded at a time, for each share.
    pub in_flight: usize,
    pub gate: Gate,
}

impl Context {
    pub(crate) fn pack_writer(&self) -> PackWriter {
        let Repository { store, config, .. } = &self.repository;
        let writes = !self.options.dry_run;
        PackWriter::new(store.clone(), config.pack_target, self.options.progress.clone(), writes)
            .behind(self.gate.clone())
    }

    /// Encodes a page and stores it, unless it is there already; returns the reference to it.
    pub(crate) async fn store_page(
        &self,
        writer: &mut PackWriter,
        page: &Page,
    ) -> Result<Reference, RepositoryError> {
        let place = (&self.repository, &self.known, self.options.compression);
        store_page(place, writer, page).await?.map_err(|source| self.bad_entry(source))
    }

    pub(crate) fn bad_entry(&self, source: FormatError) -> RepositoryError {
        RepositoryError::Entry { namespace: self.namespace.clone(), source }
    }
}

/// Encodes a page and stores it, unless it is there already; returns the reference to it, or why it cannot be encoded.
pub(crate) async fn store_page(
    (repository, known, compression): (&Repository, &Known, Compression),
    writer: &mut PackWriter,
    page: &Page,
) -> Result<Result<Reference, FormatError>, RepositoryError> {
    let plaintext = match page.encode() {
        Ok(plaintext) => plaintext,
        Err(source) => return Ok(Err(source)),
    };
    let id = repository.keys.id(Kind::Page, &plaintext);
    let plain_len = plaintext.len() as u64;
    if known.claim(id) {
        let stored = codec::encode(compression, Kind::Page, id, &plaintext)?;
        writer.push(Kind::Page, id, plain_len, stored).await?;
    }
    let first = page.references.first();
    Ok(Ok(Reference {
        id,
        first_root: first.map(|first| first.first_root.clone()).unwrap_or_default(),
        first_key: first.map(|first| first.first_key.clone()).unwrap_or_default(),
        plain_len,
        entries: page.entries(),
    }))
}

impl Repository {
    /// Dumps a namespace. Objects that the repository holds already are not stored again; so running a backup again that
    /// was killed goes on where that one was.
    ///
    /// Every new object is decoded again from its stored bytes and compared before it is stored, and everything is durable
    /// before the manifest is written, last. When this fails, or is dropped, there is no new dump, and all older ones are
    /// as they were.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Engine`] when the source fails, [`RepositoryError::Entry`] when it holds what cannot go into a
    /// dump, [`RepositoryError::Implausible`], [`RepositoryError::Store`], [`RepositoryError::Metadata`] before anything is read,
    /// [`RepositoryError::Changed`] when the repository is no more what it was.
    pub async fn backup(
        &self,
        database: &dyn DatabaseBackup,
        options: BackupOptions,
    ) -> Result<BackupReport, RepositoryError> {
        let namespace = database.source().namespace;
        let started = now();
        if !options.dry_run {
            self.store.remove_leftovers().await?;
        }
        let index = self.index().await?;
        let failed = |doing| RepositoryError::engine(doing, &namespace);
        let snapshot: Arc<dyn Snapshot> = Arc::from(database.snapshot().await.map_err(failed("opening"))?);
        // Only now is the layout known in any case.
        let info = database.source();
        let estimate = snapshot.estimate().await.map_err(failed("reading"))?;
        let draft = draft(info, &options, (started, snapshot.order(), snapshot.consistency()));
        draft.encode().map_err(|source| RepositoryError::Metadata { source })?;
        options.progress.phase("reading", estimate.plain_bytes);

        let workers = options.workers.map_or_else(work::default_workers, NonZeroUsize::get);
        let default_shares = || work::default_shares(workers, draft.order, estimate.plain_bytes);
        let shares = options.shares.unwrap_or_else(default_shares);
        let shares = snapshot.shares(shares).await.map_err(failed("dividing"))?;
        let context = Arc::new(Context {
            repository: self.clone(),
            order: draft.order,
            namespace: draft.namespace.clone(),
            known: Known::new(index),
            in_flight: workers.div_ceil(shares.len().max(1)).max(2),
            gate: Gate::of(shares.len(), options.shares),
            snapshot,
            options,
        });
        let results = run_shares(&context, shares).await?;
        complete(&context, draft, results).await
    }
}

/// Makes the manifest of an empty dump, from all that is known before anything is read.
pub(crate) fn draft(
    info: SourceInfo,
    options: &BackupOptions,
    (started, order, consistency): (String, Order, Consistency),
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
        digest: nothing.digest(),
        partitions: nothing.partitions,
        entries: nothing.entries,
        lthash: nothing.lthash,
        plain_bytes: 0,
        segments: 0,
        pages: 0,
        finished: started.clone(),
        started,
        consistency,
        contents: Vec::new(),
        source: Source {
            engine: info.engine,
            engine_version: info.engine_version,
            layout: info.layout,
            origin: options.origin.clone(),
        },
        annotations: options.annotations.clone(),
    }
}

async fn run_shares(
    context: &Arc<Context>,
    shares: Vec<backup_format::Share>,
) -> Result<Vec<ShareResult>, RepositoryError> {
    let stop = Stop::default();
    let shares: Arc<[_]> = shares.into();
    let workers = (0..shares.len())
        .map(|index| {
            let worker = share::run(context.clone(), shares.clone(), index, stop.watch());
            work::spawn_worker(stop.watch(), worker)
        })
        .collect();
    work::join_all(workers).await
}

/// Adds the shares up, writes the root page, and last of all the manifest.
async fn complete(
    context: &Context,
    draft: Manifest,
    results: Vec<ShareResult>,
) -> Result<BackupReport, RepositoryError> {
    let mut written = Written::default();
    let mut tally = Tally::default();
    let mut pages = Vec::new();
    let (mut segments, mut plain_bytes) = (0, 0);
    let mut ranges = Vec::with_capacity(results.len());
    for result in results {
        written.add(result.written);
        pages.extend(result.pages);
        segments += result.segments;
        plain_bytes += result.plain_bytes;
        ranges.push((result.range, result.tally));
    }
    let (ranges, tallies): (Vec<_>, Vec<_>) = ranges.into_iter().unzip();
    let (state, goes_on) = range::join(&ranges);
    for (next, goes_on) in tallies.iter().zip(goes_on) {
        tally.add(next, goes_on);
    }

    let page_count = pages.len() as u64;
    let root = Page { level: Level::Root, references: pages };
    let mut writer = context.pack_writer();
    let root = context.store_page(&mut writer, &root).await?;
    let manifest = Manifest {
        root: root.id,
        digest: state.digest(),
        partitions: state.partitions,
        entries: state.entries,
        lthash: state.lthash,
        plain_bytes,
        segments,
        pages: page_count,
        finished: now(),
        // Only now is the engine sure of it.
        consistency: context.snapshot.consistency(),
        contents: tally.contents(),
        ..draft
    };
    if !context.options.allow_implausible {
        plausible::check(&manifest)?;
    }
    written.add(writer.finish().await?);
    publish(context, manifest, written).await
}

async fn publish(
    context: &Context,
    manifest: Manifest,
    written: Written,
) -> Result<BackupReport, RepositoryError> {
    let (dump, json) = manifest.encode().map_err(|source| context.bad_entry(source))?;
    let bytes = json.len() as u64;
    if !context.options.dry_run {
        context.repository.check_unchanged(&[context.known.reused(), written.packs.clone()].concat()).await?;
        context.repository.store.write(&Store::manifest_path(dump), json.into()).await?;
        context.options.progress.stored(bytes);
    }
    Ok(BackupReport {
        dump,
        manifest,
        new_objects: written.objects,
        new_packs: written.packs.len() as u64,
        stored_bytes: written.bytes() + bytes,
    })
}

/// The time in UTC, RFC 3339, to the millisecond: finer than two dumps follow each other.
pub(crate) fn now() -> String {
    let now = time::OffsetDateTime::now_utc();
    let (date, clock) = (now.date(), now.time());
    format!(
        "{date}T{:02}:{:02}:{:02}.{:03}Z",
        clock.hour(),
        clock.minute(),
        clock.second(),
        clock.millisecond()
    )
}
