//! Reading objects of a dump: found by the index, decoded, checked.

use std::ops::Range;
use std::sync::Arc;

use backup_format::{
    FormatError, Kind, Level, Limits, Manifest, ObjectId, Order, Page, Reference, Segment, limits,
};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use tokio::task::spawn_blocking;

use crate::codec::{self, Problem};
use crate::error::RepositoryError;
use crate::index::{Index, Location};
use crate::repository::{Dump, Repository};
use crate::store::Store;

/// Stored bytes that are read at once, unless one object is longer.
const RUN_BYTES: u64 = 1 << 20;
/// Objects that are read at once.
const RUN_OBJECTS: usize = 16;
/// Runs that are read and decoded ahead: with two, the one that is checked often waits for both.
const AHEAD: usize = 3;

/// Reads the objects of one dump.
#[derive(Clone, Debug)]
pub(crate) struct DumpReader {
    pub repository: Repository,
    pub index: Arc<Index>,
    pub order: Order,
    pub limits: Limits,
    /// Runs of segments that are read and decoded ahead.
    pub ahead: usize,
    /// Whether [`ReadSegment::stored`] is wanted; false at first.
    pub keeps_stored: bool,
}

/// Neighbouring references whose objects lie in one pack.
#[derive(Clone, Debug)]
struct Run {
    pack: ObjectId,
    objects: Vec<(Reference, Location)>,
}

/// A segment, and what it was decoded from if that is wanted.
pub(crate) struct ReadSegment {
    pub segment: Segment,
    pub stored: Option<StoredAt>,
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
        let index = repository.index().await?;
        let (repository, order) = (repository.clone(), dump.manifest.order);
        Ok(Self { repository, index, order, limits, ahead: AHEAD, keeps_stored: false })
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
    async fn read_page(
        &self,
        (id, plain_len): (ObjectId, Option<u64>),
        level: Level,
        needed_by: &str,
    ) -> Result<Page, RepositoryError> {
        self.find(Kind::Page, id, needed_by)?;
        let mut first_error = None;
        for location in self.index.find(id) {
            let plain_len = plain_len.unwrap_or(location.plain_len);
            let page = match self.fetch(&location).await {
                Ok(stored) => self.decode_page((id, plain_len), &location, &stored, level),
                Err(error) => Err(error),
            };
            match page {
                Err(error) if may_be_right_elsewhere(&error) => first_error = first_error.or(Some(error)),
                page => return page,
            }
        }
        Err(first_error.unwrap_or(RepositoryError::Stopped))
    }

    /// Checks that the segments of a page are in packs.
    pub(crate) fn check_present(&self, page: &Reference, segments: &Page) -> Result<(), RepositoryError> {
        let needed_by = format!("page {}", page.id);
        segments
            .references
            .iter()
            .try_for_each(|segment| self.find(Kind::Segment, segment.id, &needed_by).map(drop))
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
            let location = match self.find(Kind::Segment, reference.id, needed_by) {
                Ok(location) => location,
                Err(error) => {
                    runs.push(Err(error));
                    break;
                }
            };
            bytes += location.stored_len;
            match runs.last_mut() {
                Some(Ok(run))
                    if run.pack == location.pack && run.objects.len() < RUN_OBJECTS && bytes <= RUN_BYTES =>
                {
                    run.objects.push((reference, location));
                }
                _ => {
                    bytes = location.stored_len;
                    runs.push(Ok(Run { pack: location.pack, objects: vec![(reference, location)] }));
                }
            }
        }
        runs
    }

    /// Reads a run; when that fails and some of it lies elsewhere too, each segment from the first place where it is right.
    async fn read_run(self, run: Run) -> Result<Vec<ReadSegment>, RepositoryError> {
        let ids = run.objects.iter().map(|(reference, _)| reference.id);
        if ids.clone().all(|id| self.index.find(id).nth(1).is_none()) {
            return self.read_at(run).await;
        }
        match self.clone().read_at(run.clone()).await {
            Err(error) if may_be_right_elsewhere(&error) => {}
            result => return result,
        }
        let mut segments = Vec::with_capacity(run.objects.len());
        for (reference, _) in run.objects {
            segments.extend(self.read_anywhere(reference).await?);
        }
        Ok(segments)
    }

    /// Reads a segment from the first of its places where it is right.
    async fn read_anywhere(&self, reference: Reference) -> Result<Vec<ReadSegment>, RepositoryError> {
        let mut first_error = None;
        for location in self.index.find(reference.id) {
            let run = Run { pack: location.pack, objects: vec![(reference.clone(), location)] };
            match self.clone().read_at(run).await {
                Err(error) if may_be_right_elsewhere(&error) => first_error = first_error.or(Some(error)),
                result => return result,
            }
        }
        Err(first_error.unwrap_or(RepositoryError::Stopped))
    }

    /// Reads a run from its pack.
    async fn read_at(self, run: Run) -> Result<Vec<ReadSegment>, RepositoryError> {
        let ranges: Vec<_> = run.objects.iter().map(|(_, location)| location.range()).collect();
        let parts = self.repository.store.read_ranges(&Store::pack_path(run.pack), &ranges).await?;
        spawn_blocking(move || {
            let objects = run.objects.iter().zip(parts);
            objects
                .map(|((reference, location), bytes)| {
                    let segment = self.decode_segment(reference, location, &bytes)?;
                    let (pack, offset) = (location.pack, location.offset);
                    let stored = self.keeps_stored.then_some(StoredAt { pack, offset, bytes });
                    Ok(ReadSegment { segment, stored })
                })
                .collect()
        })
        .await?
    }

    fn decode_segment(
        &self,
        reference: &Reference,
        location: &Location,
        stored: &[u8],
    ) -> Result<Segment, RepositoryError> {
        let bad = |problem| bad_object(Kind::Segment, reference.id, location, problem);
        if reference.plain_len > limits::OBJECT_BYTES_MAX {
            return Err(bad(Problem {
                problem: "its plaintext is above the limit".to_owned(),
                source: None,
            }));
        }
        check_plain_len(reference.plain_len, location).map_err(bad)?;
        let object = (Kind::Segment, reference.id, reference.plain_len);
        let plaintext =
            codec::decode_checked(&self.repository.keys, object, location.codec, stored).map_err(bad)?;
        let segment = match Segment::decode(plaintext, self.order, &self.limits) {
            Err(source) if source.asks_for_higher_limit() => {
                return Err(RepositoryError::AboveLimit { kind: Kind::Segment, id: reference.id, source });
            }
            segment => segment.map_err(|error| bad(error.into()))?,
        };
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
        let bad = |problem| bad_object(Kind::Page, id, location, problem);
        if level == Level::Root && plain_len > limits::ROOT_PAGE_BYTES_MAX {
            let problem = format!("a root of {plain_len} bytes is above the limit of 64 MiB");
            return Err(bad(Problem { problem, source: None }));
        }
        check_plain_len(plain_len, location).map_err(bad)?;
        let object = (Kind::Page, id, plain_len);
        let plaintext =
            codec::decode_checked(&self.repository.keys, object, location.codec, stored).map_err(bad)?;
        Page::decode(&plaintext, level).map_err(|error| bad(error.into()))
    }

    fn find(&self, kind: Kind, id: ObjectId, needed_by: &str) -> Result<Location, RepositoryError> {
        self.index.find(id).next().ok_or_else(|| {
            let damaged = self.index.damaged();
            let damaged = damaged.first().map(|(pack, error)| {
                format!(
                    "; {} packs are damaged and cannot be read, the first is packs/{pack}: {error}",
                    damaged.len()
                )
            });
            let damaged = damaged.unwrap_or_default();
            RepositoryError::MissingObject { kind, id, needed_by: needed_by.to_owned(), damaged }
        })
    }

    async fn fetch(&self, location: &Location) -> Result<Bytes, RepositoryError> {
        self.repository.store.read_range(&Store::pack_path(location.pack), location.range()).await
    }
}

impl Location {
    fn range(&self) -> Range<u64> {
        self.offset..self.offset + self.stored_len
    }
}

fn bad_object(
    kind: Kind,
    id: ObjectId,
    location: &Location,
    Problem { problem, source }: Problem,
) -> RepositoryError {
    let pack = Store::pack_path(location.pack);
    RepositoryError::BadObject { kind, id, pack, offset: location.offset, problem, source }
}

/// Tells whether an error is about one place of an object, and not about the object.
fn may_be_right_elsewhere(error: &RepositoryError) -> bool {
    matches!(
        error,
        RepositoryError::BadObject { .. } | RepositoryError::Damaged { .. } | RepositoryError::Store { .. }
    )
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
    let pages = root.references.len() as u64;
    if (pages, root.entries()) == (manifest.pages, manifest.entries) {
        return Ok(());
    }
    let problem = format!(
        "it refers to {pages} pages with {} entries, the manifest says {} with {}",
        root.entries(),
        manifest.pages,
        manifest.entries
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
