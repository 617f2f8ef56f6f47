//! The flaws of reading.

use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{
    Consistency, DatabaseBackup, EngineError, EntryBatch, EntryStream, Estimate, Order, Share, Snapshot,
};
use futures::{StreamExt, TryStreamExt, stream};

use super::{Database, Flaw};

pub(super) struct View {
    database: Database,
    inner: Box<dyn Snapshot>,
    is_first: bool,
    _open: Arc<()>,
}

impl View {
    pub(super) fn new(database: &Database, inner: Box<dyn Snapshot>) -> Self {
        let memory = database.memory();
        let (is_first, open) = (memory.snapshots == 1, Arc::clone(&memory.open_snapshots));
        drop(memory);
        Self { database: database.clone(), inner, is_first, _open: open }
    }

    fn live(&self, share: Share) -> EntryStream {
        let namespace = self.database.inner.clone();
        stream::unfold((namespace, share, 0), |(namespace, share, number)| async move {
            let now = namespace.snapshot().await.unwrap();
            let batch = now.entries(&share).await.unwrap().skip(number).boxed().next().await;
            batch.map(|batch| (batch, (namespace, share, number + 1)))
        })
        .boxed()
    }

    fn share_cursor(&self, share: &Share, batches: Vec<EntryBatch>) -> EntryStream {
        let mut memory = self.database.memory();
        if !memory.cursors.iter().any(|(known, _)| known == share) {
            memory.cursors.push((share.clone(), batches.into()));
        }
        let open = (self.database.clone(), share.clone());
        stream::unfold(open, |(database, share)| async move {
            let mut memory = database.memory();
            let cursor = memory.cursors.iter_mut().find(|(known, _)| *known == share);
            let batch = cursor.and_then(|(_, rest)| rest.pop_front());
            if batch.is_none() {
                memory.cursors.retain(|(known, _)| *known != share);
            }
            drop(memory);
            batch.map(|batch| (Ok(batch), (database, share)))
        })
        .boxed()
    }
}

#[async_trait]
impl Snapshot for View {
    fn consistency(&self) -> Consistency {
        self.inner.consistency()
    }

    fn order(&self) -> Order {
        match self.database.flaw {
            Flaw::TellsTheWrongOrder => Order::Prefixed,
            _ => self.inner.order(),
        }
    }

    fn kind(&self, root_key: &[u8]) -> Option<&'static str> {
        self.inner.kind(root_key)
    }

    async fn estimate(&self) -> Result<Estimate, EngineError> {
        self.inner.estimate().await
    }

    async fn shares(&self, count: NonZeroUsize) -> Result<Vec<Share>, EngineError> {
        let is_empty = self.inner.estimate().await?.entries == Some(0);
        let more = count.saturating_add(1);
        let flaw = self.database.flaw;
        let mut shares =
            self.inner.shares(if flaw == Flaw::MakesTooManyShares { more } else { count }).await?;
        match flaw {
            Flaw::ForgetsAShare if shares.len() > 1 => drop(shares.pop()),
            Flaw::ReversesShares => shares.reverse(),
            Flaw::HasNoShareWhenEmpty if is_empty => shares.clear(),
            Flaw::StartsAPageAtEachShare => shares.iter_mut().for_each(|share| share.starts_page = true),
            _ => {}
        }
        Ok(shares)
    }

    async fn entries(&self, share: &Share) -> Result<EntryStream, EngineError> {
        let flaw = self.database.flaw;
        let read = async |snapshot: &dyn Snapshot| -> Result<Vec<EntryBatch>, EngineError> {
            snapshot.entries(share).await?.try_collect().await
        };
        let batches = match flaw {
            Flaw::ReadsEachBatchAtAnotherMoment => return Ok(self.live(share.clone())),
            Flaw::ReadsEachShareAtAnotherMoment => read(&*self.database.inner.snapshot().await?).await?,
            _ => read(&*self.inner).await?,
        };
        if flaw == Flaw::SharesACursor {
            return Ok(self.share_cursor(share, batches));
        }
        // Only the token of a last share has no second root key.
        let mut token = backup_format::Reader::new("share token", &share.token);
        let is_last = token.byte_string(share.token.len(), "root key").is_ok() && token.remaining() == 0;
        let skips = flaw == Flaw::SkipsTheLastEntry || flaw == Flaw::ReadsWellOnlyOnce && !self.is_first;
        let batches = if skips && is_last { without_last_entry(batches) } else { spoiled(flaw, batches) };
        Ok(stream::iter(batches.into_iter().map(Ok)).boxed())
    }
}

fn spoiled(flaw: Flaw, mut batches: Vec<EntryBatch>) -> Vec<EntryBatch> {
    match flaw {
        Flaw::SwapsNeighbours => {
            for batch in batches.iter_mut().filter(|batch| batch.entries() > 1) {
                *batch = rebuilt(batch, |number| Some(if number < 2 { 1 - number } else { number }));
            }
        }
        Flaw::RepeatsAnEntry => {
            let first = batches.first().map(|batch| rebuilt(batch, |number| (number == 0).then_some(0)));
            batches.splice(0..0, first);
        }
        Flaw::TearsPartitions => {
            let half = |parity: usize| -> Vec<EntryBatch> {
                let choose = |number: usize| (number % 2 == parity).then_some(number);
                batches.iter().map(|batch| rebuilt(batch, choose)).filter(|batch| !batch.is_empty()).collect()
            };
            batches = [half(0), half(1)].concat();
        }
        Flaw::JoinsBatches => {
            let mut joined = EntryBatch::default();
            for (root_key, entry) in batches.iter().flat_map(EntryBatch::iter) {
                joined.push(root_key, entry.key, entry.value);
            }
            batches = Vec::from_iter((!joined.is_empty()).then_some(joined));
        }
        Flaw::GivesAnEmptyBatch => batches.push(EntryBatch::default()),
        _ => {}
    }
    batches
}

fn without_last_entry(mut batches: Vec<EntryBatch>) -> Vec<EntryBatch> {
    if let Some(batch) = batches.last_mut() {
        let entries = batch.entries() as usize;
        *batch = rebuilt(batch, |number| (number + 1 < entries).then_some(number));
    }
    batches.retain(|batch| !batch.is_empty());
    batches
}

/// Makes a batch that has, in each place, the entry that `choose` says.
fn rebuilt(batch: &EntryBatch, choose: impl Fn(usize) -> Option<usize>) -> EntryBatch {
    let entries: Vec<_> = batch.iter().collect();
    let mut rebuilt = EntryBatch::default();
    for (root_key, entry) in (0..entries.len()).filter_map(&choose).map(|number| entries[number]) {
        rebuilt.push(root_key, entry.key, entry.value);
    }
    rebuilt
}
