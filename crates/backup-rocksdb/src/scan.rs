//! Reading a range: rows to batches of entries, on a thread, through a short channel.

use std::thread;

use backup_format::{EntryBatch, EntryStream, show};
use backup_layout::rocksdb::{Decoder, INDEX};
use backup_layout::{Layout, LayoutError};
use futures::StreamExt;
use tokio::sync::mpsc;

use crate::error::RocksDbError;
use crate::handle::DEFAULT_FAMILY;
use crate::index;
use crate::options::RocksDbOptions;
use crate::range::RawRange;
use crate::view::{Running, View, ViewClient};

/// Batches that wait for the reader of the stream.
const BATCHES_WAITING: usize = 2;

const DOING: &str = "reading entries";

/// What all scans of a snapshot have in common.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    pub namespace: String,
    pub layout: Layout,
    /// The default family is the one partition with the empty root key, instead of one of many by their names.
    pub single: bool,
    pub options: RocksDbOptions,
}

enum Step {
    Batch(EntryBatch),
    Failed(RocksDbError),
    /// Only this makes a stream end well: a thread that dies closes the channel too.
    End,
}

/// The receiver is dropped before the job is waited for: that ends it.
struct Reading {
    steps: mpsc::Receiver<Step>,
    _job: Running,
}

impl Scan {
    /// Starts to read ranges, one after the other. Dropping the stream ends the reading, and waits for that.
    pub(crate) fn stream(
        self,
        client: &ViewClient,
        ranges: Vec<RawRange>,
    ) -> Result<EntryStream, RocksDbError> {
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
        let job = client.run(DOING, move |view| {
            let mut out = Output { sender, batch: EntryBatch::default(), bytes: self.options.batch_bytes };
            let done = ranges.iter().try_for_each(|range| self.read(view, range, &mut out));
            let last = match done {
                Ok(()) => Step::End,
                Err(Stop::Failed(error)) => Step::Failed(error),
                Err(Stop::Unwanted) => return,
            };
            if out.flush().is_ok() {
                drop(out.sender.blocking_send(last));
            }
        })?;
        let reading = Reading { steps: receiver, _job: job };
        let stream = futures::stream::unfold(Some(reading), |reading| async {
            let mut reading = reading?;
            match reading.steps.recv().await {
                Some(Step::Batch(batch)) => Some((Ok(batch), Some(reading))),
                Some(Step::Failed(error)) => Some((Err(error.into()), None)),
                Some(Step::End) => None,
                None => Some((Err(RocksDbError::Worker { doing: DOING }.into()), None)),
            }
        });
        Ok(stream.boxed())
    }

    fn read(&self, view: &dyn View, range: &RawRange, out: &mut Output) -> Result<(), Stop> {
        match self.layout {
            Layout::Linera015 => thread::scope(|scope| {
                let (feed, reader) = index::connect();
                let decoder = Decoder::new(self.layout, Box::new(reader), self.options.limits);
                thread::Builder::new()
                    .name(crate::worker::NAME.to_owned())
                    .spawn_scoped(scope, || feed.run(view, range, &self.options))
                    .map_err(RocksDbError::io("starting a thread to read the index of", view.path()))?;
                self.decode(view, range, decoder, out)
            }),
            Layout::Linera016 => {
                let decoder =
                    Decoder::new(self.layout, Box::new(Vec::new().into_iter()), self.options.limits);
                self.decode(view, range, decoder, out)
            }
            Layout::Plain => {
                let root_key = if self.single { "" } else { range.family.as_str() };
                self.decode(view, range, Decoder::plain(root_key.as_bytes(), self.options.limits), out)
            }
        }
    }

    fn decode(
        &self,
        view: &dyn View,
        range: &RawRange,
        mut decoder: Decoder,
        out: &mut Output,
    ) -> Result<(), Stop> {
        let mut scan = self.options.scan();
        scan.set_iterate_lower_bound(range.from.as_slice());
        if let Some(to) = &range.to {
            scan.set_iterate_upper_bound(to.as_slice());
        }
        let mut rows = view.rows(&range.family, scan)?;
        rows.seek(&range.from);
        while let Some((key, value)) = rows.current()? {
            decoder.push(key, value, &mut out.batch).map_err(|source| self.layout_error(source))?;
            rows.advance();
            if out.batch.byte_len() >= out.bytes {
                out.flush()?;
            }
        }
        decoder.finish(&mut out.batch).map_err(|source| self.layout_error(source))?;
        Ok(())
    }

    /// Checks that there are no rows but data and index rows.
    pub(crate) fn check(&self, view: &dyn View) -> Result<(), RocksDbError> {
        if self.layout == Layout::Plain {
            return Ok(());
        }
        let mut rows = view.rows(DEFAULT_FAMILY, self.options.scan())?;
        rows.seek(&[]);
        if let Some((&[], _)) = rows.current()? {
            return Err(self.layout_error(LayoutError::EmptyRowKey { layout: self.layout.name() }));
        }
        rows.seek(&[INDEX + 1]);
        match rows.current()? {
            Some((key, _)) => {
                let row_key = show(key);
                Err(self.layout_error(LayoutError::ForeignRow { layout: self.layout.name(), row_key }))
            }
            None => Ok(()),
        }
    }

    fn layout_error(&self, source: LayoutError) -> RocksDbError {
        RocksDbError::Layout { namespace: self.namespace.clone(), source: Box::new(source) }
    }
}

/// Why a scan stops before its end.
enum Stop {
    Failed(RocksDbError),
    /// The stream was dropped.
    Unwanted,
}

impl From<RocksDbError> for Stop {
    fn from(error: RocksDbError) -> Self {
        Self::Failed(error)
    }
}

struct Output {
    sender: mpsc::Sender<Step>,
    batch: EntryBatch,
    bytes: usize,
}

impl Output {
    fn flush(&mut self) -> Result<(), Stop> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let room = self.bytes + self.bytes / 8;
        let batch = std::mem::replace(&mut self.batch, EntryBatch::with_capacity(room));
        self.sender.blocking_send(Step::Batch(batch)).map_err(|_| Stop::Unwanted)
    }
}
