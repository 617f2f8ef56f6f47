//! What a chain remembers of its blocks.

use std::collections::BTreeMap;
use std::fmt::Display;

use anyhow::Result;
use linera_base::crypto::CryptoHash;
use linera_base::data_types::BlockHeight;

use crate::chain::Chain;
use crate::chain::walk::Walked;
use crate::kind::Kind;

impl Chain<'_> {
    /// Compares the tip, and the last heights with messages and events, with what the blocks add up to.
    pub(super) async fn check_tip(&self, walked: &Walked) -> Result<()> {
        if walked.heights == self.next_height().0 && self.tip.block_hash != walked.last_hash {
            let show =
                |hash: Option<CryptoHash>| hash.map_or_else(|| "none".to_owned(), |hash| hash.to_string());
            let place = self.place("tip").height(self.next_height());
            let expected = format!("last block {}", show(walked.last_hash));
            self.add(Kind::Tip, place, expected, show(self.tip.block_hash));
        }
        if !walked.is_whole(self.next_height()) {
            let what = "counters and last messages of chains with missing or damaged blocks";
            self.context.findings.not_proven(what, self.id);
            return Ok(());
        }
        let tip = &self.tip;
        let found = (tip.num_incoming_bundles, tip.num_operations, tip.num_outgoing_messages);
        let found = (u64::from(found.0), u64::from(found.1), u64::from(found.2));
        if found != walked.totals {
            let show = |totals: (u64, u64, u64)| {
                format!("{} bundles received, {} operations, {} messages sent", totals.0, totals.1, totals.2)
            };
            self.add(Kind::Tip, self.place("tip counters"), show(walked.totals), show(found));
        }
        let messages = self.view.previous_message_blocks.index_values().await;
        if let Some(found) = self.take("last messages", messages)? {
            self.compare_last("last message to chain", &walked.last_messages, found);
        }
        let events = self.view.previous_event_blocks.index_values().await;
        if let Some(found) = self.take("last events", events)? {
            self.compare_last("last event of stream", &walked.last_events, found);
        }
        Ok(())
    }

    fn compare_last<K: Ord + Display>(
        &self,
        what: &str,
        expected: &BTreeMap<K, BlockHeight>,
        found: Vec<(K, BlockHeight)>,
    ) {
        let found: BTreeMap<_, _> = found.into_iter().collect();
        let show = |height: Option<&BlockHeight>| {
            height.map_or_else(|| "nothing".to_owned(), |height| format!("height {height}"))
        };
        for (key, height) in expected {
            if found.get(key) != Some(height) {
                let place = self.place(format!("{what} {key}"));
                self.add(Kind::PreviousBlocks, place, show(Some(height)), show(found.get(key)));
            }
        }
        for (key, height) in found.iter().filter(|(key, _)| !expected.contains_key(key)) {
            let place = self.place(format!("{what} {key}"));
            self.add(Kind::PreviousBlocks, place, show(None), show(Some(height)));
        }
    }
}
