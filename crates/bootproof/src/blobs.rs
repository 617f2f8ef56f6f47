//! Blobs: whether they hash to their ids, and whether their states name blocks that are there.

use anyhow::Result;
use backup_format::Group;
use linera_base::crypto::CryptoHash;
use linera_base::data_types::{ApplicationDescription, Blob, BlobContent};
use linera_base::identifiers::{BlobId, BlobType};
use linera_execution::BlobState;

use crate::decode::decode;
use crate::findings::Findings;
use crate::kind::Kind;
use crate::place::Place;
use crate::records::{BLOB_KEY, BLOB_STATE_KEY, Records};
use crate::sweep::foreign_keys;

/// Checks blobs while their entries come by.
pub(crate) struct Blobs<'a> {
    records: &'a Records,
    findings: &'a Findings,
    /// The blob whose entries come, and whether it has a content and a state.
    open: Option<(BlobId, bool, bool)>,
    count: u64,
}

impl<'a> Blobs<'a> {
    pub(crate) fn new(records: &'a Records, findings: &'a Findings) -> Self {
        Self { records, findings, open: None, count: 0 }
    }

    /// Returns the number of blobs that came by.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Takes entries of a blob's partition.
    pub(crate) async fn push(&mut self, id: BlobId, group: &Group<'_>) -> Result<()> {
        if self.open.is_none_or(|(open, _, _)| open != id) {
            self.finish().await?;
            self.open = Some((id, false, false));
            self.count += 1;
        }
        foreign_keys(group, &[BLOB_KEY, BLOB_STATE_KEY], self.findings);
        for entry in group.iter() {
            let (mut has_content, mut has_state) = (false, false);
            match entry.key {
                BLOB_KEY => {
                    has_content = true;
                    self.content(id, entry.value);
                }
                BLOB_STATE_KEY => {
                    has_state = true;
                    self.state(id, entry.value).await?;
                }
                _ => {}
            }
            if let Some((_, content, state)) = &mut self.open {
                *content |= has_content;
                *state |= has_state;
            }
        }
        Ok(())
    }

    /// Ends the last blob.
    pub(crate) async fn finish(&mut self) -> Result<()> {
        if let Some((id, content, state)) = self.open.take() {
            if content && !state {
                self.findings.remark("blobs that no block used, as those of the genesis are", 1, id);
            }
            if state && !content {
                // A block that was seen and not processed leaves such a state; where a block needs the content, its
                // chain tells.
                self.findings.remark("blobs that are only announced: a state without a content", 1, id);
            }
        }
        Ok(())
    }

    fn content(&self, id: BlobId, bytes: &[u8]) {
        let place = || Place::of("blob").blob(id);
        match hash_of(id.blob_type, bytes) {
            Some(hash) if hash == id.hash => {}
            Some(hash) => {
                let found = format!("{} bytes that hash to {hash}", bytes.len());
                self.findings.add(Kind::BlobDamaged, place(), format!("hash {}", id.hash), found);
            }
            None => {
                let found = format!("{} bytes that are no {}", bytes.len(), id.blob_type);
                self.findings.add(Kind::BlobDamaged, place(), format!("hash {}", id.hash), found);
            }
        }
    }

    /// A state that names its block was written after it.
    async fn state(&self, id: BlobId, bytes: &[u8]) -> Result<()> {
        let place = || Place::of("state of blob").blob(id);
        let state: BlobState = match decode(bytes) {
            Ok(state) => state,
            Err(problem) => {
                self.findings.add(Kind::BlobState, place(), "a state", problem);
                return Ok(());
            }
        };
        let Some(hash) = state.last_used_by else { return Ok(()) };
        let (chain, height) = (state.chain_id, state.block_height);
        let place = || place().chain(chain).height(height).block(hash);
        match self.records.good_block(hash).await? {
            None => {
                let expected = "the block that used the blob last";
                self.findings.add(Kind::BlobState, place(), expected, "no such block, or a damaged one");
            }
            Some(block) if block.chain_id() != chain || block.height() != height => {
                let found = format!("a block of chain {} at height {}", block.chain_id(), block.height());
                self.findings.add(Kind::BlobState, place(), "the block that used the blob last", found);
            }
            Some(block) if !block.block().requires_or_creates_blob(&id) => {
                let found = "a block that does not need it";
                self.findings.add(Kind::BlobState, place(), "the block that used the blob last", found);
            }
            Some(_) => {}
        }
        Ok(())
    }
}

/// Returns the hash in the id that a blob of this content has; `None` when it cannot be one of this type.
pub(crate) fn hash_of(blob_type: BlobType, bytes: &[u8]) -> Option<CryptoHash> {
    // linera panics when it is to hash something else.
    if blob_type == BlobType::ApplicationDescription && decode::<ApplicationDescription>(bytes).is_err() {
        return None;
    }
    Some(Blob::new(BlobContent::new(blob_type, bytes)).id().hash)
}
