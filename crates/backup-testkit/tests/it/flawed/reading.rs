//! The flaws of reading.

use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{
    Consistency, DatabaseBackup, EngineError, EntryBatch, EntryStream, Order, Range, ReadPlan, Snapshot,
    SourceInfo,
};
use backup_testkit::read_range;
use futures::{StreamExt, stream};

use super::{Database, Flaw};

pub(super) struct View {
    database: Database,
    inner: Box<dyn Snapshot>,
    info: SourceInfo,
    is_first: bool,
    _open: Arc<()>,
}

impl View {
    pub(super) fn new(database: &Database, inner: Box<dyn Snapshot>) -> Self {
        let memory = database.memory();
        let (is_first, open) = (memory.snapshots == 1, Arc::clone(&memory.open_snapshots));
        drop(memory);
        let mut info = inner.source().clone();
        if database.flaw == Flaw::HasAnImpossibleName {
            info.namespace = "two\nlines".to_owned();
        }
        Self { database: database.clone(), inner, info, is_first, _open: open }
    }

    /// Reads the first or second half of the entries of a range.
    async fn read_half(&self, range: &Range) -> Result<Vec<EntryBatch>, EngineError> {
        let (token, rest) = range.token.split_at(range.token.len() - HALF.len() - 1);
        let batches = read_range(&*self.inner, &Range { token: token.to_vec() }).await?;
        let half = batches.iter().map(EntryBatch::entries).sum::<u64>() / 2;
        let mut batch = EntryBatch::default();
        for (number, (root_key, entry)) in (0..).zip(batches.iter().flat_map(EntryBatch::iter)) {
            if (number < half) == (rest[0] == 0) {
                batch.push(root_key, entry.key, entry.value);
            }
        }
        Ok(Vec::from_iter((!batch.is_empty()).then_some(batch)))
    }

    fn live(&self, range: Range) -> EntryStream {
        let namespace = self.database.inner.clone();
        stream::unfold((namespace, range, 0), |(namespace, range, number)| async move {
            let now = namespace.snapshot().await.unwrap();
            let batch = now.entries(&range).await.unwrap().skip(number).boxed().next().await;
            batch.map(|batch| (batch, (namespace, range, number + 1)))
        })
        .boxed()
    }

    fn share_cursor(&self, range: &Range, batches: Vec<EntryBatch>) -> EntryStream {
        let mut memory = self.database.memory();
        if !memory.cursors.iter().any(|(known, _)| known == range) {
            memory.cursors.push((range.clone(), batches.into()));
        }
        let open = (self.database.clone(), range.clone());
        stream::unfold(open, |(database, range)| async move {
            let mut memory = database.memory();
            let cursor = memory.cursors.iter_mut().find(|(known, _)| *known == range);
            let batch = cursor.and_then(|(_, rest)| rest.pop_front());
            if batch.is_none() {
                memory.cursors.retain(|(known, _)| *known != range);
            }
            drop(memory);
            batch.map(|batch| (Ok(batch), (database, range)))
        })
        .boxed()
    }
}

#[async_trait]
impl Snapshot for View {
    fn source(&self) -> &SourceInfo {
        &self.info
    }

    fn order(&self) -> Order {
        match self.database.flaw {
            Flaw::TellsTheWrongOrder => Order::Prefixed,
            Flaw::RepeatsAPhase => Order::Token,
            _ => self.inner.order(),
        }
    }

    fn kind(&self, root_key: &[u8]) -> Option<&'static str> {
        self.inner.kind(root_key)
    }

    async fn estimate(&self) -> Result<Option<u64>, EngineError> {
        self.inner.estimate().await
    }

    async fn plan(&self, ranges_max: NonZeroUsize) -> Result<ReadPlan, EngineError> {
        let flaw = self.database.flaw;
        let is_empty = self.inner.estimate().await? == Some(0);
        let number = {
            let mut memory = self.database.memory();
            memory.plans += 1;
            memory.plans
        };
        let wanted = match flaw {
            Flaw::MakesTooManyRanges => ranges_max.saturating_add(1),
            Flaw::PlansInTwoWays if number.is_multiple_of(2) => NonZeroUsize::MIN,
            _ => ranges_max,
        };
        let mut plan = self.inner.plan(wanted).await?;
        let ranges = &mut plan.phases[0];
        match flaw {
            Flaw::ForgetsARange if ranges.len() > 1 => drop(ranges.pop()),
            Flaw::ReversesRanges => ranges.reverse(),
            Flaw::HasNoRangeWhenEmpty if is_empty => ranges.clear(),
            Flaw::StartsAPageAtEachRange => plan.starts_pages = true,
            Flaw::DividesPartitions if ranges.len() * 2 <= ranges_max.get() => {
                plan.starts_pages = true;
                *ranges = ranges.iter().flat_map(halves).collect();
            }
            Flaw::RepeatsAPhase => {
                plan.starts_pages = true;
                plan.phases.extend_from_within(..);
            }
            Flaw::PlansInTwoWays => {
                plan.starts_pages = true;
                plan.identity = Some(format!("{:p}", Arc::as_ptr(&self.database.memory)));
            }
            Flaw::HasTheIdentityOfOthers => {
                plan.starts_pages = true;
                plan.identity = Some("the only one".to_owned());
            }
            _ => {}
        }
        Ok(plan)
    }

    async fn entries(&self, range: &Range) -> Result<EntryStream, EngineError> {
        let flaw = self.database.flaw;
        let batches = match flaw {
            Flaw::ReadsEachBatchAtAnotherMoment => return Ok(self.live(range.clone())),
            Flaw::ReadsEachRangeAtAnotherMoment => {
                read_range(&*self.database.inner.snapshot().await?, range).await?
            }
            Flaw::ReadsAnyRange => read_range(&*self.inner, range).await.unwrap_or_default(),
            Flaw::DividesPartitions if range.token.ends_with(HALF) => self.read_half(range).await?,
            _ => read_range(&*self.inner, range).await?,
        };
        if flaw == Flaw::SharesACursor {
            return Ok(self.share_cursor(range, batches));
        }
        // Only the token of a last range has no second root key.
        let mut token = backup_format::Reader::new("range token", &range.token);
        let is_last = token.byte_string(range.token.len(), "root key").is_ok() && token.remaining() == 0;
        let skips = flaw == Flaw::SkipsTheLastEntry || flaw == Flaw::ReadsWellOnlyOnce && !self.is_first;
        let batches = if skips && is_last { without_last_entry(batches) } else { spoiled(flaw, batches) };
        Ok(stream::iter(batches.into_iter().map(Ok)).boxed())
    }

    fn consistency(&self) -> Consistency {
        self.inner.consistency()
    }
}

const HALF: &[u8] = b"th half";

/// Makes tokens of the two halves of a range.
fn halves(range: &Range) -> [Range; 2] {
    [0, 1].map(|number| Range { token: [&range.token[..], &[number], HALF].concat() })
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
