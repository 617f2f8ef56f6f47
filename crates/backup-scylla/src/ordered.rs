//! Reading neighbouring slices at the same time, and handing them on in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use backup_format::EntryBatch;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::error::CqlError;
use crate::options::CqlOptions;
use crate::range::TokenRange;

/// Batches of a slice that wait until it is their turn.
const BATCHES_WAITING: usize = 4;
/// The first slices are this part of the ring, since nothing is known of the table yet.
const FIRST_PART: u64 = 1_024;
/// How much longer a slice may be than the one before.
const GROWTH: u64 = 16;

/// Entries that lie in one of the [`SLICES`](crate::range::SLICES).
#[derive(Debug)]
pub(crate) struct Piece {
    pub slice: u16,
    pub batch: EntryBatch,
}

enum Step {
    Piece(Piece),
    Failed(CqlError),
    /// Only this makes a slice end well: a task that dies closes the channel too. It tells the weight of the slice.
    End(u64),
}

/// Why a reading stops before its end.
pub(crate) enum Stop {
    Failed(CqlError),
    /// Nobody wants the rest.
    Unwanted,
}

impl From<CqlError> for Stop {
    fn from(error: CqlError) -> Self {
        Self::Failed(error)
    }
}

/// Takes the pieces of a slice.
#[derive(Clone)]
pub(crate) struct Output(mpsc::Sender<Step>);

impl Output {
    /// Hands a piece on, when there is room.
    pub(crate) async fn send(&self, slice: u16, batch: EntryBatch) -> Result<(), Stop> {
        if batch.is_empty() {
            return Ok(());
        }
        self.0.send(Step::Piece(Piece { slice, batch })).await.map_err(|_| Stop::Unwanted)
    }
}

/// How long the answers for a slice are to take at most. A server that leaves most partitions out looks at many more than it
/// answers with, and gives up after some seconds.
const ANSWERING: Duration = Duration::from_secs(1);

/// Returns what a slice weighs of which so many bytes came, in answers that took so long: as much as it is to weigh, if they took as
/// long as they may.
pub(crate) fn weight(bytes: u64, answering: Duration, options: &CqlOptions) -> u64 {
    let part = answering.as_secs_f64() / ANSWERING.as_secs_f64();
    bytes.max((options.slice_bytes as f64 * part) as u64)
}

/// Reads a slice, and returns what it weighs.
pub(crate) type Work = Arc<dyn Fn(TokenRange, Output) -> BoxFuture<'static, Result<u64, Stop>> + Send + Sync>;

/// Reads a range of tokens slice by slice.
pub(crate) struct Ordered {
    work: Work,
    /// What is not begun yet.
    rest: TokenRange,
    widths: Widths,
    running: VecDeque<Slice>,
    in_flight: usize,
    /// For errors.
    address: String,
}

struct Slice {
    span: u64,
    receiver: mpsc::Receiver<Step>,
    task: AbortHandle,
}

impl Drop for Slice {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Ordered {
    /// Starts before the first piece.
    pub(crate) fn new(work: Work, range: TokenRange, options: &CqlOptions, address: String) -> Self {
        let in_flight = options.slices_in_flight.max(1);
        let widths = Widths::new(options.slice_bytes);
        Self { work, rest: range, widths, running: VecDeque::new(), in_flight, address }
    }

    /// Returns the next piece; `None` at the end. After an error there is nothing more.
    pub(crate) async fn next(&mut self) -> Option<Result<Piece, CqlError>> {
        loop {
            self.begin_slices();
            let slice = self.running.front_mut()?;
            let step = slice.receiver.recv().await;
            let error = match step {
                Some(Step::Piece(piece)) => return Some(Ok(piece)),
                Some(Step::End(weight)) => {
                    self.widths.learn(slice.span, weight);
                    self.running.pop_front();
                    continue;
                }
                Some(Step::Failed(error)) => error,
                None => CqlError::Task { doing: "reading", address: self.address.clone() },
            };
            self.running.clear();
            self.rest.after = self.rest.to;
            return Some(Err(error));
        }
    }

    fn begin_slices(&mut self) {
        while self.running.len() < self.in_flight && !self.rest.is_empty() {
            let range = self.rest.take(self.widths.next());
            let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
            let work = self.work.clone();
            let task = tokio::spawn(async move {
                let last = match work(range, Output(sender.clone())).await {
                    Ok(weight) => Step::End(weight),
                    Err(Stop::Failed(error)) => Step::Failed(error),
                    Err(Stop::Unwanted) => return,
                };
                // Nobody is left to be told when the receiver is gone.
                let _ = sender.send(last).await;
            });
            self.running.push_back(Slice { span: range.span(), receiver, task: task.abort_handle() });
        }
    }
}

/// How many tokens the next slice is to have, learned from those before: tokens are evenly spread.
#[derive(Debug)]
struct Widths {
    target: u64,
    last: u64,
    span: u128,
    weight: u128,
}

impl Widths {
    fn new(target: u64) -> Self {
        Self { target: target.max(1), last: u64::MAX / FIRST_PART, span: 0, weight: 0 }
    }

    fn learn(&mut self, span: u64, weight: u64) {
        self.span += u128::from(span);
        self.weight += u128::from(weight);
        let longest = self.last.saturating_mul(GROWTH);
        let fits = u128::from(self.target) * self.span / self.weight.max(1);
        self.last = u64::try_from(fits).unwrap_or(u64::MAX).clamp(1, longest);
    }

    fn next(&self) -> u64 {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::range::SLICES;

    fn batch(token: i64) -> EntryBatch {
        let mut batch = EntryBatch::default();
        batch.push(b"root", &token.to_be_bytes(), b"");
        batch
    }

    fn ordered(work: Work, range: TokenRange, slice_bytes: u64, slices_in_flight: usize) -> Ordered {
        let options = CqlOptions { slice_bytes, slices_in_flight, ..CqlOptions::default() };
        Ordered::new(work, range, &options, String::new())
    }

    fn tokens(piece: &Piece) -> Vec<i64> {
        piece.batch.iter().map(|(_, entry)| i64::from_be_bytes(entry.key.try_into().unwrap())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn pieces_come_in_order_and_slices_cover_the_range_whatever_ends_first() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let running = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let work: Work = {
            let (seen, running, most) = (seen.clone(), running.clone(), most.clone());
            Arc::new(move |range, out| {
                seen.lock().unwrap().push(range);
                let (running, most) = (running.clone(), most.clone());
                Box::pin(async move {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    // Later slices end earlier.
                    let wait = range.to.wrapping_sub(i64::MIN).cast_unsigned() >> 55;
                    tokio::time::sleep(Duration::from_secs(1_000 - wait.min(900))).await;
                    out.send(0, batch(range.after)).await?;
                    out.send(0, batch(range.to)).await?;
                    running.fetch_sub(1, Ordering::SeqCst);
                    // As if a thousandth of the ring were what a slice is to be.
                    Ok(range.span() / (u64::MAX / 1_000))
                })
            })
        };
        let whole = TokenRange::of_slices(&(0..SLICES));
        let mut ordered = ordered(work, whole, 1, 3);
        let mut found = Vec::new();
        while let Some(piece) = ordered.next().await {
            found.extend(tokens(&piece.unwrap()));
        }
        let mut expected = whole.after;
        for range in seen.lock().unwrap().iter() {
            assert_eq!(range.after, expected);
            expected = range.to;
        }
        assert_eq!(expected, whole.to);
        assert!(found.is_sorted());
        assert_eq!(found.len(), 2 * seen.lock().unwrap().len());
        assert_eq!(most.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_failed_slice_ends_the_reading_and_a_task_that_dies_is_noticed() {
        for dies in [false, true] {
            let work: Work = Arc::new(move |range, out| {
                Box::pin(async move {
                    out.send(0, batch(range.to)).await?;
                    assert!(!dies, "a task dies");
                    Err(CqlError::Task { doing: "failing", address: String::new() }.into())
                })
            });
            let mut ordered = ordered(work, TokenRange { after: 0, to: 9 }, 1, 1);
            assert!(ordered.next().await.unwrap().is_ok());
            assert!(ordered.next().await.unwrap().is_err());
            assert!(ordered.next().await.is_none());
        }
    }

    #[test]
    fn a_slice_whose_answers_take_long_becomes_narrower_though_little_comes() {
        let options = CqlOptions::default();
        assert_eq!(weight(700, Duration::ZERO, &options), 700);
        assert_eq!(weight(700, ANSWERING / 2, &options), options.slice_bytes / 2);
        assert_eq!(weight(options.slice_bytes, ANSWERING / 2, &options), options.slice_bytes);
        // A table of which nothing but keys is looked at, which takes 100 s: some 100 slices, though not a byte comes.
        let mut widths = Widths::new(options.slice_bytes);
        for _ in 0..9 {
            let took = Duration::from_secs(100).mul_f64(widths.next() as f64 / u64::MAX as f64);
            widths.learn(widths.next(), weight(0, took, &options));
        }
        let slices = u64::MAX / widths.next();
        assert!((90..=110).contains(&slices), "{slices}");
    }

    #[test]
    fn slices_become_as_wide_as_they_are_to_weigh() {
        let mut widths = Widths::new(8 << 20);
        assert_eq!(widths.next(), u64::MAX / 1_024);
        // An empty table is soon done with.
        widths.learn(widths.next(), 0);
        assert_eq!(widths.next(), u64::MAX / 1_024 * 16);
        // 2^40 bytes in the whole ring.
        let mut widths = Widths::new(8 << 20);
        for _ in 0..3 {
            widths.learn(widths.next(), widths.next() >> 24);
        }
        let bytes = widths.next() >> 24;
        assert!(bytes.abs_diff(8 << 20) < 1_000, "{bytes}");
    }
}
