//! The digest pump: the fingerprint of a namespace as it is.

use std::num::NonZeroUsize;
use std::sync::Arc;

use backup_format::{Content, DatabaseBackup, DigestState, Limits, Range, Snapshot};
use futures::StreamExt;

use crate::backup::bug;
use crate::error::RepositoryError;
use crate::plan;
use crate::progress::Progress;
use crate::range::{self, RangeBuilder, RangeDigest};
use crate::tally::Tally;
use crate::work::{self, Stop, Stopped, Worker};

/// How a namespace is fingerprinted.
#[derive(Clone, Debug, Default)]
pub struct DigestOptions {
    /// Ranges that are read at the same time, each on a thread of its own; `None` means one for each core.
    pub workers: Option<NonZeroUsize>,
    /// Ceilings on what is read.
    pub limits: Limits,
    /// Receives events.
    pub progress: Progress,
}

/// What a namespace holds.
#[derive(Clone, Debug)]
pub struct DigestReport {
    /// Its digest is [`DigestState::digest`].
    pub state: DigestState,
    /// Counts per kind of partition; empty for a layout that knows none.
    pub contents: Vec<Content>,
}

/// Reads a namespace and computes the digest that a dump of it would have.
///
/// # Errors
///
/// [`RepositoryError::Engine`] when the namespace cannot be read.
pub async fn digest(
    database: &dyn DatabaseBackup,
    options: &DigestOptions,
) -> Result<DigestReport, RepositoryError> {
    let failed = RepositoryError::engine("opening", database.name());
    let snapshot: Arc<dyn Snapshot> = Arc::from(database.snapshot().await.map_err(failed)?);
    let options = options.clone();
    work::drive(async move { digest_snapshot(snapshot, "reading", &options).await }).await
}

pub(crate) async fn digest_snapshot(
    snapshot: Arc<dyn Snapshot>,
    phase: &'static str,
    options: &DigestOptions,
) -> Result<DigestReport, RepositoryError> {
    let namespace = snapshot.source().namespace.clone();
    let failed = || RepositoryError::engine("reading", &namespace);
    let estimate = snapshot.estimate().await.map_err(failed())?;
    options.progress.phase(phase, estimate);
    let workers = options.workers.map_or_else(work::default_workers, NonZeroUsize::get);
    let most = NonZeroUsize::new(workers).unwrap_or(NonZeroUsize::MIN);
    let read = snapshot.plan(most).await.map_err(failed())?;
    plan::check(&read, snapshot.order(), most.get()).map_err(|problem| bug(&*snapshot, problem))?;
    let mut parts = Vec::new();
    for ranges in read.phases.iter().cloned() {
        let ranges: Arc<[Range]> = ranges.into();
        let stop = Stop::default();
        let workers = (0..ranges.len()).map(|index| {
            let worker = RangeReader {
                snapshot: snapshot.clone(),
                ranges: ranges.clone(),
                reads_on: !read.starts_pages,
                progress: options.progress.clone(),
                stopped: stop.watch(),
            };
            Worker::spawn(stop.watch(), worker.run(index))
        });
        parts.extend(work::join_all(workers.collect::<Result<_, _>>()?).await?);
    }
    let (ranges, tallies): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let joined = if read.starts_pages { range::join_whole(&ranges) } else { Ok(range::join(&ranges)) };
    let (state, goes_on) = joined.map_err(|problem| bug(&*snapshot, problem))?;
    let mut tally = Tally::default();
    tallies.iter().zip(goes_on).for_each(|(next, goes_on)| tally.add(next, goes_on));
    Ok(DigestReport { state, contents: tally.contents() })
}

/// One worker of the digest pump.
struct RangeReader {
    snapshot: Arc<dyn Snapshot>,
    ranges: Arc<[Range]>,
    /// Whether the last partition may end in a later range.
    reads_on: bool,
    progress: Progress,
    stopped: Stopped,
}

impl RangeReader {
    async fn run(self, index: usize) -> Result<(RangeDigest, Tally), RepositoryError> {
        let mut range = RangeBuilder::default();
        let mut tally = Tally::default();
        let following = self.ranges.iter().skip(index);
        for (distance, next) in following.take(if self.reads_on { usize::MAX } else { 1 }).enumerate() {
            let failed = || RepositoryError::engine("reading", &self.snapshot.source().namespace);
            let mut stream = self.snapshot.entries(next).await.map_err(failed())?;
            while let Some(batch) = stream.next().await {
                self.stopped.check()?;
                let batch = batch.map_err(failed())?;
                if distance > 0 {
                    if !batch.groups().all(|group| range.read_on(&group)) {
                        return Ok((range.finish(), tally));
                    }
                    continue;
                }
                for group in batch.groups() {
                    range.push(&group);
                    tally.push(&group, self.snapshot.kind(group.root_key));
                }
                self.progress.advance(batch.byte_len() as u64, batch.entries());
            }
        }
        Ok((range.finish(), tally))
    }
}
