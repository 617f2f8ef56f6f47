//! Messages from other chains, compared with the blocks that sent them.

use std::collections::BTreeSet;

use anyhow::Result;
use linera_base::crypto::CryptoHash;
use linera_base::data_types::BlockHeight;
use linera_base::identifiers::ChainId;
use linera_chain::data_types::MessageBundle;

use crate::chain::Chain;
use crate::chain::inboxes::Inbox;
use crate::chain::log;
use crate::cursor::Cursor;
use crate::kind::Kind;

/// What the blocks of an origin say was sent to this chain.
#[derive(Debug, Default)]
struct Sent {
    /// Heights of blocks with messages that were added, the last first.
    heights: Vec<u64>,
    /// Bundles that were added and not removed, in their order.
    waiting: Vec<MessageBundle>,
    /// Place of the last bundle of the last of these blocks.
    last: Option<Cursor>,
    /// Whether all these blocks are there and good.
    whole: bool,
}

impl Chain<'_> {
    /// Checks the messages from one chain: the log names exactly the blocks whose messages were added, and those that wait
    /// are those of the blocks. `logged` are the heights of the origin in the log, in the order of the log.
    pub(super) async fn check_received(&self, origin: ChainId, inbox: &Inbox, logged: &[u64]) -> Result<()> {
        if !logged.is_sorted_by(|left, right| left < right) {
            let place = self.place(format!("received log, entries of chain {origin}"));
            self.add(Kind::ReceivedLog, place, "increasing heights", "others");
        }
        if inbox.to_add == Cursor::default() {
            self.compare_log(origin, &[], logged);
            return Ok(());
        }
        if self.context.chains.get(&origin).is_none_or(|rows| rows.heights == 0) {
            let what = "messages from chains without blocks in this database";
            self.context.findings.not_proven(what, format!("chain {origin}"));
            return Ok(());
        }
        let sent = self.sent_by(origin, inbox).await?;
        if !sent.whole {
            let what = "messages from chains with missing or damaged blocks";
            self.context.findings.not_proven(what, format!("chain {origin}"));
            return Ok(());
        }
        self.compare_log(origin, &sent.heights, logged);
        let what = format!("inbox of chain {origin}");
        if sent.last.map(Cursor::behind) != Some(inbox.to_add) {
            let last = sent.last.map_or_else(|| "nothing".to_owned(), |last| last.behind().to_string());
            let place = self.place(&what).height(BlockHeight(inbox.to_add.height));
            self.add(Kind::Inbox, place, format!("messages added before {last}"), inbox.to_add);
        }
        let view = self.view.inboxes.try_load_entry(&origin).await;
        let Some(Some(view)) = self.take(&what, view)? else { return Ok(()) };
        let waiting = self.take(&what, view.added_bundles.elements().await)?;
        if waiting.is_some_and(|waiting| waiting != sent.waiting) {
            let expected = format!("the {} bundles that were sent and not received", sent.waiting.len());
            self.add(Kind::Inbox, self.place(&what), expected, "others");
        }
        Ok(())
    }

    /// Goes back through the blocks of an origin that sent messages to this chain, from the last that was added.
    async fn sent_by(&self, origin: ChainId, inbox: &Inbox) -> Result<Sent> {
        let mut sent = Sent::default();
        let height = BlockHeight(inbox.to_add.height);
        let mut next = self.hash_in(origin, height).await?.map(|hash| (hash, height));
        if next.is_none() {
            let place = self.place(format!("inbox of chain {origin}")).height(height);
            self.add(Kind::Inbox, place, "the height of a block of that chain", "a height without a block");
            return Ok(sent);
        }
        while let Some((hash, height)) = next {
            let Some(before) = self.add_sent(origin, hash, height, inbox, &mut sent).await? else {
                return Ok(sent);
            };
            next = before.filter(|(_, before)| *before < height);
        }
        sent.waiting.reverse();
        sent.whole = true;
        Ok(sent)
    }

    /// Returns the block that another chain has at a height, by the index or by its log. If one of them lacks it, the
    /// check of that chain reports it.
    async fn hash_in(&self, chain: ChainId, height: BlockHeight) -> Result<Option<CryptoHash>> {
        if let Some(hash) = self.context.records.hash_at(chain, height).await? {
            return Ok(Some(hash));
        }
        if !self.context.has_state(chain) {
            return Ok(None);
        }
        let Ok(view) = self.context.load(chain).await? else { return Ok(None) };
        let entry = log::entries(&view.confirmed_log, height.0, height.0.saturating_add(1)).await?.pop();
        Ok(entry.flatten().and_then(Result::ok))
    }

    /// Adds one block; returns the one before it with messages to this chain. `None` when the block is not there or
    /// damaged, which is a finding where its chain is checked.
    async fn add_sent(
        &self,
        origin: ChainId,
        hash: CryptoHash,
        height: BlockHeight,
        inbox: &Inbox,
        sent: &mut Sent,
    ) -> Result<Option<Option<(CryptoHash, BlockHeight)>>> {
        let Some(block) = self.context.records.good_block(hash).await? else { return Ok(None) };
        if block.chain_id() != origin || block.height() != height {
            return Ok(None);
        }
        let block = block.block();
        let bundles: Vec<_> = block.message_bundles_for(self.id, hash).map(|(_, bundle)| bundle).collect();
        if !bundles.is_empty() {
            sent.heights.push(height.0);
        }
        if sent.last.is_none() {
            sent.last = bundles.last().map(Cursor::of);
        }
        let waits = |bundle: &MessageBundle| (inbox.to_remove..inbox.to_add).contains(&Cursor::of(bundle));
        sent.waiting.extend(bundles.into_iter().rev().filter(waits));
        Ok(Some(block.body.previous_message_blocks.get(&self.id).copied()))
    }

    fn compare_log(&self, origin: ChainId, sent: &[u64], logged: &[u64]) {
        let sent: BTreeSet<_> = sent.iter().copied().collect();
        let logged: BTreeSet<_> = logged.iter().copied().collect();
        for height in sent.difference(&logged) {
            let place =
                self.place(format!("received log, block of chain {origin}")).height(BlockHeight(*height));
            self.add(Kind::ReceivedLog, place, "an entry, since its messages were added", "none");
        }
        for height in logged.difference(&sent) {
            let place =
                self.place(format!("received log, block of chain {origin}")).height(BlockHeight(*height));
            self.add(Kind::ReceivedLog, place, "no entry, since no such messages were added", "an entry");
        }
    }
}
