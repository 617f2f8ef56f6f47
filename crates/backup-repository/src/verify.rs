//! The verify pump: whether a dump is what it was.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;

use backup_format::{
    DigestState, FormatError, Limits, Manifest, ObjectId, Order, Page, Reference, ReferenceOrder,
};
use futures::{StreamExt, TryStreamExt};

use crate::check::{self, CheckedPage, PageCheck};
use crate::error::RepositoryError;
use crate::pack_check::{Begun, check_names};
use crate::progress::Progress;
use crate::range;
use crate::reader::{DumpReader, inconsistent};
use crate::repository::{Dump, Repository, inventory_of};
use crate::store::Store;
use crate::work::{self, Stop, Worker};

/// Packs that are read at a time for each worker: one is hashed while another is read.
pub(crate) const PACKS_PER_WORKER: usize = 2;

/// How thoroughly a dump is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VerifyLevel {
    /// 1: the manifest, the tables of all packs and all pages are good, and all segments are in packs.
    Structure,
    /// 2: everything is read: names of packs, ids, order, cuts, counts, digest.
    #[default]
    Content,
}

/// One of several parts of the work, so that it can be spread over days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subset {
    part: u64,
    of: u64,
}

impl FromStr for Subset {
    type Err = String;

    /// Reads `I/N` with I from 1 to N.
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers =
            text.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((part, of)) if (1..=of).contains(&part) => Ok(Self { part, of }),
            _ => Err(format!("{text:?}: expected I/N with I from 1 to N, like 3/7")),
        }
    }
}

impl std::fmt::Display for Subset {
    /// Writes `I/N`.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}", self.part, self.of)
    }
}

impl Subset {
    /// Returns N.
    pub(crate) fn of(self) -> u64 {
        self.of
    }

    /// Returns the part of `count` neighbours that is this one, when they are divided evenly.
    pub(crate) fn range(self, count: usize) -> std::ops::Range<usize> {
        let end = |part: u64| {
            let end = count as u128 * u128::from(part) / u128::from(self.of.max(1));
            usize::try_from(end).unwrap_or(count)
        };
        end(self.part - 1)..end(self.part)
    }

    fn has(self, index: u64) -> bool {
        index % self.of == self.part - 1
    }

    /// Returns true if a pack, or a dump, is in this part. Their names are spread evenly.
    pub(crate) fn has_name(self, name: ObjectId) -> bool {
        let start = name.0.first_chunk().copied().unwrap_or_default();
        self.has(u64::from_le_bytes(start))
    }
}

/// How a dump is verified.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// How thoroughly.
    pub level: VerifyLevel,
    /// Reads only a part of packs and pages at level 2; the digest is not computed then. `None` means all.
    pub subset: Option<Subset>,
    /// Packs and pages that are checked at the same time; `None` means one for each core, and one page more.
    pub workers: Option<NonZeroUsize>,
    /// Ceilings on what is read.
    pub limits: Limits,
    /// Receives events.
    pub progress: Progress,
}

/// What was verified. Damage is not reported here: it is an error.
#[derive(Clone, Debug, Default)]
pub struct VerifyReport {
    /// Pages of level 0 whose segments are known to be there.
    pub pages: u64,
    /// Packs that were read whole.
    pub packs_read: u64,
    /// Segments that were read and decoded.
    pub segments_read: u64,
    /// The digest recomputed from the entries; `None` at level 1, for a subset, and where the content is sealed.
    pub digest: Option<DigestState>,
    /// Whether the content could not be checked, because it is sealed and no identity was given.
    pub is_sealed: bool,
}

impl Repository {
    /// Verifies a dump, and that no pack of the repository is damaged.
    ///
    /// # Errors
    ///
    /// The first damage found, as an error of class `Damaged`: [`RepositoryError::Damaged`],
    /// [`RepositoryError::WrongName`], [`RepositoryError::MissingObject`], [`RepositoryError::BadObject`],
    /// [`RepositoryError::BadChain`],
    /// [`RepositoryError::Inconsistent`] or [`RepositoryError::Different`].
    pub async fn verify(
        &self,
        dump: &Dump,
        options: &VerifyOptions,
    ) -> Result<VerifyReport, RepositoryError> {
        let (repository, dump, options) = (self.clone(), dump.clone(), options.clone());
        work::drive(async move { repository.verify_dump(&dump, &options).await }).await
    }

    async fn verify_dump(
        &self,
        dump: &Dump,
        options: &VerifyOptions,
    ) -> Result<VerifyReport, RepositoryError> {
        let reader = DumpReader::open(self, dump, options.limits).await?;
        options.progress.phase("checking structure", None);
        check_tables(&reader)?;
        if self.is_locked() {
            return verify_sealed(&reader, &dump.manifest, options).await;
        }
        let pages = check_structure(&reader, &dump.manifest).await?;
        let mut report = VerifyReport { pages: pages.len() as u64, ..VerifyReport::default() };
        if options.level == VerifyLevel::Structure {
            return Ok(report);
        }
        options.progress.phase("reading segments", Some(dump.manifest.plain_bytes));
        match options.subset {
            None => {
                let begun = Arc::new(Begun::new(self.store.clone(), reader.index.clone()));
                let (state, segments) = check_all(&reader, dump, (pages, &begun), options).await?;
                (report.digest, report.segments_read) = (Some(state), segments);
                // Packs of other dumps alone, and those without segments.
                check_packs(&reader, |pack| !begun.has_checked(pack), options).await?;
                report.packs_read = reader.index.packs().len() as u64;
            }
            Some(subset) => {
                report.segments_read = check_some(&reader, pages, subset, options).await?;
                check_packs(&reader, |pack| subset.has_name(pack), options).await?;
                let packs = reader.index.packs().iter();
                report.packs_read = packs.filter(|(pack, _)| subset.has_name(*pack)).count() as u64;
            }
        }
        Ok(report)
    }
}

/// Verifies what can be without an identity: that everything is there, and that packs are what their names say.
async fn verify_sealed(
    reader: &DumpReader,
    manifest: &Manifest,
    options: &VerifyOptions,
) -> Result<VerifyReport, RepositoryError> {
    let pages = check_reached(reader, manifest).await?;
    let mut report = VerifyReport { pages, is_sealed: true, ..VerifyReport::default() };
    if options.level == VerifyLevel::Content {
        let is_wanted = |pack| options.subset.is_none_or(|subset| subset.has_name(pack));
        check_packs(reader, is_wanted, options).await?;
        report.packs_read = reader.index.packs().iter().filter(|(pack, _)| is_wanted(*pack)).count() as u64;
    }
    Ok(report)
}

/// Reports the first pack whose table cannot be used.
fn check_tables(reader: &DumpReader) -> Result<(), RepositoryError> {
    match reader.index.damaged().first() {
        Some((pack, error)) => {
            Err(RepositoryError::Damaged { path: Store::pack_path(*pack), source: again(error) })
        }
        None => Ok(()),
    }
}

/// Makes the same error of a table once more.
pub(crate) fn again(error: &FormatError) -> FormatError {
    match error {
        FormatError::Malformed { object, offset, problem } => {
            FormatError::Malformed { object, offset: *offset, problem: problem.clone() }
        }
        FormatError::TooLong { object, offset, what, found, limit } => {
            FormatError::TooLong { object, offset: *offset, what, found: *found, limit: *limit }
        }
        other => FormatError::Malformed { object: "pack", offset: 0, problem: other.to_string() },
    }
}

/// What the pages of a dump refer to so far.
struct Structure {
    order: ReferenceOrder,
    segments: u64,
    plain_bytes: u64,
}

impl Structure {
    fn new(order: Order) -> Self {
        Self { order: ReferenceOrder::new(order), segments: 0, plain_bytes: 0 }
    }

    fn add(&mut self, id: ObjectId, page: &Page) -> Result<(), RepositoryError> {
        for (index, segment) in page.references.iter().enumerate() {
            let place = || format!("page {id}");
            self.order.advance(segment, index == 0).map_err(|source| inconsistent(place(), source))?;
            self.segments += 1;
            self.plain_bytes = self.plain_bytes.saturating_add(segment.plain_len);
        }
        Ok(())
    }
}

/// Opens a dump and checks its structure, before its content is moved anywhere. Returns also the references to the pages.
pub(crate) async fn open_checked(
    repository: &Repository,
    dump: &Dump,
    limits: Limits,
) -> Result<(DumpReader, Vec<Reference>), RepositoryError> {
    let (repository, dump) = (repository.clone(), dump.clone());
    repository.check_opens("reading a dump")?;
    work::drive(async move {
        let reader = DumpReader::open(&repository, &dump, limits).await?;
        let pages = check_structure(&reader, &dump.manifest).await?;
        Ok((reader, pages))
    })
    .await
}

/// Reads the pages of a dump; checks that all segments are in packs, and that the entries by which they are referred to
/// increase. So no segment is read for two references. Returns the references to the pages.
pub(crate) async fn check_structure(
    reader: &DumpReader,
    manifest: &Manifest,
) -> Result<Vec<Reference>, RepositoryError> {
    let root = reader.root(manifest).await?;
    let pages = root.references.iter().cloned();
    let pages = futures::stream::iter(pages)
        .map(|reference| async move {
            let page = reader.page(&reference).await?;
            reader.check_present(&reference, &page)?;
            Ok::<_, RepositoryError>((reference.id, page))
        })
        .buffered(8);
    let add = |mut sum: Structure, (id, page)| async move {
        sum.add(id, &page)?;
        Ok(sum)
    };
    let Structure { segments, plain_bytes, .. } = pages.try_fold(Structure::new(reader.order), add).await?;
    if (segments, plain_bytes) != (manifest.segments, manifest.plain_bytes) {
        let problem = format!(
            "its pages refer to {segments} segments of {plain_bytes} bytes, the manifest says {} of {}",
            manifest.segments, manifest.plain_bytes
        );
        return Err(RepositoryError::Inconsistent { place: "the dump".to_owned(), problem, source: None });
    }
    Ok(root.references)
}

/// Checks that all that a dump reaches is in packs, as far as that can be known without an identity where it is sealed. Returns the number of
/// its pages.
pub(crate) async fn check_reached(reader: &DumpReader, manifest: &Manifest) -> Result<u64, RepositoryError> {
    if !reader.repository.is_locked() {
        return Ok(check_structure(reader, manifest).await?.len() as u64);
    }
    let pages = reader.page_ids(manifest.root, "the manifest").await?;
    let segments = futures::stream::iter(pages.iter().copied())
        .map(|id| async move { Ok::<_, RepositoryError>(reader.segment_ids(id).await?.len() as u64) })
        .buffered(8)
        .try_fold(0_u64, |sum, count| async move { Ok(sum.saturating_add(count)) })
        .await?;
    let count = pages.len() as u64;
    if (count, segments) == (manifest.pages, manifest.segments) {
        return Ok(count);
    }
    let problem = format!(
        "{count} pages with {segments} segments were found, the manifest says {} with {}",
        manifest.pages, manifest.segments
    );
    Err(RepositoryError::Inconsistent { place: "the dump".to_owned(), problem, source: None })
}

/// Checks the names of the packs that `wanted` names.
async fn check_packs(
    reader: &DumpReader,
    wanted: impl Fn(ObjectId) -> bool,
    options: &VerifyOptions,
) -> Result<(), RepositoryError> {
    options.progress.phase("checking packs", None);
    let workers = options.workers.map_or_else(work::default_workers, NonZeroUsize::get);
    let packs = reader.index.packs().iter().copied().filter(|(pack, _)| wanted(*pack));
    let (stop, at_once) = (Stop::default(), workers.saturating_mul(PACKS_PER_WORKER));
    let checks = check_names(&reader.repository, packs.collect(), (&stop, at_once));
    checks
        .map(|(_, checked)| checked)
        .try_for_each(|bytes| async move {
            options.progress.advance(bytes, 0);
            Ok(())
        })
        .await
}

/// Reads all segments and compares the digest with that of the manifest.
async fn check_all(
    reader: &DumpReader,
    dump: &Dump,
    (pages, begun): (Vec<Reference>, &Arc<Begun>),
    options: &VerifyOptions,
) -> Result<(DigestState, u64), RepositoryError> {
    let indices: Vec<_> = (0..pages.len()).collect();
    let checked = check_pages(reader, pages, indices, Some(begun.clone()), options).await?;
    check::neighbours(reader.order, &checked)?;
    let segments = checked.iter().map(|page| page.segments).sum();
    let ranges: Vec<_> = checked.into_iter().map(|page| page.range).collect();
    let (state, _) = range::join(&ranges);
    compare(&dump.manifest, &state, "what its segments hold")?;
    Ok((state, segments))
}

/// Reads the segments of some pages.
async fn check_some(
    reader: &DumpReader,
    pages: Vec<Reference>,
    subset: Subset,
    options: &VerifyOptions,
) -> Result<u64, RepositoryError> {
    let indices = (0..pages.len()).filter(|index| subset.has(*index as u64)).collect();
    let checked = check_pages(reader, pages, indices, None, options).await?;
    Ok(checked.iter().map(|page| page.segments).sum())
}

/// Checks the pages at `indices` side by side; `whole` is set when these are all.
async fn check_pages(
    reader: &DumpReader,
    pages: Vec<Reference>,
    indices: Vec<usize>,
    whole: Option<Arc<Begun>>,
    options: &VerifyOptions,
) -> Result<Vec<CheckedPage>, RepositoryError> {
    let stop = Stop::default();
    let pages: Arc<[Reference]> = pages.into();
    // By default one more than there are cores: it computes while others wait for what they read.
    let workers = options.workers.map_or_else(|| work::default_workers() + 1, NonZeroUsize::get);
    let checks = indices.into_iter().map(|index| {
        let (progress, stopped) = (options.progress.clone(), stop.watch());
        let check = PageCheck::new(reader.clone(), pages.clone(), index, whole.clone(), progress, stopped);
        let stopped = stop.watch();
        async move { Worker::spawn(stopped, check?.run())?.join().await }
    });
    work::collect(futures::stream::iter(checks).buffered(workers)).await
}

/// Compares what was found somewhere with what the manifest says.
pub(crate) fn compare(manifest: &Manifest, found: &DigestState, what: &str) -> Result<(), RepositoryError> {
    let expected = inventory_of(manifest)?.digest_state();
    if *found == expected {
        return Ok(());
    }
    Err(RepositoryError::Different {
        what: what.to_owned(),
        expected: expected.digest(),
        expected_entries: expected.entries,
        expected_partitions: expected.partitions,
        found: found.digest(),
        found_entries: found.entries,
        found_partitions: found.partitions,
    })
}
