//! The events that blocks published.

use anyhow::Result;
use linera_base::data_types::{BlockHeight, OracleResponse};
use linera_chain::types::ConfirmedBlock;

use crate::chain::Chain;
use crate::decode::decode;
use crate::kind::Kind;
use crate::place::Place;
use crate::records::event_key;

impl Chain<'_> {
    /// Checks that the events of a block are there as it published them, and that the index knows its height.
    pub(super) async fn check_events(&self, block: &ConfirmedBlock, place: &Place) -> Result<()> {
        let events: Vec<_> = block.block().body.events.iter().flatten().collect();
        let keys = events.iter().map(|event| event_key(&event.stream_id, event.index));
        let keys = keys.collect::<Result<Vec<_>>>()?;
        let values = self.context.records.events(self.id, &keys).await?;
        let heights = self.context.records.event_heights(self.id, &keys).await?;
        for ((event, value), height) in events.into_iter().zip(values).zip(heights) {
            let name = format!("event {} of stream {}", event.index, event.stream_id);
            match value {
                None => self.add(Kind::Event, place.but(name.clone()), "an event", "nothing"),
                Some(value) if value != event.value => {
                    let expected = format!("the {} bytes of the block", event.value.len());
                    let found = format!("{} other bytes", value.len());
                    self.add(Kind::Event, place.but(name.clone()), expected, found);
                }
                Some(_) => {}
            }
            self.check_event_height(
                block.height(),
                height.as_deref(),
                &place.but(format!("index of {name}")),
            );
        }
        Ok(())
    }

    /// Compares the events that a block read with those that are there. They need not be: a block that was certified is
    /// executed with the events that it brings.
    pub(super) async fn check_events_read(&self, block: &ConfirmedBlock, place: &Place) -> Result<()> {
        for response in block.block().body.oracle_responses.iter().flatten() {
            let OracleResponse::Event(id, read) = response else { continue };
            let key = event_key(&id.stream_id, id.index)?;
            let place = place.but(format!(
                "event {} of stream {} of chain {}, read by block",
                id.index, id.stream_id, id.chain_id
            ));
            match self.context.records.events(id.chain_id, &[key]).await?.pop().flatten() {
                None => {
                    self.context.findings.remark("events that blocks read, and that are not here", 1, place)
                }
                Some(found) if found != *read => {
                    let expected = format!("the {} bytes that the block read", read.len());
                    self.add(Kind::Event, place, expected, format!("{} other bytes", found.len()));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn check_event_height(&self, expected: BlockHeight, row: Option<&[u8]>, place: &Place) {
        match row.map(decode::<BlockHeight>) {
            Some(Ok(found)) if found == expected => {}
            Some(Ok(found)) => self.add(Kind::EventIndex, place.clone(), format!("height {expected}"), found),
            Some(Err(problem)) => self.add(Kind::EventIndex, place.clone(), "a height", problem),
            None if self.context.upgraded => {
                self.context.findings.remark("events that no row of the index knows", 1, place);
            }
            None => self.add(Kind::EventIndex, place.clone(), format!("height {expected}"), "nothing"),
        }
    }
}
