//! One worker of a backup: from a share to pages.
//!
//! The worker of a share begins at the first page that the keys begin in it, and reads on into the next share up to the first
//! page there. So the segments and pages are the same for any number of shares.

use std::collections::VecDeque;
use std::sync::Arc;

use backup_format::{
    Cut, Cutter, DigestState, EntryBatch, EntryStream, Kind, Level, Page, Reference, Segment, Share,
};
use futures::StreamExt;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::backup::Context;
use crate::codec::{self, Stored};
use crate::error::RepositoryError;
use crate::pack_writer::{PackWriter, Written};
use crate::range::{RangeBuilder, RangeDigest};
use crate::segmenter::{Piece, Reached, Segmenter};
use crate::tally::Tally;
use crate::work::Stopped;

/// What became of a share.
pub(crate) struct ShareResult {
    pub pages: Vec<Reference>,
    pub range: RangeDigest,
    pub tally: Tally,
    pub segments: u64,
    pub plain_bytes: u64,
    pub written: Written,
}

/// Dumps the share with this index.
pub(crate) async fn run(
    context: Arc<Context>,
    shares: Arc<[Share]>,
    index: usize,
    stopped: Stopped,
) -> Result<ShareResult, RepositoryError> {
    let (own, following) =
        shares.get(index..).and_then(<[Share]>::split_first).ok_or(RepositoryError::Stopped)?;
    let mut reader = ShareReader { context: context.clone(), stopped };
    let mut worker = ShareWorker::new(context.clone());
    let mut stream = reader.open(own).await?;
    let begins = index == 0 || own.starts_page;
    let first = if begins { Some(EntryBatch::default()) } else { reader.skip_to_page(&mut stream).await? };
    // A share in which no page begins belongs to the one before it.
    let Some(first) = first else { return worker.finish().await };
    worker.push(&first).await?;
    while let Some(batch) = reader.next(&mut stream).await? {
        context.options.progress.advance(batch.byte_len() as u64, batch.entries());
        worker.push(&batch).await?;
    }
    for next in following.iter().take_while(|share| !share.starts_page) {
        let mut stream = reader.open(next).await?;
        if reader.read_on(&mut worker, &mut stream).await? {
            break;
        }
    }
    worker.finish().await
}

/// Reads shares batch by batch.
struct ShareReader {
    context: Arc<Context>,
    stopped: Stopped,
}

impl ShareReader {
    async fn open(&mut self, share: &Share) -> Result<EntryStream, RepositoryError> {
        let failed = RepositoryError::engine("reading", &self.context.namespace);
        self.context.snapshot.entries(share).await.map_err(failed)
    }

    async fn next(&mut self, stream: &mut EntryStream) -> Result<Option<EntryBatch>, RepositoryError> {
        self.stopped.check()?;
        let failed = RepositoryError::engine("reading", &self.context.namespace);
        stream.next().await.transpose().map_err(failed)
    }

    /// Skips the entries before the first page; returns the rest of the batch that it is in.
    async fn skip_to_page(
        &mut self,
        stream: &mut EntryStream,
    ) -> Result<Option<EntryBatch>, RepositoryError> {
        let mut cutter = Cutter::new(&self.context.repository.config, &self.context.repository.keys);
        while let Some(batch) = self.next(stream).await? {
            if batch.starts_page() {
                return Ok(Some(batch));
            }
            let mut entries = batch.iter().enumerate();
            let page = entries
                .find(|(_, (root, entry))| cutter.next(root, entry.key, entry.value.len()) == Cut::Page)
                .map(|(index, _)| index as u64);
            if let Some(index) = page {
                return Ok(Some(rest_of(&batch, index)));
            }
        }
        Ok(None)
    }

    /// Goes on into the next share up to its first page, and beyond that to the end of the last partition, for the
    /// digest alone. Returns false when that end was not reached, so that the share after it must be read too.
    async fn read_on(
        &mut self,
        worker: &mut ShareWorker,
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

/// The entries of a batch from one of them on.
fn rest_of(batch: &EntryBatch, from: u64) -> EntryBatch {
    let mut rest = EntryBatch::with_capacity(batch.byte_len());
    for (root_key, entry) in batch.iter().skip(usize::try_from(from).unwrap_or(usize::MAX)) {
        rest.push_run(root_key, entry.encoded, 1);
    }
    rest
}

/// Turns entries into segments, and those into pages.
struct ShareWorker {
    context: Arc<Context>,
    segmenter: Segmenter,
    pending: VecDeque<JoinHandle<Result<Encoded, RepositoryError>>>,
    writer: PackWriter,
    page: Page,
    pages: Vec<Reference>,
    range: RangeBuilder,
    tally: Tally,
    segments: u64,
    plain_bytes: u64,
    /// Set when the last page is complete, beyond the end of the share.
    page_complete: bool,
}

/// A segment after all that can be done apart from its neighbours.
struct Encoded {
    segment: Segment,
    reference: Reference,
    starts_page: bool,
    /// The stored bytes, unless the repository has the segment already.
    stored: Option<Stored>,
    /// The digest of its inner groups: all but the first and the last.
    inner: DigestState,
}

impl ShareWorker {
    fn new(context: Arc<Context>) -> Self {
        let repository = &context.repository;
        let segmenter =
            Segmenter::new(&repository.config, &repository.keys, context.order, context.options.limits);
        Self {
            segmenter,
            pending: VecDeque::new(),
            writer: context.pack_writer(),
            page: Page { level: Level::Segments, references: Vec::new() },
            pages: Vec::new(),
            range: RangeBuilder::default(),
            tally: Tally::default(),
            segments: 0,
            plain_bytes: 0,
            page_complete: false,
            context,
        }
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
            let context = self.context.clone();
            self.pending.push_back(spawn_blocking(move || encode(&context, piece)));
        }
        Ok(())
    }

    /// Takes encoded segments in their order, until only these many are on their way.
    async fn take_encoded(&mut self, leave: usize) -> Result<(), RepositoryError> {
        while self.pending.len() > leave {
            let Some(oldest) = self.pending.pop_front() else { break };
            let encoded = oldest.await??;
            self.append(encoded).await?;
        }
        Ok(())
    }

    async fn append(&mut self, mut encoded: Encoded) -> Result<(), RepositoryError> {
        self.digest(&encoded);
        if encoded.starts_page {
            self.close_page().await?;
        }
        self.segments += 1;
        self.plain_bytes += encoded.reference.plain_len;
        if let Some(stored) = encoded.stored.take() {
            let Reference { id, plain_len, .. } = encoded.reference;
            self.writer.push(Kind::Segment, id, plain_len, stored).await?;
        }
        self.page.references.push(encoded.reference);
        Ok(())
    }

    fn digest(&mut self, encoded: &Encoded) {
        let mut groups = encoded.segment.groups();
        for group in groups.clone() {
            self.tally.push(&group, self.context.snapshot.kind(group.root_key));
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

    async fn finish(mut self) -> Result<ShareResult, RepositoryError> {
        self.segmenter.finish();
        self.dispatch().await?;
        self.take_encoded(0).await?;
        self.close_page().await?;
        Ok(ShareResult {
            pages: self.pages,
            range: self.range.finish(),
            tally: self.tally,
            segments: self.segments,
            plain_bytes: self.plain_bytes,
            written: self.writer.finish().await?,
        })
    }
}

/// Encodes a segment, names it, and makes its stored bytes if the repository does not have it.
fn encode(context: &Context, piece: Piece) -> Result<Encoded, RepositoryError> {
    let segment = Segment::from_batch(&piece.batch);
    drop(piece.batch);
    let plaintext = segment.plaintext();
    let id = context.repository.keys.id(Kind::Segment, plaintext);
    let stored = match context.known.claim(id) {
        true => Some(codec::encode(context.options.compression, Kind::Segment, id, plaintext)?),
        false => None,
    };
    let mut inner = DigestState::default();
    let groups = segment.groups();
    let count = groups.len();
    groups.take(count.saturating_sub(1)).skip(1).for_each(|group| inner.add_group(&group));
    let (first_root, first_key) = segment.first();
    let reference = Reference {
        id,
        first_root: first_root.to_vec(),
        first_key: Reference::first_key_of(first_key).to_vec(),
        plain_len: plaintext.len() as u64,
        entries: segment.entries(),
    };
    Ok(Encoded { segment, reference, starts_page: piece.starts_page, stored, inner })
}
