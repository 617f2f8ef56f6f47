//! Reading a range, partition by partition.

use std::mem;
use std::vec;

use backup_format::{EntryBatch, Order, show};
use linera_views::store::{KeyValueStoreError, ReadableKeyValueStore};

use crate::database::{ViewsDatabase, ViewsNamespace};
use crate::error::ViewsError;
use crate::plan::Planned;

/// Bytes at which a batch ends.
const BATCH_BYTES: usize = 256 << 10;
/// Bytes of values that are to be read at a time.
const RUN_BYTES: usize = 1 << 20;
/// Most values that are read at a time, and how many are at first.
const RUN_MAX: usize = 256;
const RUN_FIRST: usize = 16;

/// Longest key or value, in bytes: what a batch of entries can carry.
const BYTES_MAX: u64 = u32::MAX as u64;

/// Reads the partitions of a range, in order.
pub(crate) struct RangeReader<D: ViewsDatabase> {
    namespace: ViewsNamespace<D>,
    root_keys: vec::IntoIter<Vec<u8>>,
    partition: Option<PartitionReader<D>>,
    batch: EntryBatch,
}

impl<D: ViewsDatabase> RangeReader<D> {
    /// Lists the partitions as they are now: the second phase must see what was written while the first was read.
    pub(crate) async fn open(namespace: ViewsNamespace<D>, planned: &Planned) -> Result<Self, ViewsError> {
        let mut root_keys = namespace.partitions().await?;
        root_keys.retain(|root_key| planned.contains(namespace.phase(root_key), root_key));
        root_keys.sort_unstable_by(|left, right| Order::Token.compare_roots(left, right));
        Ok(Self {
            namespace,
            root_keys: root_keys.into_iter(),
            partition: None,
            batch: EntryBatch::default(),
        })
    }

    /// Reads the next batch, `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<EntryBatch>, ViewsError> {
        loop {
            if let Some(partition) = &mut self.partition {
                if partition.fill(&mut self.batch).await? {
                    return Ok(Some(mem::take(&mut self.batch)));
                }
                self.partition = None;
            }
            let Some(root_key) = self.root_keys.next() else {
                let last = mem::take(&mut self.batch);
                return Ok((!last.is_empty()).then_some(last));
            };
            self.partition = Some(PartitionReader::open(self.namespace.clone(), root_key).await?);
        }
    }
}

/// Reads one partition. An exclusive one is read by one call, and so is in memory; of any other the keys are, and a run of
/// values.
struct PartitionReader<D: ViewsDatabase> {
    namespace: ViewsNamespace<D>,
    root_key: Vec<u8>,
    store: D::Store,
    /// Keys whose values are still to be read.
    keys: vec::IntoIter<Vec<u8>>,
    ready: vec::IntoIter<(Vec<u8>, Vec<u8>)>,
    run: usize,
}

impl<D: ViewsDatabase> PartitionReader<D> {
    async fn open(namespace: ViewsNamespace<D>, root_key: Vec<u8>) -> Result<Self, ViewsError> {
        let store = namespace.open_shared("opening a partition", &root_key)?;
        let mut reader = Self {
            namespace,
            root_key,
            store,
            keys: Vec::new().into_iter(),
            ready: Vec::new().into_iter(),
            run: RUN_FIRST,
        };
        if reader.is_read_at_once() {
            let found = reader.store.find_key_values_by_prefix(&[]).await;
            reader.ready = found.map_err(|error| reader.failed(error))?.into_iter();
        } else {
            let found = reader.store.find_keys_by_prefix(&[]).await;
            reader.keys = found.map_err(|error| reader.failed(error))?.into_iter();
        }
        Ok(reader)
    }

    /// Returns true if the partition must be read as it is at one moment, or may hold a journal. linera's reading of
    /// single values takes the rows of a journal for values of millions of segments.
    fn is_read_at_once(&self) -> bool {
        let kind = self.namespace.layout().kind(&self.root_key);
        let may_be_exclusive = matches!(kind, None | Some("other")) && self.namespace.engine().has_journal;
        self.namespace.is_exclusive(&self.root_key) || may_be_exclusive
    }

    /// Appends entries until the batch is full; returns false when the partition ended before that.
    async fn fill(&mut self, batch: &mut EntryBatch) -> Result<bool, ViewsError> {
        loop {
            for (key, value) in self.ready.by_ref() {
                for (what, bytes) in [("key", &key), ("value", &value)] {
                    if bytes.len() as u64 > BYTES_MAX {
                        return Err(self.too_long(what, bytes.len()));
                    }
                }
                batch.push(&self.root_key, &key, &value);
                if batch.byte_len() >= BATCH_BYTES {
                    return Ok(true);
                }
            }
            if !self.read_run().await? {
                return Ok(false);
            }
        }
    }

    /// Reads the values of the next keys; returns false at the end of the keys.
    async fn read_run(&mut self) -> Result<bool, ViewsError> {
        let keys: Vec<_> = self.keys.by_ref().take(self.run).collect();
        if keys.is_empty() {
            return Ok(false);
        }
        let values = self.store.read_multi_values_bytes(&keys).await.map_err(|error| self.failed(error))?;
        if values.len() != keys.len() {
            return Err(self.wrong_count(keys.len(), values.len()));
        }
        let bytes: usize = values.iter().flatten().map(Vec::len).sum();
        self.run = match bytes {
            0..RUN_BYTES => (self.run * 2).min(RUN_MAX),
            _ => (self.run / 2).max(1),
        };
        // A key without a value was deleted after the keys were read.
        let found = keys.into_iter().zip(values).filter_map(|(key, value)| Some((key, value?)));
        self.ready = found.collect::<Vec<_>>().into_iter();
        Ok(true)
    }

    fn failed<E: KeyValueStoreError>(&self, error: E) -> ViewsError {
        ViewsError::Partition {
            namespace: self.namespace.name().to_owned(),
            root_key: show(&self.root_key),
            source: Box::new(error),
        }
    }

    fn wrong_count(&self, expected: usize, found: usize) -> ViewsError {
        let (namespace, root_key) = (self.namespace.name().to_owned(), show(&self.root_key));
        ViewsError::WrongCount { namespace, root_key, expected, found }
    }

    fn too_long(&self, what: &'static str, found: usize) -> ViewsError {
        ViewsError::TooLong {
            namespace: self.namespace.name().to_owned(),
            root_key: show(&self.root_key),
            what,
            found: found as u64,
            limit: BYTES_MAX,
        }
    }
}
