//! The root-key index of a range, read beside its data.

use std::error::Error;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use backup_layout::rocksdb::{DATA, INDEX, RootIndex};

use crate::error::RocksDbError;
use crate::handle::DEFAULT_FAMILY;
use crate::options::RocksDbOptions;
use crate::range::RawRange;
use crate::view::View;

/// Root keys that are handed over at a time.
const BATCH: usize = 512;

enum Step {
    Roots(Vec<Vec<u8>>),
    Failed(RocksDbError),
    End,
}

/// Root keys that another thread reads: an iterator borrows its view, and a decoder borrows nothing.
pub(crate) struct IndexReader {
    steps: Receiver<Step>,
    roots: std::vec::IntoIter<Vec<u8>>,
    ended: bool,
}

/// The other end of an [`IndexReader`].
pub(crate) struct IndexFeed {
    steps: SyncSender<Step>,
}

/// Connects a reader with its feed.
pub(crate) fn connect() -> (IndexFeed, IndexReader) {
    let (sender, receiver) = sync_channel(1);
    (
        IndexFeed { steps: sender },
        IndexReader { steps: receiver, roots: Vec::new().into_iter(), ended: false },
    )
}

impl RootIndex for IndexReader {
    fn next_root(&mut self) -> Result<Option<Vec<u8>>, Box<dyn Error + Send + Sync>> {
        loop {
            if let Some(root) = self.roots.next() {
                return Ok(Some(root));
            }
            if self.ended {
                return Ok(None);
            }
            match self.steps.recv() {
                Ok(Step::Roots(roots)) => self.roots = roots.into_iter(),
                Ok(Step::End) => self.ended = true,
                Ok(Step::Failed(error)) => return Err(error.into()),
                Err(_) => return Err(RocksDbError::Worker { doing: "reading the index" }.into()),
            }
        }
    }
}

impl IndexFeed {
    /// Reads the index for a range of data rows: from the last root key at or before its first row, to the first one past
    /// its end. Stops early when the reader is dropped.
    pub(crate) fn run(self, view: &dyn View, range: &RawRange, options: &RocksDbOptions) {
        let last = match self.feed(view, range, options) {
            Ok(()) => Step::End,
            Err(error) => Step::Failed(error),
        };
        drop(self.steps.send(last));
    }

    fn feed(&self, view: &dyn View, range: &RawRange, options: &RocksDbOptions) -> Result<(), RocksDbError> {
        let mut scan = options.scan();
        scan.set_iterate_lower_bound([INDEX]);
        scan.set_iterate_upper_bound([INDEX + 1]);
        let mut rows = view.rows(DEFAULT_FAMILY, scan)?;
        rows.seek_back(&index_key(&range.from));
        if rows.current()?.is_none() {
            rows.seek(&[INDEX]);
        }
        let end = range.to.as_deref().and_then(|to| to.strip_prefix(&[DATA]));
        let mut batch = Vec::with_capacity(BATCH);
        while let Some((key, _)) = rows.current()? {
            let root = root_of_index_row(key).to_vec();
            let past = end.is_some_and(|end| root.as_slice() >= end);
            batch.push(root);
            if past {
                break;
            }
            if batch.len() == BATCH && self.steps.send(Step::Roots(std::mem::take(&mut batch))).is_err() {
                return Ok(());
            }
            rows.advance();
        }
        drop(self.steps.send(Step::Roots(batch)));
        Ok(())
    }
}

/// Returns the key that an index row would have whose root key is all of a data row's key after its first byte.
pub(crate) fn index_key(data_key: &[u8]) -> Vec<u8> {
    let root = data_key.strip_prefix(&[DATA]).expect("a key of a data row begins with its byte");
    [&[INDEX], root].concat()
}

/// Returns the root key of an index row.
pub(crate) fn root_of_index_row(key: &[u8]) -> &[u8] {
    key.strip_prefix(&[INDEX]).expect("the iterator is bounded by the index")
}
