//! Reading neighbouring slices of a range at the same time, and handing them on in order.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::collections::VecDeque;
use std::sync::Arc;

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

enum Step {
    Batch(EntryBatch),
    Failed(CqlError),
    /// The weight of the slice. Only this makes a slice end well: a task that dies closes the
    /// channel too.
    End(u64),
}

/// Why a reading stops before its end.
pub(crate) enum Stop {
    Failed(CqlError),
    /// The reader was dropped.
    Unwanted,
}

impl From<CqlError> for Stop {
    fn from(error: CqlError) -> Self {
        Self::Failed(error)
    }
}

/// Takes the batches of a slice.
#[derive(Clone)]
pub(crate) struct Output(mpsc::Sender<Step>);

impl Output {
    /// Hands a batch on, when there is room.
    pub(crate) async fn send(&self, batch: EntryBatch) -> Result<(), Stop> {
        if batch.is_empty() {
            return Ok(());
        }
        self.0.send(Step::Batch(batch)).await.map_err(|_| Stop::Unwanted)
    }
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
    /// Starts before the first batch.
    pub(crate) fn new(work: Work, range: TokenRange, options: &CqlOptions, address: String) -> Self {
        let in_flight = options.slices_in_flight.get();
        let widths = Widths::new(options.slice_bytes);
        Self { work, rest: range, widths, running: VecDeque::new(), in_flight, address }
    }

    /// Returns the next batch; `None` at the end, and after an error.
    pub(crate) async fn next(&mut self) -> Option<Result<EntryBatch, CqlError>> {
        loop {
            self.begin_slices();
            let slice = self.running.front_mut()?;
            let step = slice.receiver.recv().await;
            let error = match step {
                Some(Step::Batch(batch)) => return Some(Ok(batch)),
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
                // Without a receiver nobody needs to know.
                let _ = sender.send(last).await;
            });
            self.running.push_back(Slice { span: range.span(), receiver, task: task.abort_handle() });
        }
    }
}

/// Learns from earlier slices how many tokens the next one should have: tokens are evenly spread.
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
        self.span = self.span.saturating_add(span.into());
        self.weight = self.weight.saturating_add(weight.into());
        let longest = self.last.saturating_mul(GROWTH);
        let all = u128::from(self.target).saturating_mul(self.span);
        let fits = all.checked_div(self.weight).unwrap_or(all);
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
    use std::time::Duration;

    use super::*;

    fn batch(token: i64) -> EntryBatch {
        let mut batch = EntryBatch::default();
        batch.push(b"root", &token.to_be_bytes(), b"");
        batch
    }

    fn ordered(work: Work, range: TokenRange, slice_bytes: u64, slices_in_flight: usize) -> Ordered {
        let slices_in_flight = slices_in_flight.try_into().unwrap();
        let options = CqlOptions { slice_bytes, slices_in_flight, ..CqlOptions::default() };
        Ordered::new(work, range, &options, String::new())
    }

    fn tokens(batch: &EntryBatch) -> Vec<i64> {
        batch.iter().map(|(_, entry)| i64::from_be_bytes(entry.key.try_into().unwrap())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn batches_come_in_order_and_slices_cover_the_range_whatever_ends_first() {
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
                    out.send(batch(range.after)).await?;
                    out.send(batch(range.to)).await?;
                    running.fetch_sub(1, Ordering::SeqCst);
                    // As if a thousandth of the ring were what a slice is to be.
                    Ok(range.span() / (u64::MAX / 1_000))
                })
            })
        };
        let whole = TokenRange { after: i64::MIN, to: i64::MAX };
        let mut ordered = ordered(work, whole, 1, 3);
        let mut found = Vec::new();
        while let Some(batch) = ordered.next().await {
            found.extend(tokens(&batch.unwrap()));
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
                    out.send(batch(range.to)).await?;
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
