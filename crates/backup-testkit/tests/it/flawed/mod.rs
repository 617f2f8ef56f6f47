//! An engine in memory with a flaw of choice.

mod amending;
mod reading;
mod restoring;

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use backup_format::{
    DatabaseBackup, EngineError, EntryBatch, ErrorClass, ObjectId, Order, Range, Restore, RestoreSink,
    RestoreTarget, Snapshot,
};
use backup_memory::{MemoryNamespace, Options, WriteBatch};
use backup_testkit::{Amendable, Content, Engine, Live, Namespace, Put, Writer};

use reading::View;
use restoring::Sink;

/// What is wrong with an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing: the wrapper itself is sound.
    Nothing,
    /// A namespace that is created has its root keys and keys joined, and parted elsewhere.
    ConfusesRootKeyAndKey,
    /// A namespace that is created has its keys cut off after 9,000 bytes.
    CutsLongKeys,
    /// Its name has a line break.
    HasAnImpossibleName,

    /// The last entry of all is never read.
    SkipsTheLastEntry,
    /// The first two entries of a batch change places.
    SwapsNeighbours,
    /// The first entry of a range comes twice.
    RepeatsAnEntry,
    /// All partitions come twice, with one half of their entries each time.
    TearsPartitions,
    /// Order is one in which the entries do not come.
    TellsTheWrongOrder,
    /// A range is one batch, however long.
    JoinsBatches,
    /// The last batch is empty.
    GivesAnEmptyBatch,
    /// All streams of a range take from one and the same cursor.
    SharesACursor,
    /// The second snapshot and all later ones lack the last entry.
    ReadsWellOnlyOnce,

    /// Of several ranges the last is missing.
    ForgetsARange,
    /// Ranges come the other way round.
    ReversesRanges,
    /// An empty namespace has no range.
    HasNoRangeWhenEmpty,
    /// There is one range more than was asked for.
    MakesTooManyRanges,
    /// All ranges claim to begin a page.
    StartsAPageAtEachRange,
    /// Ranges claim to begin pages, and end in the middle of a partition.
    DividesPartitions,
    /// Each phase is the whole namespace.
    RepeatsAPhase,
    /// Plans have an identity, and every second plan is another.
    PlansInTwoWays,
    /// All namespaces have the same identity.
    HasTheIdentityOfOthers,
    /// A range that it did not plan is empty.
    ReadsAnyRange,

    /// A batch shows the state of the moment when it is read.
    ReadsEachBatchAtAnotherMoment,
    /// A range shows the state of the moment when its reading begins.
    ReadsEachRangeAtAnotherMoment,
    /// All snapshots show the state of the first.
    ReadsAnOldState,
    /// Writers wait for the end of all snapshots.
    BlocksWriters,

    /// A restore takes the place of another one.
    IgnoresMarkers,
    /// A check of the target finds it free in any case.
    ChecksNothing,
    /// A restore removes what was there.
    Overwrites,
    /// A namespace can be read while it is being restored.
    ReadsHalfRestored,
    /// A dropped restore is published.
    PublishesOnDrop,
    /// Units that were written do not count in a later try.
    ForgetsUnits,
    /// A unit counts as written as soon as it was begun.
    CountsBegunUnits,
    /// The second unit is not written.
    LosesAUnit,
    /// Empty values become something else.
    AltersEmptyValues,
    /// Root keys must come in the order of their bytes.
    RestoresPlainOrderOnly,
    /// Units must come in the order of the dump.
    RestoresInOrderOnly,
    /// Only one writer can be open at a time.
    HasOneWriter,
    /// Discarding does nothing.
    DiscardsNothing,
    /// Discarding leaves what was written.
    DiscardsTheMarkerOnly,
    /// The view of what was restored is empty.
    ShowsAnEmptyView,

    /// What was looked up comes in the order of the root keys.
    AnswersInItsOwnOrder,
    /// All root keys are listed, whatever they begin with.
    IgnoresPrefixes,
    /// An amendment removes other entries of the partitions that it writes.
    ReplacesPartitions,
    /// An amendment writes into partitions that are not there.
    MakesPartitions,
    /// An amendment writes before it is asked to.
    WritesOnOpening,
    /// Two amendments can be open.
    LetsTwoAmend,
    /// Entries can be looked up while a namespace is being restored.
    LooksAtHalfRestored,
    /// The second half of what is written to a partition waits for the next write.
    WritesHalfAPartition,
}

/// An engine with a flaw.
pub struct Flawed(pub Flaw);

impl Flawed {
    fn namespace(&self, content: &Content) -> Database {
        let options = Options::default().with_batch_bytes(64 << 10);
        let inner = MemoryNamespace::new("flawed").with_options(options);
        for (root_key, key, value) in content.iter() {
            let joined = [root_key, key].concat();
            let (root_key, key) = match self.0 {
                Flaw::CutsLongKeys => (root_key, &key[..key.len().min(9_000)]),
                Flaw::ConfusesRootKeyAndKey => joined.split_at(joined.len().min(3)),
                _ => (root_key, key),
            };
            inner.put(root_key, key, value).unwrap();
        }
        Database { flaw: self.0, inner, memory: Arc::default() }
    }
}

#[async_trait]
impl Engine for Flawed {
    fn name(&self) -> &str {
        "flawed"
    }

    async fn create(&self, content: &Content) -> Namespace {
        Namespace::of(self.namespace(content))
    }

    async fn empty(&self) -> Namespace {
        Namespace::of(self.namespace(&Content::default()))
    }

    async fn live(&self, content: &Content) -> Option<Live> {
        let database = self.namespace(content);
        Some(Live { database: Arc::new(database.clone()), writer: Arc::new(database) })
    }

    async fn amendable(&self, content: &Content) -> Option<Amendable> {
        Some(Amendable::of(self.namespace(content), true))
    }
}

/// A namespace with a flaw.
#[derive(Clone)]
struct Database {
    flaw: Flaw,
    inner: MemoryNamespace,
    memory: Arc<Mutex<Memory>>,
}

/// What the flaws remember.
#[derive(Default)]
struct Memory {
    snapshots: u64,
    first_state: Option<MemoryNamespace>,
    open_snapshots: Arc<()>,
    plans: u64,
    cursors: Vec<(Range, VecDeque<EntryBatch>)>,
    open_writers: Arc<()>,
    writers: u64,
    begun: HashSet<ObjectId>,
    last_unit_root: Vec<u8>,
}

impl Database {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap()
    }

    fn is_free(&self) -> bool {
        self.inner.marker().is_none()
    }

    async fn clear(&self) {
        let content = content_of(&self.inner).await;
        content.root_keys().for_each(|root_key| self.inner.delete_prefix(root_key, b"").unwrap());
    }
}

fn failed(text: &str) -> EngineError {
    EngineError::new(ErrorClass::Failed, text)
}

async fn content_of(namespace: &MemoryNamespace) -> Content {
    let snapshot = namespace.snapshot().await.unwrap();
    Content::read(&*snapshot).await.unwrap()
}

async fn copy_of(namespace: &MemoryNamespace) -> MemoryNamespace {
    let copy = MemoryNamespace::new("copy");
    let content = content_of(namespace).await;
    content.iter().for_each(|(root_key, key, value)| copy.put(root_key, key, value).unwrap());
    copy
}

#[async_trait]
impl Writer for Database {
    async fn write(&self, puts: &[Put]) {
        while self.flaw == Flaw::BlocksWriters && Arc::strong_count(&self.memory().open_snapshots) > 1 {
            tokio::task::yield_now().await;
        }
        let mut batch = WriteBatch::default();
        puts.iter().for_each(|put| batch.put(&put.root_key, &put.key, &put.value));
        self.inner.write_batch(&batch).unwrap();
    }
}

/// A restore of this dump, of any order and size.
fn restore_of(dump: ObjectId) -> Restore {
    Restore { dump, order: Order::Plain, entries: 0 }
}

#[async_trait]
impl DatabaseBackup for Database {
    fn name(&self) -> &str {
        DatabaseBackup::name(&self.inner)
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let snapshot = match (self.flaw, self.inner.marker()) {
            (Flaw::ReadsHalfRestored, Some(dump)) => {
                self.inner.begin(&restore_of(dump)).await?.finish().await?.snapshot().await?
            }
            (Flaw::ReadsAnOldState, None) => {
                let now = copy_of(&self.inner).await;
                let first = self.memory().first_state.get_or_insert(now).clone();
                first.snapshot().await?
            }
            _ => self.inner.snapshot().await?,
        };
        self.memory().snapshots += 1;
        Ok(Box::new(View::new(self, snapshot)))
    }
}

#[async_trait]
impl RestoreTarget for Database {
    fn name(&self) -> &str {
        RestoreTarget::name(&self.inner)
    }

    async fn begin(&self, restore: &Restore) -> Result<Box<dyn RestoreSink>, EngineError> {
        match (self.flaw, self.inner.marker()) {
            (Flaw::IgnoresMarkers, Some(other)) if other != restore.dump => {
                self.inner.begin(&restore_of(other)).await?.discard().await?;
            }
            (Flaw::Overwrites, None) => self.clear().await,
            _ => {}
        }
        let inner = self.inner.begin(restore).await?;
        Ok(Box::new(Sink::new(self, inner)))
    }

    async fn check(&self, restore: &Restore) -> Result<(), EngineError> {
        match self.flaw {
            Flaw::ChecksNothing => Ok(()),
            Flaw::IgnoresMarkers if !self.is_free() => Ok(()),
            Flaw::Overwrites if self.is_free() => Ok(()),
            _ => self.inner.check(restore).await,
        }
    }
}
