//! One of several processes that make a dump together.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use backup_format::{DatabaseBackup, ObjectId, Range, ReadPlan, Snapshot};
use tokio::time::Instant;

use crate::backup::{self, BackupOptions, Context, Seen};
use crate::clock;
use crate::error::RepositoryError;
use crate::job::{Job, JobName, RANGES_MAX};
use crate::job_files::{Found, JobFiles, refused};
use crate::pack_writer::{PackWriter, Written};
use crate::part::{Part, PartId, list};
use crate::plan;
use crate::read::{self, Phases};
use crate::record::{New, Record, RecordHash};
use crate::repository::Repository;
use crate::verify::Subset;
use crate::warning::BackupWarning;
use crate::work::{self, Stop, Worker};

/// Which share of which job.
#[derive(Clone, Debug)]
pub struct JobShare {
    /// The job, whose name no other job of the repository may have had that was not finished.
    pub job: JobName,
    /// Share I of N.
    pub share: Subset,
    /// How long to wait until all shares have read the first phase.
    pub wait: Duration,
    /// How often to look in the meantime.
    pub poll: Duration,
}

/// What a share did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShareReport {
    /// Ranges of the namespace in this share, of all phases.
    pub ranges: u64,
    /// Those of them that an earlier run had read.
    pub ranges_reused: u64,
    /// Entries in the ranges that were read now.
    pub entries: u64,
    /// Objects that were not in the repository before.
    pub new_objects: u64,
    /// Packs that were written.
    pub new_packs: u64,
    /// Bytes of these packs.
    pub stored_bytes: u64,
    /// What was odd, and is no reason to stop.
    pub warnings: Vec<BackupWarning>,
}

impl Repository {
    /// Dumps one share of a namespace whose engine gives the same ranges to several processes; [`Repository::finish`]
    /// makes the dump of them.
    ///
    /// Each range that was read to its end leaves a record below `jobs/` in the repository. Running the same share again
    /// reads only what has no good record yet. A phase begins when the records of all ranges of the phases before it are
    /// there, from any process.
    ///
    /// The runtime needs time enabled.
    ///
    /// # Errors
    ///
    /// As [`Repository::backup`]; [`RepositoryError::NotDivisible`] when the engine has no such ranges,
    /// [`RepositoryError::Job`] when the job was begun in another way, [`RepositoryError::Waiting`] when others did not read
    /// a phase in time.
    pub async fn backup_share(
        &self,
        database: &dyn DatabaseBackup,
        share: &JobShare,
        options: BackupOptions,
    ) -> Result<ShareReport, RepositoryError> {
        let repository = self.clone();
        let seen = work::drive(async move { repository.seen().await }).await?;
        let failed = RepositoryError::engine("opening", database.name());
        let snapshot: Arc<dyn Snapshot> = Arc::from(database.snapshot().await.map_err(failed)?);
        let (repository, share) = (self.clone(), share.clone());
        work::drive(async move { repository.snapshot_share(snapshot, seen, share, options).await }).await
    }

    async fn snapshot_share(
        &self,
        snapshot: Arc<dyn Snapshot>,
        seen: Seen,
        share: JobShare,
        options: BackupOptions,
    ) -> Result<ShareReport, RepositoryError> {
        let (info, order) = (snapshot.source().clone(), snapshot.order());
        let failed = RepositoryError::engine("dividing", &info.namespace);
        let most = RANGES_MAX.try_into().expect("it is not 0");
        let plan = snapshot.plan(most).await.map_err(failed)?;
        plan::check(&plan, order, RANGES_MAX).map_err(|problem| backup::bug(&*snapshot, problem))?;
        let Some(identity) = plan.identity.clone() else {
            return Err(RepositoryError::NotDivisible { namespace: info.namespace });
        };
        check_shares(&plan, &share)?;
        self.check_records()?;
        self.check_writable().await?;
        let lineage = seen.lineage(&info, &options)?;
        let started = clock::text(seen.started);
        let draft = backup::draft(info.clone(), &options, (started.clone(), order));
        draft.encode().map_err(|source| RepositoryError::Metadata { source })?;
        let counts = plan.phases.iter().map(|phase| phase.len() as u64).collect();
        let place = (started, lineage.sequence, lineage.previous);
        let own = Job::new(share.share.of(), place, (info, order), (identity, counts), &options)?;
        let files = Arc::new(JobFiles::join(self, &share.job, own).await?);
        let context = Context::new(self, (snapshot, order), (seen.index, options), &plan)?;
        let report = ShareReport { warnings: lineage.warnings, ..ShareReport::default() };
        let context = Arc::new(context);
        ShareRun { files, share, context, report }.run(plan).await
    }
}

fn check_shares(plan: &ReadPlan, share: &JobShare) -> Result<(), RepositoryError> {
    let most = plan.phases.iter().map(Vec::len).max().unwrap_or(0);
    if share.share.of() <= most as u64 {
        return Ok(());
    }
    let problem = format!("{} shares are more than the {most} ranges that there are", share.share.of());
    Err(refused(&share.job, problem))
}

/// A share at work.
struct ShareRun {
    files: Arc<JobFiles>,
    share: JobShare,
    context: Arc<Context>,
    report: ShareReport,
}

/// What the records of all earlier phases say together.
#[derive(Clone, Default)]
struct Barrier {
    hash: RecordHash,
    partitions: Arc<HashSet<u128>>,
}

impl ShareRun {
    async fn run(mut self, plan: ReadPlan) -> Result<ShareReport, RepositoryError> {
        let progress = self.context.options.progress.clone();
        let count = plan.phases.len();
        let mut barrier = Barrier::default();
        for (phase, ranges) in (0u8..).zip(plan.phases) {
            if phase > 0 {
                progress.phase("waiting for other shares", None);
                barrier = self.wait(phase).await?;
            }
            progress
                .phase(if phase == 0 { "reading the first phase" } else { "reading the second phase" }, None);
            let is_followed = usize::from(phase) + 1 < count;
            self.read((phase, &ranges.into()), &barrier, is_followed).await?;
        }
        Ok(self.report)
    }

    /// Reads the own ranges of a phase that have no good record.
    async fn read(
        &mut self,
        (phase, ranges): (u8, &Arc<[Range]>),
        barrier: &Barrier,
        is_followed: bool,
    ) -> Result<(), RepositoryError> {
        let (mut todo, mut replaced) = (Vec::new(), HashSet::new());
        for index in self.share.share.range(ranges.len()) {
            let id = PartId { phase, index: index as u64 };
            self.report.ranges += 1;
            match self.files.look(id).await? {
                Found::Good(record, _) if record.barrier == barrier.hash => self.report.ranges_reused += 1,
                Found::Missing => todo.push(index),
                Found::Good(..) | Found::Bad(_) => {
                    replaced.insert(id);
                    todo.push(index);
                }
            }
        }
        let phases = Phases { earlier: barrier.partitions.clone(), is_followed };
        let replaced = Arc::new(replaced);
        let stop = Stop::default();
        let workers = plan::runs((phase, ranges), &todo, true, self.context.readers).into_iter().map(|run| {
            let recorder = Recorder::new(self.files.clone(), barrier.hash, replaced.clone());
            let read =
                read::read_run(self.context.clone(), run, (phases.clone(), Some(recorder)), stop.watch());
            Worker::spawn(stop.watch(), read)
        });
        let mut packs = Vec::new();
        for (parts, written) in work::join_all(workers.collect::<Result<_, _>>()?).await? {
            packs.extend_from_slice(&written.packs);
            let entries = parts.iter().flat_map(|part| &part.pages).map(|page| page.entries);
            self.report.entries += entries.sum::<u64>();
            self.report.new_objects += written.objects;
            self.report.new_packs += written.packs.len() as u64;
            self.report.stored_bytes += written.bytes();
        }
        packs.extend(self.context.known.reused());
        self.check_relied(&packs, todo.iter().map(|index| PartId { phase, index: *index as u64 })).await
    }

    /// Checks that nobody removes what the new records rely on, which a pruner may not have seen in time. If somebody does,
    /// they are removed: running the share again stores what is missing.
    async fn check_relied(
        &self,
        packs: &[(ObjectId, u64)],
        parts: impl Iterator<Item = PartId>,
    ) -> Result<(), RepositoryError> {
        let result = self.files.repository.check_relied(packs).await;
        if let Err(RepositoryError::Pruned { .. }) = result {
            for id in parts {
                self.files.remove(id).await?;
            }
        }
        result
    }

    /// Waits until all parts of the phases before this one have records.
    async fn wait(&self, phase: u8) -> Result<Barrier, RepositoryError> {
        let begun = Instant::now();
        let mut missing: Vec<PartId> = (0..phase).flat_map(|earlier| self.files.ids(earlier)).collect();
        let mut found = Vec::with_capacity(missing.len());
        let mut partitions = HashSet::new();
        loop {
            let mut left = Vec::new();
            let there = self.files.names().await?;
            for id in missing {
                let looked = match there.contains(&id.to_string()) {
                    true => self.files.look(id).await?,
                    false => Found::Missing,
                };
                match looked {
                    Found::Good(record, hash) => {
                        partitions.extend(record.part.partitions);
                        found.push((id, hash));
                    }
                    Found::Missing | Found::Bad(_) => left.push(id),
                }
            }
            if left.is_empty() {
                found.sort_unstable_by_key(|(id, _)| *id);
                let hashes: Vec<RecordHash> = found.into_iter().map(|(_, hash)| hash).collect();
                return Ok(Barrier { hash: barrier_of(&hashes), partitions: Arc::new(partitions) });
            }
            if begun.elapsed() >= self.share.wait {
                let (job, missing) = (self.share.job.to_string(), list(&left));
                return Err(RepositoryError::Waiting { job, missing });
            }
            missing = left;
            tokio::time::sleep(self.share.poll).await;
            self.files.check_there().await?;
        }
    }
}

/// Leaves a record of each part of a run, as soon as all that it refers to is durable.
pub(crate) struct Recorder {
    files: Arc<JobFiles>,
    barrier: RecordHash,
    /// Parts that have a record which cannot be used.
    replaced: Arc<HashSet<PartId>>,
    /// Parts, and how many packs of the run must have arrived before they are durable.
    waiting: VecDeque<(u64, Part)>,
    /// What the records so far say was added.
    recorded: New,
}

impl Recorder {
    fn new(files: Arc<JobFiles>, barrier: RecordHash, replaced: Arc<HashSet<PartId>>) -> Self {
        Self { files, barrier, replaced, waiting: VecDeque::new(), recorded: New::default() }
    }

    /// Takes a part that `writer` wrote, and records those that have become durable.
    pub(crate) async fn push(&mut self, part: Part, writer: &mut PackWriter) -> Result<(), RepositoryError> {
        self.waiting.push_back((writer.packs_needed(), part));
        let arrived = writer.written().packs.len() as u64;
        while self.waiting.front().is_some_and(|(needed, _)| *needed <= arrived)
            && let Some((_, part)) = self.waiting.pop_front()
        {
            self.record(part, writer.written()).await?;
        }
        Ok(())
    }

    /// Records the rest, all of which is durable.
    pub(crate) async fn finish(mut self, written: &Written) -> Result<(), RepositoryError> {
        while let Some((_, part)) = self.waiting.pop_front() {
            self.record(part, written).await?;
        }
        Ok(())
    }

    async fn record(&mut self, part: Part, written: &Written) -> Result<(), RepositoryError> {
        let so_far =
            New { objects: written.objects, packs: written.packs.len() as u64, bytes: written.bytes() };
        let new = New {
            objects: so_far.objects.saturating_sub(self.recorded.objects),
            packs: so_far.packs.saturating_sub(self.recorded.packs),
            bytes: so_far.bytes.saturating_sub(self.recorded.bytes),
        };
        self.recorded = so_far;
        let replaces = self.replaced.contains(&part.id);
        let record = Record { job: self.files.hash, barrier: self.barrier, part, new };
        self.files.check_there().await?;
        // Another process that read the same range may have been faster; then that record counts.
        self.files.write(&record, replaces).await?;
        Ok(())
    }
}

/// Returns the hash over all records of the phases before one: that of their hashes, in order; zeros if there are none.
pub(crate) fn barrier_of(hashes: &[RecordHash]) -> RecordHash {
    if hashes.is_empty() { RecordHash::default() } else { *blake3::hash(hashes.as_flattened()).as_bytes() }
}
