//! One worker of a backup: from ranges to pages.
//!
//! Where ranges begin no pages, the worker of a range begins at the first page that the keys begin in it. It reads on
//! into the next range, up to the first page there. So segments and pages are the same for any number of ranges.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use backup_format::{Cut, Cutter, EntryBatch, EntryStream, Group, Kind, Level, Page, Range, Reference, show};
use futures::StreamExt;

use crate::backup::Context;
use crate::clock;
use crate::error::RepositoryError;
use crate::finder::{Finder, Found};
use crate::pack_writer::{PackWriter, Written};
use crate::part::{Part, PartId, Place};
use crate::plan::Run;
use crate::range::RangeBuilder;
use crate::segment_task::{Encoded, Task};
use crate::segmenter::{Reached, Segmenter};
use crate::share::Recorder;
use crate::sketch::Line;
use crate::tally::Tally;
use crate::work::Stopped;

/// Partitions that the phases before have read, and whether a later phase must know those of this one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Phases {
    pub earlier: Arc<HashSet<u128>>,
    pub is_followed: bool,
}

/// Reads a run of ranges with one pack writer, and returns a part for each and what was written.
pub(crate) async fn read_run(
    context: Arc<Context>,
    run: Run,
    (phases, mut recorder): (Phases, Option<Recorder>),
    stopped: Stopped,
) -> Result<(Vec<Part>, Written), RepositoryError> {
    let reader = RangeReader { context: context.clone(), stopped };
    let mut worker = PartWriter::new(context, phases);
    let mut parts = Vec::with_capacity(run.own.len());
    for index in run.own.clone() {
        worker.begin(PartId { phase: run.phase, index: index as u64 });
        reader.read_range(&mut worker, &run, index).await?;
        let part = worker.finish_part().await?;
        if let Some(recorder) = &mut recorder {
            recorder.push(part.clone(), &mut worker.writer).await?;
        }
        parts.push(part);
    }
    let written = worker.writer.finish().await?;
    if let Some(recorder) = recorder {
        recorder.finish(&written).await?;
    }
    Ok((parts, written))
}

/// Reads ranges batch by batch.
struct RangeReader {
    context: Arc<Context>,
    stopped: Stopped,
}

impl RangeReader {
    async fn read_range(
        &self,
        worker: &mut PartWriter,
        run: &Run,
        index: usize,
    ) -> Result<(), RepositoryError> {
        let Some((own, following)) = run.ranges.get(index..).and_then(<[Range]>::split_first) else {
            return Err(self.context.bug(format!("range {} is not in its plan", index + 1)));
        };
        let mut stream = self.open(own).await?;
        let begins = index == 0 || run.starts_pages;
        let first = if begins { Some(EntryBatch::default()) } else { self.skip_to_page(&mut stream).await? };
        // A range in which no page begins belongs to the one before it.
        let Some(first) = first else { return Ok(()) };
        worker.push(&first).await?;
        while let Some(batch) = self.next(&mut stream).await? {
            self.context.options.progress.advance(batch.byte_len() as u64, batch.entries());
            worker.push(&batch).await?;
        }
        if run.starts_pages {
            return Ok(());
        }
        for next in following {
            let mut stream = self.open(next).await?;
            if self.read_on(worker, &mut stream).await? {
                break;
            }
        }
        Ok(())
    }

    async fn open(&self, range: &Range) -> Result<EntryStream, RepositoryError> {
        let failed = RepositoryError::engine("reading", &self.context.namespace);
        self.context.snapshot.entries(range).await.map_err(failed)
    }

    async fn next(&self, stream: &mut EntryStream) -> Result<Option<EntryBatch>, RepositoryError> {
        self.stopped.check()?;
        let failed = RepositoryError::engine("reading", &self.context.namespace);
        stream.next().await.transpose().map_err(failed)
    }

    /// Skips the entries before the first page; returns the rest of the batch that it is in.
    async fn skip_to_page(&self, stream: &mut EntryStream) -> Result<Option<EntryBatch>, RepositoryError> {
        let mut cutter = Cutter::new(&self.context.repository.config, &self.context.keys);
        while let Some(batch) = self.next(stream).await? {
            let mut entries = batch.iter().enumerate();
            let page = entries
                .find(|(_, (root, entry))| cutter.next(root, entry.key, entry.value.len()) == Cut::Page)
                .map(|(index, _)| index);
            if let Some(index) = page {
                return Ok(Some(rest_of(&batch, index)));
            }
        }
        Ok(None)
    }

    /// Reads the next range up to its first page, and beyond that to the end of the last partition, for the digest
    /// alone. Returns false if that end was not reached, so that the range after it must be read too.
    async fn read_on(
        &self,
        worker: &mut PartWriter,
        stream: &mut EntryStream,
    ) -> Result<bool, RepositoryError> {
        while let Some(batch) = self.next(stream).await? {
            if let Some(rest) = worker.complete_page(batch).await?
                && !rest.groups().all(|group| worker.range.read_on(&group))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Returns the entries of a batch from one of them on.
fn rest_of(batch: &EntryBatch, from: usize) -> EntryBatch {
    let mut rest = EntryBatch::with_capacity(batch.byte_len());
    for (root_key, entry) in batch.iter().skip(from) {
        rest.push_run(root_key, entry.into());
    }
    rest
}

/// Turns the entries of one range after the other into segments, and those into pages.
struct PartWriter {
    context: Arc<Context>,
    phases: Phases,
    id: PartId,
    segmenter: Segmenter,
    bases: Finder,
    pending: VecDeque<Task>,
    writer: PackWriter,
    page: Page,
    pages: Vec<Reference>,
    /// What the sketch has of each segment, if one is written.
    sketched: Vec<Line>,
    range: RangeBuilder,
    tally: Tally,
    segments: u64,
    plain_bytes: u64,
    edges: Option<(Place, Place)>,
    partitions: Vec<u128>,
    /// Set when the last page is complete, beyond the end of the range.
    page_complete: bool,
}

impl PartWriter {
    fn new(context: Arc<Context>, phases: Phases) -> Self {
        Self {
            phases,
            id: PartId { phase: 0, index: 0 },
            segmenter: context.segmenter(),
            bases: Finder::of(&context),
            pending: VecDeque::new(),
            writer: context.pack_writer(),
            page: Page { level: Level::Segments, references: Vec::new() },
            pages: Vec::new(),
            sketched: Vec::new(),
            range: RangeBuilder::default(),
            tally: Tally::default(),
            segments: 0,
            plain_bytes: 0,
            edges: None,
            partitions: Vec::new(),
            page_complete: false,
            context,
        }
    }

    /// Begins a part; the one before it was finished.
    fn begin(&mut self, id: PartId) {
        self.id = id;
        self.segmenter = self.context.segmenter();
        self.page_complete = false;
    }

    async fn push(&mut self, batch: &EntryBatch) -> Result<(), RepositoryError> {
        self.segmenter.push(batch).map_err(|source| self.context.bad_entry(source))?;
        self.dispatch().await
    }

    /// Appends entries up to the first page that begins in the batch; returns what follows, once there is such a page.
    async fn complete_page(&mut self, batch: EntryBatch) -> Result<Option<EntryBatch>, RepositoryError> {
        if self.page_complete {
            return Ok(Some(batch));
        }
        let reached =
            self.segmenter.push_until_page(&batch).map_err(|source| self.context.bad_entry(source))?;
        self.dispatch().await?;
        match reached {
            Reached::End => Ok(None),
            Reached::Page(index) => {
                self.page_complete = true;
                self.segmenter.finish();
                self.dispatch().await?;
                self.take_encoded(0).await?;
                Ok(Some(rest_of(&batch, index)))
            }
        }
    }

    /// Sends complete segments to be encoded.
    async fn dispatch(&mut self) -> Result<(), RepositoryError> {
        for piece in self.segmenter.drain() {
            self.take_encoded(self.context.in_flight).await?;
            let base = match piece.batch.groups().next() {
                Some(group) => self.bases.find(self.id, (group.root_key, group.first_key())).await,
                None => Found::Nothing,
            };
            self.pending.push_back(Task::of(self.context.clone(), piece, base));
        }
        Ok(())
    }

    /// Takes encoded segments in their order, until only these many are on their way.
    async fn take_encoded(&mut self, leave: usize) -> Result<(), RepositoryError> {
        while self.pending.len() > leave {
            let Some(oldest) = self.pending.pop_front() else { break };
            let encoded = oldest.finish().await?;
            self.append(encoded).await?;
        }
        Ok(())
    }

    async fn append(&mut self, mut encoded: Encoded) -> Result<(), RepositoryError> {
        self.digest(&encoded)?;
        if encoded.starts_page {
            self.close_page().await?;
        }
        self.segments += 1;
        self.plain_bytes += encoded.reference.plain_len;
        if let Some(stored) = encoded.stored.take() {
            let Reference { id, plain_len, .. } = encoded.reference;
            self.writer.push(Kind::Segment, id, plain_len, stored).await?;
        }
        self.sketched.extend(encoded.sketched);
        self.page.references.push(encoded.reference);
        Ok(())
    }

    fn digest(&mut self, encoded: &Encoded) -> Result<(), RepositoryError> {
        let mut groups = encoded.segment.groups();
        for group in groups.clone() {
            self.check_partition(&group)?;
            self.tally.push(&group, self.context.snapshot.kind(group.root_key));
        }
        let place = |(root_key, key): (&[u8], &[u8])| (root_key.to_vec(), key.to_vec());
        let last = place(encoded.segment.last());
        match &mut self.edges {
            Some((_, end)) => *end = last,
            None => self.edges = Some((place(encoded.segment.first()), last)),
        }
        if let Some(first) = groups.next() {
            self.range.push(&first);
        }
        if let Some(last) = groups.next_back() {
            if encoded.inner.partitions > 0 {
                self.range.add(&encoded.inner);
            }
            self.range.push(&last);
        }
        Ok(())
    }

    /// Checks that no phase before this one had the partition too.
    fn check_partition(&mut self, group: &Group<'_>) -> Result<(), RepositoryError> {
        if self.phases.earlier.is_empty() && !self.phases.is_followed {
            return Ok(());
        }
        let number = self.context.keys.partition(group.root_key);
        if self.phases.earlier.contains(&number) {
            let root_key = show(group.root_key);
            return Err(self.context.bug(format!("the partition of root_key={root_key} is in two phases")));
        }
        if self.phases.is_followed && self.partitions.last() != Some(&number) {
            self.partitions.push(number);
        }
        Ok(())
    }

    async fn close_page(&mut self) -> Result<(), RepositoryError> {
        if self.page.references.is_empty() {
            return Ok(());
        }
        let reference = self.context.store_page(&mut self.writer, &self.page).await?;
        self.page.references.clear();
        self.pages.push(reference);
        Ok(())
    }

    async fn finish_part(&mut self) -> Result<Part, RepositoryError> {
        self.segmenter.finish();
        self.dispatch().await?;
        self.take_encoded(0).await?;
        self.close_page().await?;
        self.context.sketches.add_part(self.id, std::mem::take(&mut self.sketched));
        Ok(Part {
            id: self.id,
            pages: std::mem::take(&mut self.pages),
            digest: std::mem::take(&mut self.range).finish(),
            tally: std::mem::take(&mut self.tally),
            segments: std::mem::take(&mut self.segments),
            plain_bytes: std::mem::take(&mut self.plain_bytes),
            edges: self.edges.take(),
            partitions: std::mem::take(&mut self.partitions),
            consistency: self.context.snapshot.consistency(),
            finished: clock::text(self.context.repository.clock.now()),
        })
    }
}
