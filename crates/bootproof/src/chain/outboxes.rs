//! Messages to other chains: which wait in outboxes, and whether the others have been delivered.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use linera_base::data_types::BlockHeight;
use linera_base::identifiers::ChainId;
use linera_chain::types::ConfirmedBlock;

use crate::chain::Chain;
use crate::chain::walk::Walked;
use crate::cursor::Cursor;
use crate::decode::content_error;
use crate::kind::Kind;

/// What waits for one recipient.
#[derive(Debug, Default)]
struct Outbox {
    /// Heights of blocks that wait, as far as no such block was met yet.
    unmatched: BTreeSet<u64>,
    /// Number of heights that wait.
    count: usize,
    /// The first of them.
    first: Option<u64>,
}

/// How far a recipient has received from this chain.
#[derive(Clone, Copy, Debug)]
enum Receiver {
    /// It has no state here.
    Elsewhere,
    /// Its state cannot be read, which is a finding where it is checked.
    Unreadable,
    /// All before this.
    Until(Cursor),
}

/// The outboxes of a chain.
#[derive(Debug, Default)]
pub(super) struct Outboxes {
    queues: BTreeMap<ChainId, Outbox>,
    counters: BTreeMap<u64, u32>,
    receivers: BTreeMap<ChainId, Receiver>,
    /// First height and number of lost bundles, by recipient.
    lost: BTreeMap<ChainId, (u64, u64)>,
}

impl Outboxes {
    /// Takes a block that was verified before it was its turn. Its messages may wait already.
    pub(super) fn preprocessed(&mut self, block: &ConfirmedBlock) {
        for recipient in block.block().recipients() {
            if let Some(outbox) = self.queues.get_mut(&recipient) {
                outbox.unmatched.remove(&block.height().0);
            }
        }
    }
}

impl Chain<'_> {
    /// Reads all outboxes, and checks each in itself.
    pub(super) async fn read_outboxes(&self) -> Result<Outboxes> {
        let mut outboxes = Outboxes::default();
        let recipients = self.view.outboxes.indices().await;
        for recipient in self.take("outboxes", recipients)?.unwrap_or_default() {
            let what = format!("outbox to chain {recipient}");
            let outbox = self.view.outboxes.try_load_entry(&recipient).await;
            let Some(Some(outbox)) = self.take(&what, outbox)? else { continue };
            let Some(heights) = self.take(&what, outbox.queue.elements().await)? else { continue };
            if !heights.is_sorted_by(|left, right| left < right) {
                self.add(Kind::Outbox, self.place(&what), "increasing heights", format!("{heights:?}"));
            }
            let next = *outbox.next_height_to_schedule.get();
            if let Some(last) = heights.last().filter(|last| **last >= next) {
                self.add(
                    Kind::Outbox,
                    self.place(&what),
                    format!("heights below {next}"),
                    format!("height {last}"),
                );
            }
            for height in &heights {
                *outboxes.counters.entry(height.0).or_default() += 1;
            }
            let outbox = Outbox {
                unmatched: heights.iter().map(|height| height.0).collect(),
                count: heights.len(),
                first: heights.iter().map(|height| height.0).min(),
            };
            outboxes.queues.insert(recipient, outbox);
        }
        Ok(outboxes)
    }

    /// Takes a block of this chain: each bundle of messages waits, or has been delivered.
    pub(super) async fn sent(&self, block: &ConfirmedBlock, outboxes: &mut Outboxes) -> Result<()> {
        let height = block.height();
        for recipient in block.block().recipients() {
            let outbox = outboxes.queues.entry(recipient).or_default();
            if outbox.unmatched.remove(&height.0) {
                continue;
            }
            if outbox.first.is_some_and(|first| first < height.0) {
                let place = self.place(format!("outbox to chain {recipient}")).height(height);
                self.add(Kind::Outbox, place, "this height among those that wait", "nothing");
                continue;
            }
            let bundles = block.block().message_bundles_for(recipient, block.inner().hash());
            let Some(last) = bundles.map(|(_, bundle)| Cursor::of(&bundle)).last() else { continue };
            match self.receiver(recipient, outboxes).await? {
                Receiver::Until(cursor) if cursor < last.behind() => {
                    let lost = outboxes.lost.entry(recipient).or_insert((height.0, 0));
                    lost.1 += 1;
                }
                Receiver::Until(_) | Receiver::Unreadable => {}
                Receiver::Elsewhere => {
                    let what = "messages to chains without a state in this database, which were delivered";
                    self.context.findings.not_proven(what, format!("chain {recipient}"));
                }
            }
        }
        Ok(())
    }

    async fn receiver(&self, recipient: ChainId, outboxes: &mut Outboxes) -> Result<Receiver> {
        if let Some(known) = outboxes.receivers.get(&recipient) {
            return Ok(*known);
        }
        let receiver = self.read_receiver(recipient).await?;
        outboxes.receivers.insert(recipient, receiver);
        Ok(receiver)
    }

    async fn read_receiver(&self, recipient: ChainId) -> Result<Receiver> {
        if !self.context.has_state(recipient) {
            return Ok(Receiver::Elsewhere);
        }
        let Ok(view) = self.context.load(recipient).await? else { return Ok(Receiver::Unreadable) };
        Ok(match view.inboxes.try_load_entry(&self.id).await {
            Err(error) => {
                content_error(error)?;
                Receiver::Unreadable
            }
            Ok(None) => Receiver::Until(Cursor::default()),
            Ok(Some(inbox)) => Receiver::Until(Cursor::from_linera(inbox.next_cursor_to_add.get())?),
        })
    }

    /// Checks what no block accounted for, and what the chain counts of its outboxes.
    pub(super) async fn check_outboxes(
        &self,
        outboxes: Outboxes,
        walked: &Walked,
        early: &BTreeSet<u64>,
    ) -> Result<()> {
        for (recipient, (height, count)) in &outboxes.lost {
            let place = self.place(format!("messages to chain {recipient}")).height(BlockHeight(*height));
            let found = format!("{count} blocks whose messages are neither there nor waiting");
            self.add(Kind::MessageLost, place, "messages that wait, or are in the recipient's inbox", found);
        }
        for (recipient, outbox) in &outboxes.queues {
            // A block that is missing or damaged is a finding already.
            let known = |height: &&u64| walked.is_whole(self.next_height()) || early.contains(height);
            if let Some(height) = outbox.unmatched.iter().find(known) {
                let place = self.place(format!("outbox to chain {recipient}")).height(BlockHeight(*height));
                self.add(Kind::Outbox, place, "heights of blocks with messages to it", "this height");
            }
        }
        self.check_outbox_index(&outboxes);
        Ok(())
    }

    /// A validator counts all its outboxes; only clients count some of them.
    fn check_outbox_index(&self, outboxes: &Outboxes) {
        if self.view.outbox_index_tracked_hash.get().is_some() {
            self.context.findings.not_proven("indices of outboxes that a client filtered", self.id);
            return;
        }
        let waiting = outboxes.queues.iter().filter(|(_, outbox)| outbox.count > 0);
        let expected: BTreeSet<_> = waiting.map(|(recipient, _)| *recipient).collect();
        let found = self.view.nonempty_outboxes.get();
        if *found != expected {
            let place = self.place("recipients that messages wait for");
            self.add(
                Kind::Outbox,
                place,
                format!("{} chains", expected.len()),
                format!("{} or others", found.len()),
            );
        }
        let found: BTreeMap<_, _> =
            self.view.outbox_counters.get().iter().map(|(height, count)| (height.0, *count)).collect();
        if found != outboxes.counters {
            let place = self.place("counters of messages that wait");
            let (expected, found) = (format!("{:?}", outboxes.counters), format!("{found:?}"));
            self.add(Kind::Outbox, place, shorten(expected), shorten(found));
        }
    }
}

/// Keeps long lists out of reports.
fn shorten(text: String) -> String {
    const CHARS: usize = 200;
    if text.len() <= CHARS { text } else { text.chars().take(CHARS).chain("...".chars()).collect() }
}
