//! Messages from other chains: how far they were added to inboxes, and removed by blocks.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use linera_base::identifiers::ChainId;
use linera_chain::data_types::MessageBundle;
use linera_chain::types::ConfirmedBlock;

use crate::chain::Chain;
use crate::chain::walk::Walked;
use crate::cursor::Cursor;
use crate::kind::Kind;

/// What is known of the messages from one chain.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// All before this were added.
    pub to_add: Cursor,
    /// All before this were removed, or skipped.
    pub to_remove: Cursor,
    /// Bundles that were added and not removed.
    pub added: usize,
    /// Behind the last bundle that a block of this chain took.
    taken: Cursor,
    /// Bundles that a block took before they were added.
    early: Vec<MessageBundle>,
}

/// The inboxes of a chain, by origin.
#[derive(Debug, Default)]
pub(super) struct Inboxes {
    pub by_origin: BTreeMap<ChainId, Inbox>,
}

impl Inboxes {
    /// Takes a block of this chain, in their order.
    pub(super) fn removed(&mut self, block: &ConfirmedBlock) {
        for incoming in block.block().body.incoming_bundles() {
            let inbox = self.by_origin.entry(incoming.origin).or_default();
            let cursor = Cursor::of(&incoming.bundle);
            inbox.taken = inbox.taken.max(cursor.behind());
            if cursor >= inbox.to_add {
                inbox.early.push(incoming.bundle.clone());
            }
        }
    }
}

impl Chain<'_> {
    /// Reads how far each inbox is.
    pub(super) async fn read_inboxes(&self) -> Result<Inboxes> {
        let mut inboxes = Inboxes::default();
        let origins = self.view.inboxes.indices().await;
        for origin in self.take("inboxes", origins)?.unwrap_or_default() {
            let inbox = self.view.inboxes.try_load_entry(&origin).await;
            let Some(Some(inbox)) = self.take(&format!("inbox of chain {origin}"), inbox)? else { continue };
            let known = Inbox {
                to_add: Cursor::from_linera(inbox.next_cursor_to_add.get())?,
                to_remove: Cursor::from_linera(inbox.next_cursor_to_remove.get())?,
                added: inbox.added_bundles.count(),
                ..Inbox::default()
            };
            inboxes.by_origin.insert(origin, known);
        }
        Ok(inboxes)
    }

    /// Compares the inboxes with the blocks of this chain and of the origins, and with the log of what was received.
    pub(super) async fn check_inboxes(&self, inboxes: Inboxes, walked: &Walked) -> Result<()> {
        self.check_nonempty(&inboxes);
        let mut received: BTreeMap<ChainId, Vec<u64>> = BTreeMap::new();
        for entry in self.received().await? {
            received.entry(entry.chain_id).or_default().push(entry.height.0);
        }
        let origins: BTreeSet<_> = inboxes.by_origin.keys().chain(received.keys()).copied().collect();
        for origin in origins {
            let nothing = Inbox::default();
            let inbox = inboxes.by_origin.get(&origin).unwrap_or(&nothing);
            if walked.is_whole(self.next_height()) {
                self.check_removed(origin, inbox).await?;
            }
            let heights = received.remove(&origin).unwrap_or_default();
            self.check_received(origin, inbox, &heights).await?;
        }
        Ok(())
    }

    /// The set of non-empty inboxes is kept from when it was first asked for.
    fn check_nonempty(&self, inboxes: &Inboxes) {
        let Some(found) = self.view.nonempty_inboxes.get() else { return };
        let waiting = inboxes.by_origin.iter().filter(|(_, inbox)| inbox.added > 0);
        let expected: BTreeSet<_> = waiting.map(|(origin, _)| *origin).collect();
        if *found != expected {
            let place = self.place("origins of messages that wait to be received");
            self.add(
                Kind::Inbox,
                place,
                format!("{} chains", expected.len()),
                format!("{} or others", found.len()),
            );
        }
    }

    /// Compares what an inbox says was removed with the blocks of this chain.
    async fn check_removed(&self, origin: ChainId, inbox: &Inbox) -> Result<()> {
        let what = format!("inbox of chain {origin}");
        if inbox.to_remove != inbox.taken {
            let expected = format!("messages removed before {}", inbox.taken);
            self.add(Kind::Inbox, self.place(&what), expected, inbox.to_remove);
        }
        let view = self.view.inboxes.try_load_entry(&origin).await;
        let bundles = match self.take(&what, view)?.flatten() {
            Some(view) => self.take(&what, view.removed_bundles.elements().await)?,
            None => Some(Vec::new()),
        };
        if bundles.is_some_and(|bundles| bundles != inbox.early) {
            let expected = format!("{} bundles that blocks took before they came", inbox.early.len());
            self.add(Kind::Inbox, self.place(&what), expected, "other bundles");
        }
        Ok(())
    }
}
