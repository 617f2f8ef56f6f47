//! The index from heights to blocks, and blocks that came before those that they follow.

use std::collections::BTreeSet;

use anyhow::Result;
use linera_base::data_types::BlockHeight;

use crate::chain::Chain;
use crate::chain::outboxes::Outboxes;
use crate::chain::walk::Walked;
use crate::kind::Kind;
use crate::ranges::{ranges, show};

impl Chain<'_> {
    /// Checks the blocks that were verified before it was their turn; returns the heights of those that are good.
    pub(super) async fn check_preprocessed(&self, outboxes: &mut Outboxes) -> Result<BTreeSet<u64>> {
        let mut good = BTreeSet::new();
        let blocks = self.view.preprocessed_blocks.index_values().await;
        for (height, hash) in self.take("preprocessed blocks", blocks)?.unwrap_or_default() {
            let place = self.place("preprocessed block").height(height).block(hash);
            if height < self.next_height() {
                let expected = format!("a height from {} on", self.next_height());
                self.add(Kind::ChainState, place, expected, height);
                continue;
            }
            let indexed = self.context.records.hash_at(self.id, height).await?;
            if indexed != Some(hash) {
                let found = indexed.map_or_else(|| "nothing".to_owned(), |hash| hash.to_string());
                self.add(Kind::HeightIndex, place.but("height index"), hash, found);
            }
            if let Some(block) = self.check_block(height, hash).await? {
                outboxes.preprocessed(&block);
                good.insert(height.0);
            }
        }
        Ok(good)
    }

    /// Checks that the index has a row for each block, and looks at those that it has for none.
    pub(super) async fn check_heights(&self, walked: &Walked, early: &BTreeSet<u64>) -> Result<()> {
        let indexed = self.context.records.heights(self.id).await?;
        let first = indexed.first().copied().unwrap_or(u64::MAX);
        for range in ranges(walked.unindexed.iter().copied()) {
            let place = self.place(format!("height index, heights {}", show(&range)));
            let place = place.height(BlockHeight(range.start));
            // Rows below the first one are missing where the index is younger than the chain.
            if self.context.upgraded && range.end <= first {
                let count = range.end - range.start;
                self.context.findings.remark("blocks from before the height index", count, place);
            } else {
                self.add(Kind::HeightIndex, place, "a row for each block", "nothing");
            }
        }
        let beyond = |height: &&u64| **height >= self.next_height().0 && !early.contains(height);
        let beyond: Vec<_> = indexed.iter().filter(beyond).copied().collect();
        match beyond.as_slice() {
            [] => {}
            // A worker stores a block before the state that it leads to.
            [height] => {
                let place = self.place("block").height(BlockHeight(*height));
                self.context.findings.remark("blocks that their chains do not know yet", 1, place);
            }
            [height, ..] if self.context.point_in_time => self.behind(&beyond, *height),
            // States were read before the blocks that came meanwhile.
            heights => {
                let what = "blocks that their chains do not know yet";
                self.context.findings.remark(what, heights.len() as u64, self.id);
            }
        }
        Ok(())
    }

    fn behind(&self, beyond: &[u64], first: u64) {
        let heights: Vec<_> = ranges(beyond.iter().copied()).iter().map(show).collect();
        let place = self.place("chain state").height(BlockHeight(first));
        let found = format!("blocks at heights {}, too", heights.join(", "));
        self.add(Kind::ChainBehind, place, format!("blocks below {}", self.next_height()), found);
    }
}
