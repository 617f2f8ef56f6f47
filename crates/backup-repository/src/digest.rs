//! The digest pump: the fingerprint of a namespace as it is.

use std::num::NonZeroUsize;
use std::sync::Arc;

use backup_format::{Content, DatabaseBackup, DigestState, Limits, Share, Snapshot};
use futures::StreamExt;

use crate::error::RepositoryError;
use crate::progress::Progress;
use crate::range::{self, RangeBuilder, RangeDigest};
use crate::tally::Tally;
use crate::work::{self, Stop, Stopped};

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
    let namespace = database.source().namespace;
    let failed = RepositoryError::engine("opening", &namespace);
    let snapshot = Arc::from(database.snapshot().await.map_err(failed)?);
    digest_snapshot(snapshot, &namespace, "reading", options).await
}

pub(crate) async fn digest_snapshot(
    snapshot: Arc<dyn Snapshot>,
    namespace: &str,
    phase: &'static str,
    options: &DigestOptions,
) -> Result<DigestReport, RepositoryError> {
    let failed = || RepositoryError::engine("reading", namespace);
    let estimate = snapshot.estimate().await.map_err(failed())?;
    options.progress.phase(phase, estimate.plain_bytes);
    let workers = options.workers.map_or_else(work::default_workers, NonZeroUsize::get);
    let workers = NonZeroUsize::new(workers).unwrap_or(NonZeroUsize::MIN);
    let shares: Arc<[_]> = snapshot.shares(workers).await.map_err(failed())?.into();
    let stop = Stop::default();
    let workers = (0..shares.len())
        .map(|index| {
            let worker = ShareDigest {
                snapshot: snapshot.clone(),
                shares: shares.clone(),
                namespace: namespace.to_owned(),
                progress: options.progress.clone(),
                stopped: stop.watch(),
            };
            work::spawn_worker(stop.watch(), worker.run(index))
        })
        .collect();
    let (ranges, tallies): (Vec<_>, Vec<_>) = work::join_all(workers).await?.into_iter().unzip();
    let (state, goes_on) = range::join(&ranges);
    let mut tally = Tally::default();
    tallies.iter().zip(goes_on).for_each(|(next, goes_on)| tally.add(next, goes_on));
    Ok(DigestReport { state, contents: tally.contents() })
}

/// One worker of the digest pump.
struct ShareDigest {
    snapshot: Arc<dyn Snapshot>,
    shares: Arc<[Share]>,
    namespace: String,
    progress: Progress,
    stopped: Stopped,
}

impl ShareDigest {
    async fn run(self, index: usize) -> Result<(RangeDigest, Tally), RepositoryError> {
        let mut range = RangeBuilder::default();
        let mut tally = Tally::default();
        let shares = self.shares.get(index..).unwrap_or_default();
        for (distance, share) in shares.iter().enumerate() {
            let failed = || RepositoryError::engine("reading", &self.namespace);
            let mut stream = self.snapshot.entries(share).await.map_err(failed())?;
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
