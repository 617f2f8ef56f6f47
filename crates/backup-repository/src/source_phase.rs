//! One phase of a namespace, cut into the segments that a dump of it would have.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::collections::VecDeque;
use std::sync::Arc;

use backup_format::{EntryStream, Keys, Kind, Limits, Range, Segment, Snapshot};
use futures::StreamExt;

use crate::block::Block;
use crate::dump_phase::Passed;
use crate::error::RepositoryError;
use crate::progress::Progress;
use crate::repository::Repository;
use crate::segmenter::{Piece, Segmenter};

/// How far somebody is in a phase of a namespace.
pub(crate) struct SourcePhase {
    keys: Keys,
    snapshot: Arc<dyn Snapshot>,
    ranges: VecDeque<Range>,
    stream: Option<EntryStream>,
    segmenter: Segmenter,
    is_at_end: bool,
    pieces: VecDeque<Piece>,
    /// The segment whose entries come next, and the root key of its last entry.
    block: Option<(Block, Vec<u8>)>,
    passed: Passed,
    progress: Progress,
}

impl SourcePhase {
    pub(crate) fn new(
        repository: &Repository,
        snapshot: &Arc<dyn Snapshot>,
        ranges: Vec<Range>,
        (limits, progress): (Limits, Progress),
    ) -> Result<Self, RepositoryError> {
        let keys = repository.keys()?.clone();
        let segmenter = Segmenter::new(&repository.config, &keys, snapshot.order(), limits);
        Ok(Self {
            keys,
            snapshot: snapshot.clone(),
            ranges: ranges.into(),
            stream: None,
            segmenter,
            is_at_end: false,
            pieces: VecDeque::new(),
            block: None,
            passed: Passed::default(),
            progress,
        })
    }

    pub(crate) fn passed(&self) -> &Passed {
        &self.passed
    }

    /// Returns the segment whose entries come next; `None` at the end, and before [`SourcePhase::fill`].
    pub(crate) fn block(&self) -> Option<&Block> {
        self.block.as_ref().map(|(block, _)| block)
    }

    /// Reads on until there is a segment, or the phase is at its end.
    pub(crate) async fn fill(&mut self) -> Result<(), RepositoryError> {
        while self.block.is_none() {
            if let Some(piece) = self.pieces.pop_front() {
                let last = piece.batch.groups().next_back().map(|group| group.root_key.to_vec());
                let segment = Segment::from_batch(&piece.batch);
                let id = self.keys.id(Kind::Segment, segment.plaintext());
                self.block = Some((Block::new(id, segment), last.unwrap_or_default()));
            } else if self.is_at_end {
                return Ok(());
            } else {
                self.read_batch().await?;
            }
        }
        Ok(())
    }

    /// Passes over the segment that comes next.
    pub(crate) fn skip(&mut self) {
        if let Some((_, last)) = self.block.take() {
            self.passed = Passed::Partition(last);
        }
    }

    /// Takes the entry that comes next.
    pub(crate) fn take_entry(&mut self) {
        self.passed = Passed::Entries;
        if let Some((block, _)) = &mut self.block {
            block.advance();
            if block.entry().is_none() {
                self.block = None;
            }
        }
    }

    async fn read_batch(&mut self) -> Result<(), RepositoryError> {
        let namespace = self.snapshot.source().namespace.clone();
        let failed = || RepositoryError::engine("reading", &namespace);
        let Some(stream) = &mut self.stream else {
            match self.ranges.pop_front() {
                Some(range) => self.stream = Some(self.snapshot.entries(&range).await.map_err(failed())?),
                None => {
                    self.segmenter.finish();
                    self.is_at_end = true;
                    self.pieces.extend(self.segmenter.drain());
                }
            }
            return Ok(());
        };
        let Some(batch) = stream.next().await.transpose().map_err(failed())? else {
            self.stream = None;
            return Ok(());
        };
        self.progress.advance(batch.byte_len() as u64, batch.entries());
        let pushed = self.segmenter.push(&batch);
        pushed.map_err(|source| RepositoryError::Entry { namespace: namespace.clone(), source })?;
        self.pieces.extend(self.segmenter.drain());
        Ok(())
    }
}
