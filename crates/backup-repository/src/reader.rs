//! Reading objects of a dump: found by the index, decoded, checked.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use backup_format::{
    FormatError, Kind, Level, Limits, Manifest, ObjectId, Order, Page, Reference, Segment, limits,
};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use tokio::task::spawn_blocking;

use crate::chain::{self, PatchBytes};
use crate::codec::{self, Problem};
use crate::error::{RepositoryError, is_damage, may_be_right_elsewhere, worse};
use crate::index::{Index, Location};
use crate::reload::Latest;
use crate::repository::{Dump, Repository, inventory_of};
use crate::run::{self, Parts, Run};
use crate::sealed_page;
use crate::store::Store;
use crate::twice::read_twice;

/// Stored bytes that are read at once, unless one object is longer.
const RUN_BYTES: u64 = 1 << 20;
/// Packs of a run that are read at the same time.
const PACKS: usize = 8;
/// Runs that are read and decoded ahead: with two, the one that is checked often waits for both.
const AHEAD: usize = 3;

/// Reads the objects of one dump.
#[derive(Clone, Debug)]
pub(crate) struct DumpReader {
    pub repository: Repository,
    pub index: Arc<Index>,
    pub latest: Latest,
    pub order: Order,
    pub limits: Limits,
    /// Runs of segments that are read and decoded ahead.
    pub ahead: usize,
    /// Whether [`ReadSegment::stored`] is wanted; false at first.
    pub keeps_stored: bool,
}

/// A segment, and what it was decoded from if that is wanted.
pub(crate) struct ReadSegment {
    pub segment: Segment,
    /// Of a patch that and its bases.
    pub stored: Vec<StoredAt>,
    pub patch_bytes: PatchBytes,
}

/// Stored bytes of an object, and where they lie.
pub(crate) struct StoredAt {
    pub pack: ObjectId,
    pub offset: u64,
    pub bytes: Bytes,
}

impl DumpReader {
    pub(crate) async fn open(
        repository: &Repository,
        dump: &Dump,
        limits: Limits,
    ) -> Result<Self, RepositoryError> {
        Ok(Self::with_index(repository, repository.index().await?, dump, limits))
    }

    /// Reads a dump with tables that were read before.
    pub(crate) fn with_index(
        repository: &Repository,
        index: Arc<Index>,
        dump: &Dump,
        limits: Limits,
    ) -> Self {
        Self::in_order(repository, index, dump.manifest.order, limits)
    }

    /// Reads what is ordered like this.
    pub(crate) fn in_order(repository: &Repository, index: Arc<Index>, order: Order, limits: Limits) -> Self {
        let (repository, latest) = (repository.clone(), Latest::new(index.clone()));
        Self { repository, index, latest, order, limits, ahead: AHEAD, keeps_stored: false }
    }

    /// Reads the root page and checks that it fits the manifest.
    pub(crate) async fn root(&self, manifest: &Manifest) -> Result<Page, RepositoryError> {
        // The manifest does not say how long the root is: the table does.
        let root = self.read_page((manifest.root, None), Level::Root, "the manifest").await?;
        check_root(&root, manifest)?;
        Ok(root)
    }

    /// Reads a page of level 0 and checks that it fits the reference to it.
    pub(crate) async fn page(&self, reference: &Reference) -> Result<Page, RepositoryError> {
        let object = (reference.id, Some(reference.plain_len));
        let page = self.read_page(object, Level::Segments, "the root page").await?;
        let place = || format!("page {}", reference.id);
        let first = page.references.first();
        let fits = first.is_some_and(|first| {
            first.first_root == reference.first_root && first.first_key == reference.first_key
        });
        if !fits || page.entries() != reference.entries {
            let problem = format!(
                "the root page says {} entries, it has {}; or its first entry is another one",
                reference.entries,
                page.entries()
            );
            return Err(RepositoryError::Inconsistent { place: place(), problem, source: None });
        }
        Ok(page)
    }

    /// Reads a page from the first of its places where it is right. Without `plain_len` that of the table counts.
    pub(crate) async fn read_page_here(
        &self,
        (id, plain_len): (ObjectId, Option<u64>),
        level: Level,
        needed_by: &str,
    ) -> Result<Page, RepositoryError> {
        self.find(Kind::Page, id, needed_by)?;
        let mut first_error = None;
        self.repository.check_opens("reading a page")?;
        for location in self.index.find(id) {
            let plain_len = plain_len.unwrap_or(location.plain_len);
            let path = Store::pack_path(location.pack);
            let read = || self.repository.store.read_range(&path, location.range());
            let decode = |stored: Bytes| {
                std::future::ready(self.decode_page((id, plain_len), &location, &stored, level))
            };
            match read_twice(&self.repository.store, &path, read, decode).await {
                Err(error) if may_be_right_elsewhere(&error) => first_error = worse(first_error, error),
                page => return page,
            }
        }
        Err(first_error.unwrap_or(RepositoryError::Stopped))
    }

    /// Checks that the segments of a page are in packs, and the bases of those that are patches.
    pub(crate) fn check_present(&self, page: &Reference, segments: &Page) -> Result<(), RepositoryError> {
        let needed_by = format!("page {}", page.id);
        let mut segments = segments.references.iter();
        segments.try_for_each(|segment| self.find_chain(segment.id, &needed_by).map(drop))
    }

    /// Finds a segment, and the bases of one that is stored as a patch.
    pub(crate) fn find_chain(&self, id: ObjectId, needed_by: &str) -> Result<Vec<Location>, RepositoryError> {
        let first = self.find(Kind::Segment, id, needed_by)?;
        let found = self.index.find(id).find_map(|place| self.index.chain(place).ok());
        found.map_or_else(|| self.chain(id, first), Ok)
    }

    /// Follows the bases of a segment from one of its places.
    pub(crate) fn chain(&self, id: ObjectId, place: Location) -> Result<Vec<Location>, RepositoryError> {
        self.index.chain(place).map_err(|problem| {
            let (pack, damaged) = (Store::pack_path(place.pack), self.damaged());
            let problem = format!("in {pack} at byte {}, and {problem}{damaged}", place.offset);
            RepositoryError::BadChain { id, problem, source: None }
        })
    }

    /// Returns true if the pages beneath a root refer to a segment that is stored as a patch.
    pub(crate) async fn reaches_patches(&self, root: &Page) -> Result<bool, RepositoryError> {
        if !self.index.has_patches() {
            return Ok(false);
        }
        for reference in &root.references {
            let needed_by = format!("page {}", reference.id);
            for segment in &self.page(reference).await?.references {
                if self.find_chain(segment.id, &needed_by)?.len() > 1 {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Reads the segments of a page in their order, some ahead, each checked by itself and against its reference.
    pub(crate) fn segments(
        &self,
        page: &Reference,
        segments: Page,
    ) -> BoxStream<'static, Result<ReadSegment, RepositoryError>> {
        let runs = self.runs(segments, &format!("page {}", page.id));
        let reader = self.clone();
        let decoded = futures::stream::iter(runs).map(move |run| {
            let reader = reader.clone();
            async move { reader.read_run(run?).await }
        });
        decoded
            .buffered(self.ahead)
            .map_ok(|segments| futures::stream::iter(segments.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
    }

    /// Groups references into runs that one request can fetch.
    fn runs(&self, page: Page, needed_by: &str) -> Vec<Result<Run, RepositoryError>> {
        let mut runs: Vec<Result<Run, RepositoryError>> = Vec::new();
        let mut bytes = 0;
        for reference in page.references {
            let chain = match self.find_chain(reference.id, needed_by) {
                Ok(chain) => chain,
                Err(error) => {
                    runs.push(Err(error));
                    break;
                }
            };
            let more: u64 = chain.iter().map(|place| place.stored_len).sum();
            bytes += more;
            match runs.last_mut() {
                Some(Ok(run)) if bytes <= RUN_BYTES && run.takes(&chain) => {
                    run.objects.push((reference, chain));
                }
                _ => {
                    bytes = more;
                    runs.push(Ok(Run { objects: vec![(reference, chain)] }));
                }
            }
        }
        runs
    }

    /// Reads a run; when that fails and some of it lies elsewhere too, each segment from the first place where it is right.
    pub(crate) async fn read_run_here(self, run: Run) -> Result<Vec<ReadSegment>, RepositoryError> {
        self.repository.check_opens("reading a segment")?;
        let ids = run.objects.iter().map(|(reference, _)| reference.id);
        let has_copies = ids.clone().any(|id| self.index.find(id).nth(1).is_some());
        if !run.has_patches() && !has_copies {
            return self.read_at(run).await;
        }
        match self.clone().read_at(run.clone()).await {
            Err(error) if may_be_right_elsewhere(&error) && (has_copies || is_damage(&error)) => {}
            result => return result,
        }
        let mut segments = Vec::with_capacity(run.objects.len());
        for (reference, _) in run.objects {
            segments.extend(self.read_anywhere(reference).await?);
        }
        Ok(segments)
    }

    /// Reads a segment from the first of its places where it is right.
    pub(crate) async fn read_anywhere(
        &self,
        reference: Reference,
    ) -> Result<Vec<ReadSegment>, RepositoryError> {
        let places: Vec<Location> = self.index.find(reference.id).collect();
        let mut first_error = None;
        for place in &places {
            let chain = match self.chain(reference.id, *place) {
                Ok(chain) => chain,
                Err(error) => {
                    first_error = first_error.or(Some(error));
                    continue;
                }
            };
            match self.clone().read_at(Run { objects: vec![(reference.clone(), chain)] }).await {
                Err(error) if may_be_right_elsewhere(&error) => first_error = worse(first_error, error),
                result => return result,
            }
        }
        if places.iter().any(Location::is_patch) && first_error.as_ref().is_none_or(is_damage) {
            let segment = chain::read_link_by_link(self, reference.id).await?;
            let segment = self.check_segment(&reference, segment)?;
            return Ok(vec![ReadSegment { segment, stored: Vec::new(), patch_bytes: PatchBytes::default() }]);
        }
        Err(first_error.unwrap_or(RepositoryError::Stopped))
    }

    /// Reads a segment and its chain from their first places, and from nowhere else.
    pub(crate) async fn read_chain(
        &self,
        reference: &Reference,
        chain: Vec<Location>,
    ) -> Result<ReadSegment, RepositoryError> {
        let run = Run { objects: vec![(reference.clone(), chain)] };
        self.clone().read_at(run).await?.pop().ok_or(RepositoryError::Stopped)
    }

    /// Reads a run from its packs.
    async fn read_at(self, run: Run) -> Result<Vec<ReadSegment>, RepositoryError> {
        let ranges = run.ranges();
        let Some(pack) = ranges.keys().next() else { return Ok(Vec::new()) };
        let (path, run) = (Store::pack_path(*pack), Arc::new(run));
        let read = || self.read_parts(&ranges);
        let decode = |parts: Parts| {
            let (reader, run) = (self.clone(), run.clone());
            async move { spawn_blocking(move || reader.decode_run(&run, &parts)).await? }
        };
        read_twice(&self.repository.store, &path, read, decode).await
    }

    async fn read_parts(
        &self,
        ranges: &BTreeMap<ObjectId, Vec<Range<u64>>>,
    ) -> Result<Parts, RepositoryError> {
        let packs = futures::stream::iter(ranges.clone()).map(|(pack, ranges)| async move {
            let bytes = self.repository.store.read_ranges(&Store::pack_path(pack), &ranges).await?;
            let starts = ranges.iter().map(|range| (pack, range.start));
            Ok::<_, RepositoryError>(starts.zip(bytes).collect::<Vec<_>>())
        });
        let add = |mut parts: Parts, more| async move {
            parts.extend(more);
            Ok(parts)
        };
        packs.buffer_unordered(PACKS).try_fold(Parts::new(), add).await
    }

    /// Reads the stored bytes of places.
    pub(crate) async fn read_places(&self, places: &[Location]) -> Result<Vec<Bytes>, RepositoryError> {
        let parts = self.read_parts(&run::ranges(places)).await?;
        let bytes = places.iter().map(|place| parts.get(&(place.pack, place.offset)).cloned());
        bytes.collect::<Option<_>>().ok_or(RepositoryError::Stopped)
    }

    fn decode_run(&self, run: &Run, parts: &Parts) -> Result<Vec<ReadSegment>, RepositoryError> {
        let objects = run.objects.iter();
        objects
            .map(|(reference, chain)| {
                let links =
                    chain.iter().map(|place| Some((*place, parts.get(&(place.pack, place.offset))?.clone())));
                let links: Option<Vec<_>> = links.collect();
                let links = links.ok_or(RepositoryError::Stopped)?;
                let opened = self.open_links(reference.id, &links)?;
                let (segment, patch_bytes) = self.decode_segment(reference, &opened)?;
                let stored = links.into_iter().filter(|_| self.keeps_stored).map(|(place, bytes)| {
                    let Location { pack, offset, .. } = place;
                    StoredAt { pack, offset, bytes }
                });
                Ok(ReadSegment { segment, stored: stored.collect(), patch_bytes })
            })
            .collect()
    }

    fn decode_segment(
        &self,
        reference: &Reference,
        chain: &[(Location, Bytes)],
    ) -> Result<(Segment, PatchBytes), RepositoryError> {
        let Some((location, _)) = chain.first() else { return Err(RepositoryError::Stopped) };
        let bad =
            |problem| bad_object((Kind::Segment, reference.id), (location.pack, location.offset), problem);
        if reference.plain_len > limits::OBJECT_BYTES_MAX {
            return Err(bad(Problem {
                problem: "its plaintext is above the limit".to_owned(),
                source: None,
            }));
        }
        check_plain_len(reference.plain_len, location).map_err(bad)?;
        let above = |source| RepositoryError::AboveLimit { kind: Kind::Segment, id: reference.id, source };
        let (plaintext, patch_bytes) = match chain::assemble(self, chain) {
            Err(Problem { source: Some(source), .. }) if source.asks_for_higher_limit() => {
                return Err(above(source));
            }
            assembled => assembled.map_err(bad)?,
        };
        let keys = self.repository.keys()?;
        keys.check(Kind::Segment, &plaintext, reference.id).map_err(|error| bad(error.into()))?;
        let segment = match Segment::decode(plaintext, self.order, &self.limits) {
            Err(source) if source.asks_for_higher_limit() => return Err(above(source)),
            segment => segment.map_err(|error| bad(error.into()))?,
        };
        Ok((self.check_segment(reference, segment)?, patch_bytes))
    }

    /// Checks that a segment fits the reference to it.
    fn check_segment(&self, reference: &Reference, segment: Segment) -> Result<Segment, RepositoryError> {
        let (root_key, key) = segment.first();
        let fits = segment.entries() == reference.entries
            && root_key == reference.first_root
            && Reference::first_key_of(key) == reference.first_key;
        if fits {
            return Ok(segment);
        }
        let problem = format!(
            "its reference says {} entries, it has {}; or its first entry is another one",
            reference.entries,
            segment.entries()
        );
        Err(RepositoryError::Inconsistent {
            place: format!("segment {}", reference.id),
            problem,
            source: None,
        })
    }

    fn decode_page(
        &self,
        (id, plain_len): (ObjectId, u64),
        location: &Location,
        stored: &[u8],
        level: Level,
    ) -> Result<Page, RepositoryError> {
        let bad = |problem| bad_object((Kind::Page, id), (location.pack, location.offset), problem);
        if level == Level::Root && plain_len > limits::ROOT_PAGE_BYTES_MAX {
            let problem = format!("a root of {plain_len} bytes is above the limit of 64 MiB");
            return Err(bad(Problem { problem, source: None }));
        }
        check_plain_len(plain_len, location).map_err(bad)?;
        let object = (Kind::Page, id, plain_len);
        let (clear, stored) = self.open_page(id, location, stored)?;
        let plaintext = codec::decode_checked(self.repository.keys()?, object, location.codec, &stored);
        let page = Page::decode(&plaintext.map_err(bad)?, level).map_err(|error| bad(error.into()))?;
        sealed_page::check_ids(&page, clear).map_err(bad)?;
        Ok(page)
    }

    pub(crate) fn find(
        &self,
        kind: Kind,
        id: ObjectId,
        needed_by: &str,
    ) -> Result<Location, RepositoryError> {
        let missing = || {
            let (needed_by, damaged) = (needed_by.to_owned(), self.damaged());
            RepositoryError::MissingObject { kind, id, needed_by, damaged }
        };
        self.index.find(id).next().ok_or_else(missing)
    }

    /// Says which packs are damaged, where something that is missing may have been.
    fn damaged(&self) -> String {
        let damaged = self.index.damaged();
        let text = damaged.first().map(|(pack, error)| {
            format!(
                "; {} packs are damaged and cannot be read, the first is packs/{pack}: {error}",
                damaged.len()
            )
        });
        text.unwrap_or_default()
    }
}

pub(crate) fn bad_object(
    (kind, id): (Kind, ObjectId),
    (pack, offset): (ObjectId, u64),
    Problem { problem, source }: Problem,
) -> RepositoryError {
    RepositoryError::BadObject { kind, id, pack: Store::pack_path(pack), offset, problem, source }
}

fn check_plain_len(plain_len: u64, location: &Location) -> Result<(), Problem> {
    match location.plain_len {
        found if found == plain_len => Ok(()),
        found => {
            let problem =
                format!("its reference says {plain_len} bytes of plaintext, the table of the pack {found}");
            Err(Problem { problem, source: None })
        }
    }
}

fn check_root(root: &Page, manifest: &Manifest) -> Result<(), RepositoryError> {
    let (pages, entries) = (root.references.len() as u64, inventory_of(manifest)?.entries);
    if (pages, root.entries()) == (manifest.pages, entries) {
        return Ok(());
    }
    let problem = format!(
        "it refers to {pages} pages with {} entries, the manifest says {} with {}",
        root.entries(),
        manifest.pages,
        entries
    );
    Err(RepositoryError::Inconsistent {
        place: format!("root page {}", manifest.root),
        problem,
        source: None,
    })
}

/// Adds to an error of the format where in the dump it is.
pub(crate) fn inconsistent(place: String, source: FormatError) -> RepositoryError {
    RepositoryError::Inconsistent {
        place,
        problem: "its entries are not what they should be".to_owned(),
        source: Some(source),
    }
}
