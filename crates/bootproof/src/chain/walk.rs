//! Going through all blocks of a chain, once.

use std::collections::BTreeMap;

use anyhow::Result;
use linera_base::crypto::CryptoHash;
use linera_base::data_types::BlockHeight;
use linera_base::identifiers::{ChainId, StreamId};
use linera_chain::types::ConfirmedBlock;

use crate::chain::Chain;
use crate::chain::inboxes::Inboxes;
use crate::chain::log::{self, LogEntry};
use crate::chain::outboxes::Outboxes;
use crate::decode::decode;
use crate::kind::Kind;

/// Heights that are looked up at once.
const CHUNK: u64 = 256;

/// What the blocks of a chain add up to.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Number of heights that were walked: those below the next height, as far as anything is known of them.
    pub heights: u64,
    /// Blocks that are there and good.
    pub found: u64,
    /// Heights without a row in the index.
    pub unindexed: Vec<u64>,
    /// Hash of the last block.
    pub last_hash: Option<CryptoHash>,
    /// State hash in the header of the last block, if that block is good.
    pub state_hash: Option<CryptoHash>,
    /// Bundles received, operations and messages sent.
    pub totals: (u64, u64, u64),
    /// The last height with messages to each chain.
    pub last_messages: BTreeMap<ChainId, BlockHeight>,
    /// The last height with events of each stream.
    pub last_events: BTreeMap<StreamId, BlockHeight>,
    /// Events.
    pub events: u64,
}

impl Walked {
    /// Returns true if all blocks are good, so that what they add up to is right.
    pub(super) fn is_whole(&self, next_height: BlockHeight) -> bool {
        self.found == next_height.0
    }

    fn add(&mut self, block: &ConfirmedBlock) {
        let block = block.block();
        let height = block.header.height;
        self.found += 1;
        self.totals.0 += block.body.incoming_bundles().count() as u64;
        self.totals.1 += block.body.operations().count() as u64;
        self.totals.2 += block.body.messages.iter().map(|messages| messages.len() as u64).sum::<u64>();
        for recipient in block.recipients() {
            self.last_messages.insert(recipient, height);
        }
        for event in block.body.events.iter().flatten() {
            self.last_events.insert(event.stream_id.clone(), height);
            self.events += 1;
        }
    }
}

impl Chain<'_> {
    /// Goes through the blocks below the next height.
    pub(super) async fn walk(&self, inboxes: &mut Inboxes, outboxes: &mut Outboxes) -> Result<Walked> {
        let mut walked = Walked { heights: self.known_heights().await?, ..Walked::default() };
        if walked.heights < self.next_height().0 {
            let found = format!("blocks up to {}, by the log and by the index", walked.heights);
            self.add(Kind::Tip, self.place("tip"), format!("next height {}", self.next_height()), found);
        }
        let mut from = 0;
        while from < walked.heights {
            let to = walked.heights.min(from + CHUNK);
            let logged = log::entries(&self.view.confirmed_log, from, to).await?;
            let heights: Vec<_> = (from..to).map(BlockHeight).collect();
            let indexed = self.context.records.height_rows(self.id, &heights).await?;
            for ((height, logged), row) in heights.into_iter().zip(logged).zip(indexed) {
                let hash = self.hash_of(height, logged, row, &mut walked);
                let block = match hash {
                    Some(hash) => self.check_block(height, hash).await?,
                    None => None,
                };
                self.follow(height, hash, block.as_ref(), &mut walked);
                if let Some(block) = block {
                    inboxes.removed(&block);
                    self.sent(&block, outboxes).await?;
                    walked.add(&block);
                }
            }
            from = to;
        }
        Ok(walked)
    }

    /// Returns how many heights there may be blocks at. This is not more than the log or the index knows of, so a
    /// damaged number does not make this endless.
    async fn known_heights(&self) -> Result<u64> {
        let indexed = self.context.records.heights(self.id).await?;
        let indexed = indexed.last().map_or(0, |last| last.saturating_add(1));
        let logged =
            log::last_index(&self.view.confirmed_log).await?.map_or(0, |last| last.saturating_add(1));
        Ok(self.next_height().0.min(indexed.max(logged)))
    }

    /// Returns the block at a height: what the log says, or else the index.
    fn hash_of(
        &self,
        height: BlockHeight,
        logged: LogEntry<CryptoHash>,
        row: Option<Vec<u8>>,
        walked: &mut Walked,
    ) -> Option<CryptoHash> {
        let place = |what: &str| self.place(what).height(height);
        let logged = match logged {
            // Missing entries are found where the log is checked.
            None => None,
            Some(Ok(hash)) => Some(hash),
            Some(Err(problem)) => {
                self.add(Kind::ConfirmedLog, place("confirmed log"), "the hash of a block", problem);
                None
            }
        };
        let indexed = match row.map(|bytes| decode::<CryptoHash>(&bytes)) {
            None => {
                walked.unindexed.push(height.0);
                None
            }
            Some(Ok(hash)) => Some(hash),
            Some(Err(problem)) => {
                self.add(Kind::HeightIndex, place("height index"), "the hash of a block", problem);
                None
            }
        };
        if let (Some(logged), Some(indexed)) = (logged, indexed)
            && logged != indexed
        {
            self.add(Kind::HeightIndex, place("height index"), format!("{logged}, as in the log"), indexed);
        }
        logged.or(indexed)
    }

    /// Checks that a block follows the one before it.
    fn follow(
        &self,
        height: BlockHeight,
        hash: Option<CryptoHash>,
        block: Option<&ConfirmedBlock>,
        walked: &mut Walked,
    ) {
        let before = walked.last_hash;
        walked.last_hash = hash;
        walked.state_hash = block.map(|block| block.block().header.state_hash);
        let Some(block) = block else { return };
        let header = &block.block().header;
        // Where the block before is not known at all, that is a finding already.
        let unknown = before.is_none() && height != BlockHeight::ZERO;
        if !unknown && header.previous_block_hash != before {
            let show =
                |hash: Option<CryptoHash>| hash.map_or_else(|| "none".to_owned(), |hash| hash.to_string());
            let place = self.place("block").height(height);
            let expected = format!("previous block {}", show(before));
            self.add(Kind::BlockLink, place, expected, show(header.previous_block_hash));
        }
    }
}
