//! One of several processes that make a dump together.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use backup_format::{DatabaseBackup, Manifest, Parts, Share, Snapshot};
use futures::StreamExt;
use tokio::time::Instant;

use crate::backup::{self, BackupOptions, Context};
use crate::error::RepositoryError;
use crate::index::Known;
use crate::job::{Job, JobName, PARTS_MAX};
use crate::job_files::{Found, JobFiles, refused};
use crate::pack_writer::Gate;
use crate::part::{Part, PartId, Phase};
use crate::repository::Repository;
use crate::share;
use crate::verify::Subset;
use crate::work::{self, Stop, Stopped};

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
    /// Parts of the namespace in this share.
    pub parts: u64,
    /// Those of them that an earlier run had read.
    pub parts_reused: u64,
    /// Entries in the parts that were read now.
    pub entries: u64,
    /// Objects that were not in the repository before.
    pub new_objects: u64,
    /// Packs that were written.
    pub new_packs: u64,
    /// Bytes of these packs.
    pub stored_bytes: u64,
}

impl ShareReport {
    fn add(&mut self, part: &Part) {
        self.entries += part.state.entries;
        self.new_objects += part.new_objects;
        self.new_packs += part.new_packs;
        self.stored_bytes += part.stored_bytes;
    }
}

impl Repository {
    /// Dumps one share of a namespace whose engine has parts that several processes can read; [`Repository::finish`]
    /// makes the dump of them.
    ///
    /// Each part that was read to its end leaves a record below `jobs/` in the repository. Running the same share again
    /// reads only what has no good record yet. The second phase begins when the records of all parts of the first are
    /// there, whoever wrote them.
    ///
    /// The runtime needs time enabled.
    ///
    /// # Errors
    ///
    /// As [`Repository::backup`]; [`RepositoryError::NoParts`] when the engine has no such parts, [`RepositoryError::Job`] when the
    /// job was begun in another way, [`RepositoryError::Waiting`] when others did not read the first phase in time.
    pub async fn backup_share(
        &self,
        database: &dyn DatabaseBackup,
        share: &JobShare,
        options: BackupOptions,
    ) -> Result<ShareReport, RepositoryError> {
        let namespace = database.source().namespace;
        let failed = |doing| RepositoryError::engine(doing, &namespace);
        let started = backup::now();
        let snapshot: Arc<dyn Snapshot> = Arc::from(database.snapshot().await.map_err(failed("opening"))?);
        let parts = snapshot.parts().await.map_err(failed("dividing"))?;
        let parts = parts.ok_or_else(|| RepositoryError::NoParts { namespace: namespace.clone() })?;
        check_parts(&parts, share)?;
        let (info, order) = (database.source(), snapshot.order());
        let draft = backup::draft(info.clone(), &options, (started.clone(), order, snapshot.consistency()));
        draft.encode().map_err(|source| RepositoryError::Metadata { source })?;
        let own = Job::new(share.share.of(), started, (info, order), &parts, &options)?;
        let files = JobFiles::join(self, &share.job, own).await?;
        let index = self.index().await?;
        ShareRun::new(files, share.clone(), (snapshot, index, &draft), options).run(&parts).await
    }
}

fn check_parts(parts: &Parts, share: &JobShare) -> Result<(), RepositoryError> {
    let most = parts.first.len().max(parts.second.len());
    let starts_pages = parts.first.iter().chain(&parts.second).all(|part| part.starts_page);
    if most > PARTS_MAX || !starts_pages {
        let problem = "the engine has parts that no process can read apart from the others".to_owned();
        return Err(refused(&share.job, problem));
    }
    if share.share.of() > most as u64 {
        let problem = format!("{} shares are more than the {most} parts that there are", share.share.of());
        return Err(refused(&share.job, problem));
    }
    Ok(())
}

/// A share at work.
struct ShareRun {
    files: Arc<JobFiles>,
    share: JobShare,
    context: Arc<Context>,
    /// Parts that are read at the same time.
    at_once: usize,
    report: ShareReport,
}

/// A part that is to be read.
struct Todo {
    id: PartId,
    share: Share,
    barrier: [u8; 32],
    /// Whether a record that cannot be used is in its place.
    replaces: bool,
}

impl ShareRun {
    fn new(
        files: JobFiles,
        share: JobShare,
        (snapshot, index, draft): (Arc<dyn Snapshot>, Arc<crate::index::Index>, &Manifest),
        options: BackupOptions,
    ) -> Self {
        let workers = options.workers.map_or_else(work::default_workers, NonZeroUsize::get);
        let at_once = options.shares.map_or(workers.div_ceil(4), NonZeroUsize::get).max(1);
        let context = Arc::new(Context {
            repository: files.repository.clone(),
            snapshot,
            order: draft.order,
            namespace: draft.namespace.clone(),
            // No two parts have a segment in common, since root keys are in it: so none waits for what another stores.
            known: Known::new(index),
            gate: Gate::of(at_once, options.shares),
            options,
            in_flight: workers.div_ceil(at_once).max(2),
        });
        Self { files: Arc::new(files), share, context, at_once, report: ShareReport::default() }
    }

    async fn run(mut self, parts: &Parts) -> Result<ShareReport, RepositoryError> {
        let progress = self.context.options.progress.clone();
        progress.phase("reading the first phase", None);
        self.read(Phase::First, &parts.first, [0; 32]).await?;
        progress.phase("waiting for other shares", None);
        let barrier = self.wait().await?;
        progress.phase("reading the second phase", None);
        self.read(Phase::Second, &parts.second, barrier).await?;
        Ok(self.report)
    }

    /// Reads the own parts of a phase that have no good record.
    async fn read(
        &mut self,
        phase: Phase,
        parts: &[Share],
        barrier: [u8; 32],
    ) -> Result<(), RepositoryError> {
        let mut todo = Vec::new();
        for index in self.share.share.range(parts.len()) {
            let id = PartId { phase, index: index as u64 };
            self.report.parts += 1;
            let replaces = match self.files.look(id).await? {
                Found::Good(part, _) if part.barrier == barrier => {
                    self.report.parts_reused += 1;
                    continue;
                }
                Found::Missing => false,
                Found::Good(..) | Found::Bad(_) => true,
            };
            let Some(share) = parts.get(index).cloned() else { continue };
            todo.push(Todo { id, share, barrier, replaces });
        }
        let stop = Stop::default();
        let readings = todo.into_iter().map(|todo| {
            let part = read_part(self.context.clone(), self.files.clone(), todo, stop.watch());
            let stopped = stop.watch();
            async move { work::spawn_worker(stopped, part).await? }
        });
        let read = work::collect(futures::stream::iter(readings).buffer_unordered(self.at_once)).await?;
        read.iter().for_each(|part| self.report.add(part));
        Ok(())
    }

    /// Waits until all parts of the first phase have records; returns the hash over these.
    async fn wait(&self) -> Result<[u8; 32], RepositoryError> {
        let begun = Instant::now();
        let mut missing = self.files.ids(Phase::First);
        let mut hashes = vec![[0; 32]; missing.len()];
        loop {
            let mut left = Vec::new();
            let there = self.files.names().await?;
            for id in missing {
                if !there.contains(&id.to_string()) {
                    left.push(id);
                    continue;
                }
                match self.files.look(id).await? {
                    Found::Good(_, hash) => {
                        if let Some(place) = usize::try_from(id.index).ok().and_then(|at| hashes.get_mut(at))
                        {
                            *place = hash;
                        }
                    }
                    Found::Missing | Found::Bad(_) => left.push(id),
                }
            }
            if left.is_empty() {
                return Ok(barrier_of(&hashes));
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

/// Reads a part, and leaves a record of it when all that it refers to is durable.
async fn read_part(
    context: Arc<Context>,
    files: Arc<JobFiles>,
    todo: Todo,
    stopped: Stopped,
) -> Result<Part, RepositoryError> {
    let Todo { id, share, barrier, replaces } = todo;
    let read = share::run(context.clone(), Arc::from([share]), 0, stopped).await?;
    let consistency = context.snapshot.parts_consistency();
    let part = Part::of((files.hash, id, barrier), consistency, backup::now(), read);
    files.check_there().await?;
    // Somebody else who read the same part may have been faster; then that one counts.
    files.write(&part, replaces).await?;
    Ok(part)
}

/// Returns the hash over all parts of the first phase: that of their hashes, in order.
pub(crate) fn barrier_of(hashes: &[[u8; 32]]) -> [u8; 32] {
    *blake3::hash(hashes.as_flattened()).as_bytes()
}

/// Names parts, of one phase each, as ranges counted from 1.
pub(crate) fn list(ids: &[PartId]) -> String {
    let runs = ids.chunk_by(|one, next| one.phase == next.phase && one.index + 1 == next.index);
    let run = |run: &[PartId]| {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return String::new() };
        let phase = first.phase as u8;
        match run.len() {
            1 => format!("slice {} of phase {phase}", first.index + 1),
            _ => format!("slices {} to {} of phase {phase}", first.index + 1, last.index + 1),
        }
    };
    runs.map(run).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_slices_are_named_as_ranges() {
        let id = |phase, index| PartId { phase, index };
        let ids = [
            id(Phase::First, 0),
            id(Phase::First, 1),
            id(Phase::First, 2),
            id(Phase::First, 7),
            id(Phase::Second, 8),
        ];
        assert_eq!(list(&ids), "slices 1 to 3 of phase 1, slice 8 of phase 1, slice 9 of phase 2");
        assert_eq!(list(&[]), "");
    }
}
